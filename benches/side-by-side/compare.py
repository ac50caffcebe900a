"""Asks Tally, DuckDB, Polars and NumPy the same two questions of the same blocks, compares their answers row by row
with Tally's, and times them.

Exit status: 0 all answers are equal; 1 it could not be done; 2 wrong usage; 3 an answer differs.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import engines
import machine
import report
import worker
from columns import Columns, Row, read_activity

# How Tally is called.
SYNTH = (
    "{tally} synth --blocks {blocks} --sequencers {sequencers} --pattern {pattern} --stake-changes {stake_changes} "
    "--seed {seed} --log {log}"
)
ROWS = "{rows} {log} {columns}"
REPLAY = "{tally} replay --log {log} --policy guide --threads {threads} --timing --activity {activity}"
UP_TO = " --to {last_block}"
# In what replay prints: what it took by itself, without the start of the process and the opening of the log.
TIMING = re.compile(r"\bblocks in (?P<value>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>s|ms|µs|us)\b")
UNIT_SECS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6}

FORMAT = "tally.side-by-side.1"
# Up to this size all formulations are asked; above it those that took at most so many times as long as the fastest.
PROBE_BLOCKS = 10_000_000
RIVAL = 2.0
# Threads are varied at the largest size up to this one.
THREADS_AT_BLOCKS_MAX = 100_000_000
# The part of the available memory that an engine may use.
MEMORY_SHARE = 0.8
LOAD_SECS = 300.0
POLL_SECS = 0.1
DIFFERENCES_SHOWN = 10


class Failed(Exception):
    """An engine could not answer within the budget of time and memory."""


@dataclass(frozen=True)
class Printed:
    """What a command printed, and what it took."""

    text: str
    seconds: float
    peak_kib: int


@dataclass
class Measurement:
    pattern: str
    question: str
    engine: str
    formulation: str
    threads: int
    # the size asked for, and the one measured: the first blocks of it, if not all fitted into the budget
    asked_blocks: int
    blocks: int
    warm: bool
    seconds: list[float]
    peak_kib: int
    # the formulation that is reported; the others were tried
    chosen: bool = True


@dataclass
class Log:
    """A synthetic log, its columns, and Tally's answers by number of blocks."""

    pattern: str
    path: Path
    columns: Columns
    answers: dict[int, list[Row]]


