"""The two questions, as each engine is best asked them.

`group-by`: how many blocks has each producer code? `full`: how many rewarded blocks has each sequencer made in
each epoch, at each stake?

Stakes do not fit into 64 bits. Blocks are counted by the number of a stake's step, or by the instant since which
nothing changed; the stake itself, an exact DECIMAL(38, 0), comes in when the counts are joined with the steps,
within what is timed. That is the faster way for each engine.

An engine loads the columns first, which is not timed. What a formulation makes of the small tables (producers,
steps, instants) is timed where it is part of the query; the list of instants is given to all of them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from columns import Columns, Row

# Asks once. What it returns is made into rows outside of what is timed.
Ask = Callable[[], Any]


class Engine(Protocol):
    def ask(self, formulation: str) -> Ask: ...
    def rows(self, answer: Any) -> list[Row]: ...


# By engine and question, the formulations that were fast enough anywhere to be worth asking.
FORMULATIONS: dict[tuple[str, str], list[str]] = {
    ("numpy", "read"): ["sum of the producer bytes"],
    ("numpy", "group-by"): ["bincount"],
    ("numpy", "full"): ["slices"],
    ("duckdb", "group-by"): ["group by"],
    ("duckdb", "full"): ["asof", "range", "instants", "bins"],
    ("polars", "group-by"): ["in-memory", "streaming"],
    ("polars", "full"): ["asof, in-memory", "asof, streaming", "instants, in-memory", "instants, streaming"],
}

# The full question as one would put it: asked at every size, and reported beside the fastest way.
PLAIN = ("duckdb", "full", "asof")

# Counts by instant and producer, made into the answer.
OF_INSTANTS = """
    SELECT (n.time - {genesis}) // {epoch_secs} AS epoch, s.sequencer, s.stake, sum(n.blocks)::BIGINT AS blocks
    FROM n JOIN producers p ON n.producer = p.code
    ASOF JOIN stakes s ON p.sequencer = s.sequencer AND n.time >= s.time
    WHERE s.stake > 0 GROUP BY ALL"""

# Counts by epoch and step, made into the answer.
OF_STEPS = """
    SELECT n.epoch, s.sequencer, s.stake, sum(n.blocks)::BIGINT AS blocks
    FROM n JOIN stakes s USING (step) WHERE s.stake > 0 GROUP BY ALL"""

SQL: dict[str, str] = {
    "group by": "SELECT producer, count(*) AS blocks FROM blocks GROUP BY producer",
    # The question as one would put it: each block with its producer's last step.
    "asof": """
    WITH steps AS (SELECT code, step, time FROM stakes JOIN producers USING (sequencer)),
    n AS (SELECT (b.timestamp - {genesis}) // {epoch_secs} AS epoch, c.step, count(*) AS blocks
          FROM blocks b ASOF JOIN steps c ON b.producer = c.code AND b.timestamp >= c.time
          WHERE b.timestamp >= {genesis} GROUP BY ALL)"""
    + OF_STEPS,
    # Each block with all steps of its producer, of which those of another time are dropped.
    "range": """
    WITH steps AS (SELECT code, step, time, lead(time, 1, {forever}) OVER (PARTITION BY code ORDER BY time) AS until
                   FROM stakes JOIN producers USING (sequencer)),
    n AS (SELECT (b.timestamp - {genesis}) // {epoch_secs} AS epoch, c.step, count(*) AS blocks
          FROM blocks b JOIN steps c ON b.producer = c.code AND b.timestamp >= c.time AND b.timestamp < c.until
          WHERE b.timestamp >= {genesis} GROUP BY ALL)"""
    + OF_STEPS,
    # Each block with the last instant at which anything changed; steps are joined with the counts.
    "instants": """
    WITH n AS (SELECT i.time, b.producer, count(*) AS blocks
               FROM blocks b ASOF JOIN instants i ON b.timestamp >= i.time
               WHERE b.timestamp >= {genesis} GROUP BY ALL)"""
    + OF_INSTANTS,
    # The same by a hash join on the timestamp's high bits.
    "bins": """
    WITH stretches AS (SELECT time, lead(time, 1, {end}) OVER (ORDER BY time) AS until FROM instants),
    bins AS (SELECT time, until, unnest(range(time >> {bin_bits}, ((until - 1) >> {bin_bits}) + 1)) AS bin
             FROM stretches),
    n AS (SELECT s.time, b.producer, count(*) AS blocks
          FROM blocks b JOIN bins s ON b.timestamp >> {bin_bits} = s.bin AND b.timestamp >= s.time
                                   AND b.timestamp < s.until
          WHERE b.timestamp >= {genesis} GROUP BY ALL)"""
    + OF_INSTANTS,
}


def small_tables(columns: Columns, instants: list[int]) -> dict[str, Any]:
    """The producers, the steps and the instants as Arrow tables."""
    import pyarrow as pa

    times, sequencers, stakes = zip(*columns.stakes, strict=True)
    codes, of = zip(*columns.producers, strict=True)
    return {
        "stakes": pa.table(
            {
                "step": pa.array(range(len(times)), pa.uint32()),
                "time": pa.array(times, pa.int64()),
                "sequencer": pa.array(sequencers, pa.uint32()),
                "stake": pa.array(stakes, pa.decimal128(38, 0)),
            }
        ),
        "producers": pa.table({"code": pa.array(codes, pa.uint16()), "sequencer": pa.array(of, pa.uint32())}),
        "instants": pa.table({"time": pa.array(instants, pa.int64())}),
    }


def bin_bits(instants: list[int], end: int) -> int:
    """The width of bins, as a power of two: about four to a stretch, which was the best of those tried."""
    mean = max(1, (end - instants[0]) // len(instants))
    return max(0, mean.bit_length() - 3)


class DuckDb:
    """An in-memory table, filled beforehand. It may spill to disk before it exceeds the budget of memory."""

    def __init__(self, columns: Columns, question: str, blocks: int, threads: int, memory: int, spill: str) -> None:
        import duckdb
        import pyarrow as pa

        self.connection = duckdb.connect(
            config={"threads": threads, "memory_limit": f"{memory * 9 // 10**7}MB", "temp_directory": spill}
        )
        table: dict[str, Any] = {"producer": columns.codes(blocks, mapped=True)}
        tables: dict[str, Any] = {}
        self.values: dict[str, int] = {}
        if question == "full":
            timestamps = columns.timestamps(blocks, mapped=True)
            end = int(timestamps[-1]) + 1
            instants = columns.instants(end - 1)
            table["timestamp"] = timestamps
            tables = small_tables(columns, instants)
            self.values = {
                "genesis": columns.genesis,
                "epoch_secs": columns.epoch_secs,
                "end": end,
                "forever": 2**63 - 1,
                "bin_bits": bin_bits(instants, end),
            }
        tables["blocks"] = pa.table(table)
        for name, arrow in tables.items():
            self.connection.register("arrow", arrow)
            self.connection.execute(f"CREATE TABLE {name} AS FROM arrow")
            self.connection.unregister("arrow")

    def ask(self, formulation: str) -> Ask:
        sql = SQL[formulation].format(**self.values)
        return lambda: self.connection.sql(sql).to_arrow_table()

    def rows(self, answer: Any) -> list[Row]:
        return integer_rows([column.to_pylist() for column in answer.columns])


class Polars:
    """A frame over the columns in memory, and lazy queries on it."""

    def __init__(self, columns: Columns, question: str, blocks: int, threads: int) -> None:
        import polars as pl

        if pl.thread_pool_size() != threads:
            raise RuntimeError(f"Polars has {pl.thread_pool_size()} threads, not {threads}")
        self.pl = pl
        self.columns = columns
        self.question = question
        self.blocks = pl.DataFrame({"producer": columns.codes(blocks)})
        if question == "full":
            timestamps = columns.timestamps(blocks)
            tables = small_tables(columns, columns.instants(int(timestamps[-1])))
            self.stakes, self.producers, self.instants = (
                pl.DataFrame(tables[name]) for name in ("stakes", "producers", "instants")
            )
            self.blocks = self.blocks.with_columns(pl.Series("timestamp", timestamps).set_sorted())

    def ask(self, formulation: str) -> Ask:
        how, _, engine = formulation.rpartition(", ")
        query = {"": self.group_by, "asof": self.asof, "instants": self.by_instants}[how]
        return lambda: query().collect(engine=engine)

    def group_by(self) -> Any:
        return self.blocks.lazy().group_by("producer").len("blocks")

    def epoch(self, time: str) -> Any:
        return ((self.pl.col(time) - self.columns.genesis) // self.columns.epoch_secs).alias("epoch")

    def asof(self) -> Any:
        """The question as one would put it: each block with its producer's last step."""
        pl = self.pl
        steps = self.stakes.lazy().join(self.producers.lazy(), on="sequencer").select("code", "step", "time")
        counts = (
            self.blocks.lazy()
            .filter(pl.col("timestamp") >= self.columns.genesis)
            .join_asof(
                steps.sort("time"),
                left_on="timestamp",
                right_on="time",
                by_left="producer",
                by_right="code",
                check_sortedness=False,
            )
            .group_by(self.epoch("timestamp"), "step")
            .len("blocks")
        )
        return (
            counts.drop_nulls("step")
            .join(self.stakes.lazy(), on="step")
            .filter(pl.col("stake") > 0)
            .group_by("epoch", "sequencer", "stake")
            .agg(pl.col("blocks").sum())
        )

    def by_instants(self) -> Any:
        """Each block with the last instant at which anything changed; steps are joined with the counts."""
        pl = self.pl
        instants = self.instants.lazy().with_row_index("instant").with_columns(pl.col("time").set_sorted())
        counts = (
            self.blocks.lazy()
            .filter(pl.col("timestamp") >= self.columns.genesis)
            .join_asof(instants, left_on="timestamp", right_on="time", check_sortedness=False)
            .group_by("instant", "producer")
            .len("blocks")
        )
        return (
            counts.join(instants, on="instant")
            .join(self.producers.lazy(), left_on="producer", right_on="code")
            .sort("time")
            .join_asof(self.stakes.lazy(), on="time", by="sequencer", check_sortedness=False)
            .filter(pl.col("stake") > 0)
            .group_by(self.epoch("time"), "sequencer", "stake")
            .agg(pl.col("blocks").sum())
        )

    def rows(self, answer: Any) -> list[Row]:
        return integer_rows([column.to_list() for column in answer.get_columns()])


