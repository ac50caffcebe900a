"""A log as raw columns, as `tally-rows` dumps it, and the rows that every engine has to answer with."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

# (epoch, sequencer, stake_wei, blocks) for the full question, (code, blocks) for the group-by.
Row = tuple[int, ...]


@dataclass(frozen=True)
class Columns:
    """A log's small tables, and where its columns lie."""

    directory: Path
    blocks: int
    genesis: int
    epoch_secs: int
    first_block: int
    # (code, sequencer) of each signer that stands for a sequencer
    producers: list[tuple[int, int]]
    # (time, sequencer, stake_wei), by time; of several steps at one time only the last, which wins
    stakes: list[tuple[int, int, int]]

    @classmethod
    def open(cls, directory: Path) -> "Columns":
        meta = json.loads((directory / "meta.json").read_text())
        with open(directory / "producers.csv", newline="") as file:
            producers = [(int(r["code"]), int(r["sequencer"])) for r in csv.DictReader(file) if r["sequencer"]]
        last: dict[tuple[int, int], int] = {}
        with open(directory / "stakes.csv", newline="") as file:
            for row in csv.DictReader(file):
                last[int(row["time"]), int(row["sequencer"])] = int(row["stake_wei"])
        return cls(
            directory=directory,
            blocks=int(meta["blocks"]),
            genesis=int(meta["genesis"]),
            epoch_secs=int(meta["epoch_secs"]),
            first_block=int(meta.get("first_block", 0)),
            producers=producers,
            stakes=[(time, sequencer, stake) for (time, sequencer), stake in sorted(last.items())],
        )

    def timestamps(self, blocks: int, mapped: bool = False) -> npt.NDArray[np.int64]:
        return self._read("timestamp.i64", "<i8", blocks, mapped)

    def codes(self, blocks: int, mapped: bool = False) -> npt.NDArray[np.uint16]:
        return self._read("producer.u16", "<u2", blocks, mapped)

    def _read(self, name: str, dtype: str, blocks: int, mapped: bool) -> npt.NDArray:
        path = self.directory / name
        size = path.stat().st_size
        if size != self.blocks * np.dtype(dtype).itemsize:
            raise ValueError(f"{path} has {size} bytes, but meta.json says {self.blocks} blocks")
        if mapped:
            return np.memmap(path, dtype, mode="r", shape=(blocks,))
        return np.fromfile(path, dtype, count=blocks)

    def instants(self, last_time: int) -> list[int]:
        """The times up to `last_time` at which a stake or the epoch changes, from genesis on."""
        epochs = range(self.genesis, last_time + 1, self.epoch_secs)
        steps = (time for time, _, _ in self.stakes if self.genesis < time <= last_time)
        return sorted({*epochs, *steps})


def read_activity(path: Path) -> list[Row]:
    """Tally's answer to the full question, sorted."""
    with open(path, newline="") as file:
        return sorted(
            (int(r["epoch"]), int(r["sequencer"]), int(r["stake_wei"]), int(r["blocks"])) for r in csv.DictReader(file)
        )