class Comparison:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.work: Path = options.work
        self.memory = int(machine.memory_bytes("MemAvailable") * MEMORY_SHARE)
        self.measurements: list[Measurement] = []
        self.skipped: list[dict[str, str | int]] = []

    # Tally

    def make_log(self, pattern: str, blocks: int) -> Log:
        path = self.work / f"{pattern.replace(':', '-')}-{blocks}"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        log, dump = path / "log", path / "columns"
        say(f"{pattern}, {blocks:,} blocks: makes the log and its columns")
        command(
            SYNTH,
            tally=self.options.tally,
            blocks=blocks,
            sequencers=self.options.sequencers,
            pattern=pattern,
            stake_changes=self.options.stake_changes,
            seed=self.options.seed,
            log=log,
        )
        command(ROWS, rows=self.options.rows, log=log, columns=dump)
        columns = Columns.open(dump)
        if columns.blocks != blocks:
            raise SystemExit(f"{dump} has {columns.blocks} blocks, not {blocks}")
        return Log(pattern, path, columns, {})

    def replay(self, log: Log, blocks: int, threads: int) -> tuple[Printed, list[Row]]:
        """What Tally prints and answers for the first `blocks` blocks."""
        activity = log.path / "activity.csv"
        activity.unlink(missing_ok=True)
        template = REPLAY + (UP_TO if blocks < log.columns.blocks else "")
        printed = command(
            template,
            tally=self.options.tally,
            log=log.path / "log",
            threads=threads,
            activity=activity,
            last_block=log.columns.first_block + blocks - 1,
        )
        return printed, read_activity(activity)

    def tally_answer(self, log: Log, blocks: int) -> list[Row]:
        if blocks not in log.answers:
            log.answers[blocks] = self.replay(log, blocks, self.options.threads)[1]
        return log.answers[blocks]

    def measure_tally(self, log: Log, threads: int) -> None:
        """Twice: by the clock, the whole command with its start, and by what it says of itself."""
        blocks = log.columns.blocks
        itself: list[float] = []
        whole: list[float] = []
        peak_kib = 0

        def run() -> None:
            nonlocal peak_kib
            printed, answer = self.replay(log, blocks, threads)
            whole.append(printed.seconds)
            peak_kib = max(peak_kib, printed.peak_kib)
            found = TIMING.search(printed.text)
            if found:
                itself.append(float(found["value"]) * UNIT_SECS[found["unit"]])
            check(f"tally with {threads} threads", answer, self.tally_answer(log, blocks))

        self.tally_answer(log, blocks)
        runs, warm = worker.timed_runs(run, self.options.budget_secs)
        for engine, seconds in (("tally", itself[-len(runs) :]), ("tally, whole command", whole[-len(runs) :])):
            if seconds:
                self.keep(
                    Measurement(log.pattern, "full", engine, "replay", threads, blocks, blocks, warm, seconds, peak_kib)
                )
        if not itself:
            say("tally printed no timing: only the whole command is timed")

    # The others

    def measure(self, log: Log, engine: str, question: str, formulation: str, blocks: int, threads: int) -> Measurement:
        """Asks in a process of its own, and ends it when it exceeds the budget.

        Raises Failed then, and exits with 3 if the answer is wrong.
        """
        directory = self.work / "task"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        task = worker.Task(
            engine=engine,
            question=question,
            formulation=formulation,
            columns=str(log.columns.directory),
            blocks=blocks,
            threads=threads,
            memory=self.memory,
            budget_secs=self.options.budget_secs,
            directory=str(directory),
        )
        process = subprocess.Popen([sys.executable, worker.__file__, json.dumps(asdict(task))])
        try:
            self.wait(process, directory / "loaded")
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(directory / "spill", ignore_errors=True)
        result = json.loads((directory / "result.json").read_text())
        answer = [tuple(row) for row in result["rows"]]
        who = f"{engine} ({formulation})"
        if question == "full":
            check(who, answer, self.tally_answer(log, blocks))
        elif question == "group-by":
            check_counts(who, answer, blocks, log, self.tally_answer(log, blocks))
        return Measurement(
            log.pattern,
            question,
            engine,
            formulation,
            threads,
            log.columns.blocks,
            blocks,
            result["warm"],
            result["seconds"],
            result["peak_kib"],
        )

    def wait(self, process: subprocess.Popen, loaded: Path) -> None:
        deadline, loading = time.monotonic() + LOAD_SECS, True
        while True:
            try:
                status = process.wait(POLL_SECS)
            except subprocess.TimeoutExpired:
                pass
            else:
                if status == 0:
                    return
                raise Failed(f"ended with status {status}")
            if loading and loaded.exists():
                deadline, loading = time.monotonic() + self.options.budget_secs, False
            if time.monotonic() > deadline:
                raise Failed("took too long to load" if loading else f"took over {self.options.budget_secs:g} s")
            if anonymous_bytes(process.pid) > self.memory:
                raise Failed(f"took over {self.memory / 1e9:.1f} GB of memory")

    def fastest(self, log: Log, engine: str, question: str) -> None:
        """Keeps the fastest formulation, at the largest size that it can do."""
        threads = 1 if engine == "numpy" and question != "read" else self.options.threads
        asked = log.columns.blocks
        probe = min(asked, PROBE_BLOCKS)
        tried: list[Measurement] = []
        for formulation in engines.FORMULATIONS[engine, question]:
            try:
                tried.append(self.measure(log, engine, question, formulation, probe, threads))
            except Failed as why:
                self.skip(log, engine, question, formulation, probe, threads, str(why))
        if not tried:
            return
        if probe == asked:
            self.keep_fastest(tried)
            return
        for measurement in tried:
            measurement.chosen = False
            self.keep(measurement)
        fastest = min(min(measurement.seconds) for measurement in tried)
        rivals = [m for m in tried if min(m.seconds) <= RIVAL * fastest or is_plain(m)]
        self.largest(log, rivals, threads)

    def largest(self, log: Log, candidates: list[Measurement], threads: int) -> None:
        """Keeps the fastest of the candidates at the largest size that any of them can do, of those in `sizes`. Their
        rates at a smaller size say which would certainly take too long."""
        for blocks in sizes(log.columns.blocks):
            done: list[Measurement] = []
            for like in candidates:
                what = (log, like.engine, like.question, like.formulation, blocks, threads)
                expected = min(like.seconds) * blocks / like.blocks
                if blocks > like.blocks and expected > self.options.budget_secs:
                    self.skip(*what, f"would take some {expected:.3g} s")
                    continue
                try:
                    done.append(self.measure(*what))
                except Failed as why:
                    self.skip(*what, str(why))
            if done:
                self.keep_fastest(done)
                return

    def keep_fastest(self, tried: list[Measurement]) -> None:
        fastest = min(tried, key=lambda measurement: min(measurement.seconds))
        for measurement in tried:
            measurement.chosen = measurement is fastest or is_plain(measurement)
            self.keep(measurement)

    # The run

    def run(self) -> None:
        threads_at = max(
            (blocks for blocks in self.options.blocks if blocks <= THREADS_AT_BLOCKS_MAX),
            default=min(self.options.blocks),
        )
        self.write(complete=False)
        for pattern in self.options.pattern:
            for blocks in sorted(set(self.options.blocks)):
                log = self.make_log(pattern, blocks)
                self.measure_tally(log, self.options.threads)
                for engine, question in engines.FORMULATIONS:
                    self.fastest(log, engine, question)
                self.vary_threads(log, others=blocks == threads_at)
                self.write(complete=False)
                if not self.options.keep:
                    shutil.rmtree(log.path)
        self.write(complete=True)

    def vary_threads(self, log: Log, others: bool) -> None:
        """Measures with fewer threads, too: Tally, and the others at one size."""
        at_all = [
            m
            for m in self.measurements
            if (m.pattern, m.asked_blocks, m.chosen) == (log.pattern, log.columns.blocks, True)
            and m.engine in ("duckdb", "polars")
            and not is_plain(m)
            and others
        ]
        threads = 1
        while threads < self.options.threads:
            self.measure_tally(log, threads)
            for measurement in at_all:
                self.largest(log, [measurement], threads)
            threads *= 2

    def keep(self, measurement: Measurement) -> None:
        self.measurements.append(measurement)
        m = measurement
        rate = m.blocks / min(m.seconds)
        say(
            f"  {m.question:8}  {m.engine:20}  {m.formulation:27}  {m.threads} threads  {m.blocks:13,} blocks"
            f"  {min(m.seconds):10.6f} s  {report.rate(rate):>7} blocks/s{'' if m.chosen else '  (tried)'}"
        )

    def skip(self, log: Log, engine: str, question: str, formulation: str, blocks: int, threads: int, why: str) -> None:
        say(f"  {question:8}  {engine:20}  {formulation:27}  {threads} threads  {blocks:13,} blocks  {why}")
        self.skipped.append(
            {
                "pattern": log.pattern,
                "question": question,
                "engine": engine,
                "formulation": formulation,
                "threads": threads,
                "blocks": blocks,
                "why": why,
            }
        )

    def write(self, complete: bool) -> None:
        """Writes the results so far."""
        self.options.out.parent.mkdir(parents=True, exist_ok=True)
        self.options.out.write_text(json.dumps(self.document(complete), indent=1) + "\n")

    def document(self, complete: bool) -> dict[str, Any]:
        options = self.options
        return {
            "format": FORMAT,
            "complete": complete,
            "command": shlex.join(["run.sh", *sys.argv[1:]]),
            "commit": machine.commit(),
            "machine": machine.describe(),
            "versions": machine.versions(options.tally),
            "settings": {
                "threads": options.threads,
                "sequencers": options.sequencers,
                "stake_changes": options.stake_changes,
                "seed": options.seed,
                "budget_secs": options.budget_secs,
                "memory_bytes": self.memory,
            },
            "measurements": [
                asdict(m) | {"best": min(m.seconds), "median": report.median(m.seconds)} for m in self.measurements
            ],
            "skipped": self.skipped,
        }


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def command(template: str, **values: object) -> Printed:
    """Runs a command that has to succeed."""
    words = [word.format(**values) for word in template.split()]
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode != 0:
        raise SystemExit(f"{shlex.join(words)} exited with {process.returncode}:\n{text}")
    return Printed(text, seconds, usage.ru_maxrss)


