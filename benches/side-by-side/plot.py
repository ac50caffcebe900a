"""Draws the results of `compare.py` as an SVG: rates over size and over threads, a row for each pattern.

The same results give the same bytes. Engines differ by marker and dashes, too, not by colour alone.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

import report

# Colour (of Okabe and Ito, told apart by the colour-blind), marker and dashes.
STYLES: dict[str, tuple[str, str, Any]] = {
    "tally": ("#000000", "o", "-"),
    "tally, whole command": ("#000000", "o", ":"),
    "polars": ("#0072b2", "s", "--"),
    "duckdb": ("#d55e00", "^", "-."),
    "numpy": ("#009e73", "D", (0, (1, 1))),
}
NAMES = {
    "tally": "Tally",
    "tally, whole command": "Tally, whole command",
    "polars": "Polars",
    "duckdb": "DuckDB",
    "numpy": "NumPy by hand, one core",
}
Measurements = list[dict[str, Any]]


def draw(axes: Axes, engine: str, points: dict[int, float]) -> None:
    colour, marker, dashes = STYLES[engine]
    hollow = engine == "tally, whole command"
    axes.plot(
        list(points),
        list(points.values()),
        color=colour,
        marker=marker,
        markerfacecolor="white" if hollow else colour,
        linestyle=dashes,
        linewidth=1.6,
        markersize=5,
        label=NAMES[engine],
    )


def best_by(measurements: Measurements, key: str, **where: Any) -> dict[int, float]:
    """The best rate by size or by threads, of the measurements that are so."""
    points: dict[int, float] = {}
    for m in measurements:
        if all(m[name] == value for name, value in where.items()):
            points[m[key]] = max(points.get(m[key], 0.0), report.best_rate(m))
    return dict(sorted(points.items()))


def over_size(axes: Axes, measurements: Measurements, question: str, threads: int) -> None:
    for engine in STYLES:
        # Tally answers the full question alone, which is what a mere group-by is set against.
        asked = "full" if engine.startswith("tally") else question
        where = {} if engine == "numpy" else {"threads": threads}
        draw_if(axes, engine, best_by(measurements, "blocks", engine=engine, question=asked, **where))
    axes.set_xscale("log")
    axes.set_xlabel("blocks")


def over_threads(axes: Axes, measurements: Measurements) -> None:
    varied = [m for m in measurements if m["engine"] in ("duckdb", "polars") and m["threads"] == 1]
    size = max((m["asked_blocks"] for m in varied), default=0)
    here = [m for m in measurements if m["asked_blocks"] == size]
    for engine in STYLES:
        if engine != "numpy":
            draw_if(axes, engine, best_by(here, "threads", engine=engine, question="full"))
    threads = sorted({m["threads"] for m in here})
    axes.set_xscale("log", base=2)
    axes.set_xticks(threads, [str(count) for count in threads])
    axes.set_xlim(min(threads, default=1) / 1.25, max(threads, default=1) * 1.25)
    axes.set_xlabel(f"threads, at {size:,} blocks")


def draw_if(axes: Axes, engine: str, points: dict[int, float]) -> None:
    if points:
        draw(axes, engine, points)


def figure(documents: list[dict[str, Any]]) -> plt.Figure:
    measurements: Measurements = [m for d in documents for m in d["measurements"] if m["chosen"]]
    threads = max(m["threads"] for m in measurements)
    patterns = list(dict.fromkeys(m["pattern"] for m in measurements))
    rows = len(patterns)
    drawing, grid = plt.subplots(
        rows, 3, figsize=(11, 3.1 * rows + 0.9), sharey=True, squeeze=False, width_ratios=(4, 4, 3)
    )
    for pattern, (full, alone, scaling) in zip(patterns, grid, strict=True):
        of_pattern = [m for m in measurements if m["pattern"] == pattern]
        over_size(full, of_pattern, "full", threads)
        over_size(alone, of_pattern, "group-by", threads)
        over_threads(scaling, of_pattern)
        full.set_title(f"{pattern}: the full question", fontsize=10)
        alone.set_title(f"{pattern}: group-by alone, but Tally in full", fontsize=10)
        scaling.set_title(f"{pattern}: the full question", fontsize=10)
        full.set_ylabel("blocks per second")
        for axes in (full, alone, scaling):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: report.rate(value)))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(which="major", color="#cccccc", linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
    lines: dict[str, Line2D] = {}
    for axes in grid.flat:
        for line in axes.get_lines():
            lines.setdefault(str(line.get_label()), line)
    names = [name for name in NAMES.values() if name in lines]
    # Room for the legend, whatever the number of rows.
    top = 1 - 0.55 / drawing.get_figheight()
    drawing.legend([lines[name] for name in names], names, loc="upper center", ncols=5, frameon=False, handlelength=3.5)
    drawing.tight_layout(rect=(0, 0, 1, top))
    return drawing


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.sh plot", description="Draws results as an SVG.")
    parser.add_argument("results", type=Path, nargs="+", metavar="FILE.json")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.svg")
    options = parser.parse_args()
    # Names within the SVG are salted hashes; it would have a date, too.
    plt.rcParams["svg.hashsalt"] = "tally"
    drawing = figure([json.loads(path.read_text()) for path in options.results])
    drawing.savefig(options.out, format="svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
