"""Asks a server of a log of fixtures/pool-a thousands of requests that schemathesis makes from the server's own OpenAPI
document (or from another one), well-formed ones and others, and checks every answer by that document.

Usage: contract.py BASE_URL [DOCUMENT]
Exit status: 0 every answer is as the document says, and all kinds of answers were seen; 1 it is not so.
"""

import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).parent
# What hypothesis keeps of itself goes to what is installed. It reads this as it is imported.
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(HERE / "venv" / "hypothesis")

import schemathesis  # noqa: E402
from schemathesis.cli import schemathesis as command  # noqa: E402

REQUESTS_MIN = 2_000
# How many good answers each operation with parameters has to give; of another there is only one to be had.
GOOD_MIN = 10
# What has to be seen, too.
SEEN = (304, 400, 404, 405, 409)
# What a request may be told though each of its parameters by itself is as the document says: a schema cannot say that
# one is not to be above another.
TOGETHER = ("urn:tally:problem:bad-combination", "urn:tally:problem:bad-range", "urn:tally:problem:bad-cursor")
WAIT_SECS_MAX = 1
# Of these parameters an operation takes one group, and refuses a second one: most requests are to have one.
GROUPS = {"production": (("epoch",), ("last_blocks",), ("from", "to"))}

answers: defaultdict[str, Counter] = defaultdict(Counter)
# Operations that take none.
without_parameters: set[str] = set()
tags: dict[str, str] = {}
# The `next` of each list's last page that had one.
pages: dict[str, str] = {}


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict) -> None:
    """Closes the schemas of answers: what the document does not name is not to be served."""
    schemas = raw_schema["components"]["schemas"]
    parts = [part.get("$ref", "") for schema in schemas.values() for part in parts_of(schema)]
    whole = schemas.keys() - {part.rsplit("/", 1)[-1] for part in parts}
    for name in whole:
        close(schemas[name])


def parts_of(schema: dict) -> list[dict]:
    """The schemas that `schema` adds up to one object, at any depth."""
    own = schema.get("allOf", [])
    return own + [part for inner in own for part in parts_of(inner)]


def close(schema: object) -> None:
    """Closes a schema and those within it; one of several that add up to an object cannot be closed by itself."""
    if isinstance(schema, list):
        for inner in schema:
            close(inner)
    elif isinstance(schema, dict):
        if "allOf" in schema:
            schema["unevaluatedProperties"] = False
        elif isinstance(schema.get("properties"), dict):
            schema["unevaluatedProperties"] = False
            close(list(schema["properties"].values()))
        else:
            close(list(schema.values()))


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict) -> None:
    """Every fifth request shows the tag of the operation's last answer. None waits for long."""
    label = case.operation.label
    if sum(answers[label].values()) % 5 == 4 and label in tags:
        case.headers = {**(case.headers or {}), "If-None-Match": tags[label]}
    query = case.query or {}
    wait_secs = query.get("wait_secs")
    if isinstance(wait_secs, int) and WAIT_SECS_MAX < wait_secs <= 25:
        query["wait_secs"] = 0 if "at_least" in query else WAIT_SECS_MAX
    asked = sum(answers[label].values())
    groups = GROUPS.get(label.rsplit("/", 1)[-1], ())
    if groups and asked % 4:
        wanted = groups[asked % len(groups)]
        for name in {name for group in groups for name in group} - set(wanted):
            query.pop(name, None)
    # A page goes on where one of the present state ended, if there was one.
    if "cursor" in query and sum(answers[label].values()) % 3 != 2:
        if label in pages:
            query["cursor"] = pages[label]
        else:
            del query["cursor"]


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response: schemathesis.Response) -> None:
    label = case.operation.label
    answers[label][response.status_code] += 1
    if not any(case.operation.iter_parameters()):
        without_parameters.add(label)
    if "etag" in response.headers:
        tags[label] = response.headers["etag"][0]
    if response.status_code == 200 and response.headers.get("content-type") == ["application/json"]:
        answer = response.json()
        if isinstance(answer, dict) and isinstance(answer.get("next"), str):
            pages[label] = answer["next"]


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Exception, case: schemathesis.Case, response: schemathesis.Response
) -> bool:
    """Drops what is no failure of the server's: see `TOGETHER`; and a reader may be further than any server ever was."""
    if response.headers.get("content-type") != ["application/problem+json"]:
        return True
    kind, problem = type(failure).__name__, response.json()["type"]
    is_refused = kind == "RejectedPositiveData" and problem in TOGETHER
    is_behind = kind == "ServerError" and problem == "urn:tally:problem:behind"
    return not (is_refused or is_behind)


def main() -> int:
    url = sys.argv[1]
    document = sys.argv[2] if len(sys.argv) > 2 else f"{url}/openapi.json"
    config = str(HERE / "schemathesis.toml")
    try:
        # A stream goes on for an hour, calls take other parameters for each action, and a server for everybody has no
        # sessions: these have tests of their own.
        left_out = ["--exclude-path-regex", "^/v1/(changes$|calls/)", "--exclude-method", "POST"]
        command(["--config-file", config, "run", document, "--url", url, "--no-color", *left_out])
    except SystemExit as ended:
        status = ended.code
    seen = Counter()
    wrong = [] if status == 0 else ["schemathesis found failures"]
    for label, counts in sorted(answers.items()):
        seen += counts
        print(f"{label}: " + ", ".join(f"{n} x {code}" for code, n in sorted(counts.items())))
        if counts[200] < (1 if label in without_parameters else GOOD_MIN):
            wrong.append(f"{label} gave only {counts[200]} good answers")
    wrong += [f"no answer was {code}" for code in SEEN if not seen[code]]
    if seen.total() < REQUESTS_MIN:
        wrong.append("too few requests")
    for what in wrong:
        print(f"error: {what}")
    print(f"{seen.total()} requests to {len(answers)} operations, {len(wrong)} errors")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
