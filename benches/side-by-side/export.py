"""Puts Tally's export of the ledger by block beside DuckDB's COPY of a query that gives the same rows, and compares
the rows.

Exit status: 0 all rows are equal; 1 it could not be done; 2 wrong usage; 3 a row differs.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from columns import Columns
from compare import SYNTH, command, say
from report import rate

EXPORT = "{tally} ledger export --log {log} --policy guide --out {out}"
REPLAY = "{tally} replay --log {log} --policy guide --format json"
RUNS = 3

# What DuckDB writes: each block with its producer's last stake, its epoch's reward, and the sum up to it. The short
# query leaves out the span, and the order of blocks, in which Tally's files are.
QUERIES = {
    "short": """
    WITH steps AS (SELECT code, sequencer, time, stake FROM stakes JOIN producers USING (sequencer)),
    n AS (SELECT b.block, b.timestamp, (b.timestamp - {genesis}) // {epoch_secs} AS epoch, s.sequencer,
                 least(s.stake, {cap}::DECIMAL(38, 0)) AS effective
          FROM blocks b ASOF JOIN steps s ON b.producer = s.code AND b.timestamp >= s.time)
    SELECT block, timestamp, epoch, sequencer, effective AS effective_stake_wei, reward AS reward_wei,
           (sum(reward) OVER (PARTITION BY sequencer ORDER BY block))::DECIMAL(38, 0) AS running_total_wei
    FROM n JOIN rates USING (epoch)""",
    "whole": """
    WITH steps AS (SELECT code, sequencer, time, stake FROM stakes JOIN producers USING (sequencer)),
    n AS (SELECT b.block, b.timestamp, (b.timestamp - {genesis}) // {epoch_secs} AS epoch, p.span, s.sequencer,
                 least(s.stake, {cap}::DECIMAL(38, 0)) AS effective
          FROM blocks b ASOF JOIN steps s ON b.producer = s.code AND b.timestamp >= s.time
          ASOF JOIN spans p ON b.block >= p.start)
    SELECT block, timestamp, epoch, span, sequencer, effective AS effective_stake_wei, reward AS reward_wei,
           (sum(reward) OVER (PARTITION BY sequencer ORDER BY block))::DECIMAL(38, 0) AS running_total_wei,
           NULL::BIGINT AS batch, NULL::VARCHAR AS unrewarded
    FROM n JOIN rates USING (epoch) ORDER BY block""",
}
COPY = "COPY ({query}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"

# How many rows either has that the other has not, of those with a reward; and how many there are.
COMPARE = """
SELECT count(*), count(*) FILTER (a.block IS NULL OR b.block IS NULL OR a.timestamp <> b.timestamp
    OR a.epoch <> b.epoch OR a.sequencer <> b.sequencer OR a.effective_stake_wei <> b.effective_stake_wei
    OR a.reward_wei <> b.reward_wei OR a.running_total_wei <> b.running_total_wei)
FROM (FROM '{tally}/*.parquet' WHERE reward_wei IS NOT NULL) a FULL JOIN '{duckdb}' b ON a.block = b.block"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.sh export", description="Compares exports of the ledger by block.")
    parser.add_argument("--tally", required=True, help="the tally binary")
    parser.add_argument("--rows", required=True, help="the binary that dumps a log's columns")
    parser.add_argument("--work", type=Path, required=True, help="a directory for the files")
    parser.add_argument("--blocks", type=int, default=22_000_000)
    parser.add_argument("--sequencers", type=int, default=32)
    parser.add_argument("--stake-changes", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    work: Path = options.work / "export"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    log, dump = work / "log", work / "columns"
    for template in (SYNTH, "{rows} {log} {columns}"):
        command(
            template,
            tally=options.tally,
            rows=options.rows,
            blocks=options.blocks,
            sequencers=options.sequencers,
            pattern="spans:200",
            stake_changes=options.stake_changes,
            seed=42,
            log=log,
            columns=dump,
        )
    tally = [measure_tally(options, log, work / "tally") for _ in range(RUNS)]
    show("tally", options.blocks, tally, sorted((work / "tally").glob("*.parquet")))
    for name in QUERIES:
        out = work / f"{name}.parquet"
        duckdb = [measure_duckdb(options, log, dump, work / "tally", name, out) for _ in range(RUNS)]
        show(f"duckdb, the {name} query", options.blocks, duckdb, [out])
        say(f"tally is {min(duckdb) / min(tally):.1f} times as fast")
        compare(work / "tally", out)
    shutil.rmtree(work)


def show(name: str, blocks: int, seconds: list[float], files: list[Path]) -> None:
    size = sum(file.stat().st_size for file in files)
    best = min(seconds)
    say(f"{name}: {best:.3f} s, {rate(blocks / best)} rows/s, {size / 1e6:.0f} MB, best of {len(seconds)} runs")


def measure_tally(options: argparse.Namespace, log: Path, out: Path) -> float:
    """The whole command. The first run replays the log, too; the others find the replay kept."""
    shutil.rmtree(out, ignore_errors=True)
    return command(EXPORT, tally=options.tally, log=log, out=out).seconds


def measure_duckdb(
    options: argparse.Namespace, log: Path, dump: Path, tally: Path, query: str, out: Path
) -> float:
    """The query alone: its tables are in memory before."""
    import duckdb
    import pyarrow as pa

    columns = Columns.open(dump)
    codes, of = zip(*columns.producers, strict=True)
    times, sequencers, stakes = zip(*columns.stakes, strict=True)
    replayed = json.loads(command(REPLAY, tally=options.tally, log=log).text)[0]
    rates = [(epoch["epoch"], int(epoch["rate"]["reward_per_block_wei"])) for epoch in replayed["epochs"]]
    tables = {
        "blocks": pa.table(
            {
                "block": pa.array(range(columns.first_block, columns.first_block + columns.blocks), pa.int64()),
                "producer": columns.codes(columns.blocks),
                "timestamp": columns.timestamps(columns.blocks),
            }
        ),
        "producers": pa.table({"code": pa.array(codes, pa.uint16()), "sequencer": pa.array(of, pa.int64())}),
        "stakes": pa.table(
            {
                "time": pa.array(times, pa.int64()),
                "sequencer": pa.array(sequencers, pa.int64()),
                "stake": pa.array(stakes, pa.decimal128(38, 0)),
            }
        ),
        "rates": pa.table(
            {
                "epoch": pa.array([epoch for epoch, _ in rates], pa.int64()),
                "reward": pa.array([reward for _, reward in rates], pa.decimal128(38, 0)),
            }
        ),
    }
    connection = duckdb.connect(config={"threads": options.threads})
    for name, table in tables.items():
        connection.register("arrow", table)
        connection.execute(f"CREATE TABLE {name} AS FROM arrow")
        connection.unregister("arrow")
    spans = f"SELECT span, min(block) AS start FROM '{tally}/*.parquet' WHERE span IS NOT NULL GROUP BY span"
    connection.execute(f"CREATE TABLE spans AS {spans}")
    select = QUERIES[query].format(genesis=columns.genesis, epoch_secs=columns.epoch_secs, cap=10**23)
    sql = COPY.format(query=select, out=out)
    start = time.perf_counter()
    connection.execute(sql)
    return time.perf_counter() - start


def compare(tally: Path, duckdb_file: Path) -> None:
    import duckdb

    rows, different = duckdb.sql(COMPARE.format(tally=tally, duckdb=duckdb_file)).fetchall()[0]
    say(f"{rows} rows with a reward, {different} of them different")
    if different or not rows:
        sys.exit(3)


if __name__ == "__main__":
    main()