def is_plain(measurement: Measurement) -> bool:
    return (measurement.engine, measurement.question, measurement.formulation) == engines.PLAIN


def sizes(blocks: int) -> list[int]:
    """The size itself and smaller ones down to the one that is probed: 1, 2 or 5 times a power of ten."""
    smaller = {
        digit * 10**power for power in range(12) for digit in (1, 2, 5) if PROBE_BLOCKS <= digit * 10**power < blocks
    }
    return [blocks, *sorted(smaller, reverse=True)]


def anonymous_bytes(pid: int) -> int:
    """The memory of a process that no file backs; 0 if it has just ended."""
    try:
        return int(machine.proc(f"{pid}/status", "RssAnon").split()[0]) * 1024
    except (OSError, ValueError):
        return 0


def check(who: str, answer: list[Row], tally: list[Row]) -> None:
    """Exits with 3 unless both have the same rows."""
    if answer == tally:
        return
    theirs, ours = Counter(answer), Counter(tally)
    lines = [
        f"  {sign} epoch {row[0]}, sequencer {row[1]}, stake_wei {row[2]}: {row[3]} blocks"
        for row, sign in sorted(
            [(row, f"{who}:") for row in (theirs - ours).elements()]
            + [(row, "tally:") for row in (ours - theirs).elements()]
        )
    ]
    differ(f"{who} has {len(answer)} rows, tally {len(tally)}, and these differ", lines)


