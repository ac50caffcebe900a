"""Prints the results of `compare.py` as Markdown. What is compared are rates of the best run; each says at which
size it was measured."""

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["markdown", "median", "rate"]

QUESTIONS = {"full": "full question", "group-by": "group-by alone", "read": "reading the producers"}


def rate(per_second: float) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if per_second >= unit:
            return f"{per_second / unit:.3g} {name}" if per_second < 999.5 * unit else f"{per_second / unit:.0f} {name}"
    return f"{per_second:.3g}"


def seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def best_rate(measurement: dict[str, Any]) -> float:
    return measurement["blocks"] / measurement["best"]


def markdown(document: dict[str, Any]) -> str:
    machine, versions = document["machine"], document["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    lines = [
        f"{machine['cores']} cores of an {machine['cpu']}, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{machine['kernel']}; commit `{document['commit'][:12]}`; {packages}.",
        "",
        f"`{document['command']}`",
    ]
    if not document["complete"]:
        lines += ["", "**The run did not end: an answer differed, or it was stopped.**"]
    chosen = [m for m in document["measurements"] if m["chosen"]]
    groups = list(dict.fromkeys((m["pattern"], m["asked_blocks"]) for m in chosen))
    smaller = False
    for pattern, asked in groups:
        group = [m for m in chosen if (m["pattern"], m["asked_blocks"]) == (pattern, asked)]
        tally = {m["threads"]: best_rate(m) for m in group if m["engine"] == "tally"}
        if not tally:
            tally = {m["threads"]: best_rate(m) for m in group if m["engine"].startswith("tally")}
        lines += [
            "",
            f"### `{pattern}`, {asked:,} blocks",
            "",
            "| question | engine | threads | measured at | best | median of | blocks/s | Tally / it |",
            "|---|---|--:|--:|--:|--:|--:|--:|",
        ]
        order = list(QUESTIONS)
        for m in sorted(group, key=lambda m: (order.index(m["question"]), -m["threads"])):
            mark = "" if m["blocks"] == asked else " †"
            smaller |= bool(mark)
            # With as many threads.
            base = tally.get(m["threads"])
            ratio = f"{base / best_rate(m):.3g} ×" if base and m["engine"] != "tally" else ""
            how = f" ({m['formulation']})" if not m["engine"].startswith("tally") else ""
            warm = "" if m["warm"] else ", not warm"
            lines.append(
                f"| {QUESTIONS[m['question']]} | {m['engine']}{how} | {m['threads']} | {m['blocks']:,}{mark} "
                f"| {seconds(m['best'])} | {seconds(m['median'])} of {len(m['seconds'])}{warm} "
                f"| {rate(best_rate(m))} | {ratio} |"
            )
    lines += ["", "Tally / it: the rate of Tally's full question by that of the row, with as many threads."]
    if smaller:
        lines += ["", "† The first blocks only: at the next larger size it would not do."]
        for s in document["skipped"]:
            lines.append(
                f"- `{s['pattern']}`, {s['question']}, {s['engine']} ({s['formulation']}), {s['threads']} threads, "
                f"{s['blocks']:,} blocks: {s['why']}"
            )
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print("usage: run.sh report FILE.json...", file=sys.stderr)
        sys.exit(2)
    print("\n\n".join(markdown(json.loads(Path(name).read_text())) for name in sys.argv[1:]))


if __name__ == "__main__":
    main()
