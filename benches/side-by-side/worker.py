"""Asks one engine one question, several times, in a process of its own: its memory is its own, and it can be ended.

Reads a Task as JSON from its first argument. Makes the file `loaded` once the columns are in memory, and at the end
`result.json`, both in the task's directory.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A run that takes longer is not run three times.
LONG_RUN_SECS = 20.0
RUNS_MIN = 3
RUNS_MAX = 9
# Short runs go on up to this long, so that the best of them is not an accident.
SHORT_RUNS_SECS = 3.0


@dataclass(frozen=True)
class Task:
    engine: str
    question: str
    formulation: str
    columns: str
    blocks: int
    threads: int
    memory: int
    budget_secs: float
    directory: str


def timed_runs(run: Callable[[], object], budget_secs: float) -> tuple[list[float], bool]:
    """Runs once to warm up and then several times. Returns the seconds of each run, and whether they were warm: if
    the budget allows of no second run, the first is the only one."""
    start = time.perf_counter()
    run()
    first = time.perf_counter() - start
    if 2 * first > budget_secs:
        return [first], False
    runs_min = 1 if first > LONG_RUN_SECS else RUNS_MIN
    seconds: list[float] = []
    while len(seconds) < RUNS_MAX:
        spent = time.perf_counter() - start
        if len(seconds) >= runs_min and spent > SHORT_RUNS_SECS:
            break
        if seconds and spent + first > budget_secs:
            break
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return seconds, True


def main() -> None:
    task = Task(**json.loads(sys.argv[1]))
    # Both have to be set before the engines are imported.
    os.environ["POLARS_MAX_THREADS"] = str(task.threads)
    os.environ["OMP_NUM_THREADS"] = "1"
    import engines
    from columns import Columns

    directory = Path(task.directory)
    columns = Columns.open(Path(task.columns))
    engine = engines.make(
        task.engine, columns, task.question, task.blocks, task.threads, task.memory, str(directory / "spill")
    )
    (directory / "loaded").touch()
    ask = engine.ask(task.formulation)
    kept: list[Any] = []

    def run() -> None:
        kept[:] = [ask()]

    seconds, warm = timed_runs(run, task.budget_secs)
    result = {
        "seconds": seconds,
        "warm": warm,
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "rows": engine.rows(kept[0]),
    }
    (directory / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