def check_counts(who: str, answer: list[Row], blocks: int, log: Log, tally: list[Row]) -> None:
    """Exits with 3 unless the counts by producer code are NumPy's, are of all blocks, and are enough for what Tally
    rewards. (Tally itself answers no such question.)"""
    expected = engines.NumPy(log.columns, "group-by", blocks, 1).group_by()
    lines = [f"  {who} or numpy: code {row[0]}: {row[1]} blocks" for row in sorted(set(answer) ^ set(expected))]
    if sum(count for _, count in answer) != blocks:
        lines.append(f"  {who} counts {sum(count for _, count in answer)} blocks of {blocks}")
    of = dict(log.columns.producers)
    made: Counter[int] = Counter()
    for code, count in answer:
        if code in of:
            made[of[code]] += count
    rewarded: Counter[int] = Counter()
    for _, sequencer, _, count in tally:
        rewarded[sequencer] += count
    lines += [
        f"  sequencer {sequencer}: {who} counts {made[sequencer]} blocks, tally rewards {count}"
        for sequencer, count in sorted(rewarded.items())
        if count > made[sequencer]
    ]
    if lines:
        differ(f"{who} counts otherwise", lines)


def differ(what: str, lines: list[str]) -> NoReturn:
    say(f"different: {what}:")
    for line in lines[:DIFFERENCES_SHOWN]:
        say(line)
    if len(lines) > DIFFERENCES_SHOWN:
        say(f"  and {len(lines) - DIFFERENCES_SHOWN} more")
    sys.exit(3)


def positive(text: str) -> int:
    value = int(text.replace("_", ""))
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.split("\n\nExit")[0])
    parser.add_argument("--tally", type=Path, required=True, metavar="PATH", help="the command tally")
    parser.add_argument("--rows", type=Path, required=True, metavar="PATH", help="the program tally-rows")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="where logs and columns are made")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="where the results go")
    parser.add_argument("--blocks", type=positive, action="append", required=True, metavar="N", help="repeatable")
    parser.add_argument(
        "--pattern", action="append", metavar="P", help="random, spans:N or mixed; repeatable [default: random]"
    )
    parser.add_argument("--threads", type=positive, default=os.cpu_count() or 1, metavar="N", help="of each engine")
    parser.add_argument("--sequencers", type=positive, default=100, metavar="N")
    parser.add_argument("--stake-changes", type=positive, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=42, metavar="N")
    parser.add_argument(
        "--budget-secs", type=float, default=120.0, metavar="SECS", help="for one question to one engine [120]"
    )
    parser.add_argument("--keep", action="store_true", help="keep the logs and columns")
    parser.add_argument("--markdown", action="store_true", help="print the results as a table of Markdown")
    options = parser.parse_args()
    options.pattern = list(dict.fromkeys(options.pattern or ["random"]))
    for name in ("tally", "rows", "work", "out"):
        setattr(options, name, getattr(options, name).absolute())
    return options


def main() -> None:
    options = parse()
    comparison = Comparison(options)
    comparison.run()
    say(f"equal: every answer of every engine; results are in {options.out}")
    if options.markdown:
        print(report.markdown(comparison.document(complete=True)))


if __name__ == "__main__":
    main()