class NumPy:
    """No engine, but what the machine can do: the bytes read once, and a fold by hand that knows that blocks are in
    order of time, so that it looks for instants among blocks, not for each block's instant. On one core but for the
    reading."""

    def __init__(self, columns: Columns, question: str, blocks: int, threads: int) -> None:
        self.columns = columns
        self.question = question
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads)
        self.codes = columns.codes(blocks)
        if question == "full":
            self.timestamps = columns.timestamps(blocks)
            self.instants = columns.instants(int(self.timestamps[-1]))

    def ask(self, formulation: str) -> Ask:
        return {"read": self.read, "group-by": self.group_by, "full": self.full}[self.question]

    def read(self) -> int:
        words = self.codes[: len(self.codes) // 4 * 4].view(np.uint64)
        return sum(int(part) for part in self.pool.map(np.sum, np.array_split(words, self.threads)))

    def group_by(self) -> list[Row]:
        return [(code, int(blocks)) for code, blocks in enumerate(np.bincount(self.codes)) if blocks]

    def full(self) -> list[Row]:
        of = dict(self.columns.producers)
        bounds = [*np.searchsorted(self.timestamps, self.instants).tolist(), len(self.codes)]
        counts: dict[tuple[int, int, int], int] = {}
        in_force: dict[int, int] = {}
        steps = iter(self.columns.stakes)
        step = next(steps, None)
        for instant, first, end in zip(self.instants, bounds[:-1], bounds[1:], strict=True):
            while step is not None and step[0] <= instant:
                in_force[step[1]] = step[2]
                step = next(steps, None)
            epoch = (instant - self.columns.genesis) // self.columns.epoch_secs
            slices = np.bincount(self.codes[first:end])
            for code in np.flatnonzero(slices).tolist():
                sequencer = of.get(code)
                if sequencer is not None and (stake := in_force.get(sequencer, 0)) > 0:
                    key = (epoch, sequencer, stake)
                    counts[key] = counts.get(key, 0) + int(slices[code])
        return [(*key, blocks) for key, blocks in counts.items()]

    def rows(self, answer: Any) -> list[Row]:
        return [] if self.question == "read" else sorted(answer)


def integer_rows(columns: list[list[Any]]) -> list[Row]:
    """Rows of integers. A DECIMAL(38, 0) comes as a Decimal, which becomes an integer without loss."""
    return sorted(tuple(int(value) for value in row) for row in zip(*columns, strict=True))


def make(engine: str, columns: Columns, question: str, blocks: int, threads: int, memory: int, spill: str) -> Engine:
    if engine == "duckdb":
        return DuckDb(columns, question, blocks, threads, memory, spill)
    if engine == "polars":
        return Polars(columns, question, blocks, threads)
    return NumPy(columns, question, blocks, threads)
