"""What the speed benchmarks share: tables, summaries and the figure.

Each benchmark times its candidates and what they stand for in turns, in one
process, so that a noisy machine troubles them alike. A row is printed and
saved as soon as it is measured: a run that is stopped has measured something.
"""

import argparse
import csv
import logging
import os
import statistics
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# What is measured is traced anew each time, of which TensorFlow warns.
logging.getLogger("tensorflow").setLevel("ERROR")

OUTPUT = Path("build/benchmarks")

# Colours that readers with colour deficiencies tell apart.
_BUCKETS = {
    "up to 32 filters": (0, "#56b4e9"),
    "64 filters": (33, "#e69f00"),
    "128 filters and more": (128, "#000000"),
}


def parser(description: str, repeats: int) -> argparse.ArgumentParser:
    """The options that every speed benchmark has."""
    options = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--short", action="store_true", help="small checks")
    options.add_argument("--repeats", type=int, default=repeats)
    options.add_argument("--output", type=Path, default=OUTPUT)
    return options


class Table:
    """Rows that are printed and saved one by one.

    Args:
        file: Path of a CSV file; its folder is made where it is missing.
        columns: For each column the format of its values in print, such as
            `">9.2f"`; empty for a last one of any length.
    """

    def __init__(
        self, file: str | os.PathLike[str], columns: Mapping[str, str]
    ):
        self.file = Path(file)
        self.columns = columns
        self.rows: list[dict[str, Any]] = []
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._save(list(columns), "w")
        self._print({name: name for name in columns})

    def add(self, row: Mapping[str, Any], mark: str = "") -> None:
        """Prints and saves one row; `mark` is only printed."""
        self.rows.append(dict(row))
        self._save([_short(row[name]) for name in self.columns], "a")
        self._print(row, mark)

    def _save(self, values: Sequence[Any], mode: str) -> None:
        with open(self.file, mode, encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(values)

    def _print(self, row: Mapping[str, Any], mark: str = "") -> None:
        cells = [_cell(row[name], spec) for name, spec in self.columns.items()]
        print(f"{mark or ' '} {'  '.join(cells)}".rstrip(), flush=True)


def _short(value: Any) -> Any:
    return f"{value:.5g}" if isinstance(value, float) else value


def _cell(value: Any, spec: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format(value, spec)
    text = "-" if value is None else str(value)
    return format(text, spec.split(".")[0].split(",")[0])


def summary(name: str, ratios: Sequence[float]) -> str:
    """One line on time ratios: how many, the worst, the geometric mean."""
    return (
        f"{name}: {len(ratios)} cases, worst x{max(ratios):.2f}, "
        f"geometric mean x{statistics.geometric_mean(ratios):.2f}"
    )


def save_scatter(
    file: str | os.PathLike[str],
    panels: Mapping[str, Sequence[tuple[float, float, int]]],
) -> None:
    """Draws time against multiply-adds, both as ratios to `Conv3D`.

    Args:
        file: Path of the PNG.
        panels: For each panel points of ratio of multiply-adds, ratio of
            time, and filters.
    """
    # `Figure` without pyplot: nothing global, nothing to close.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, points) in zip(all_axes, panels.items(), strict=True):
        ends = [min(point[0] for point in points), 1]
        axes.axhline(1, color="#d55e00", label="time of Conv3D")
        axes.plot(ends, ends, "--", color="#666666", label="time = MACs")
        for bucket, (_, colour) in _BUCKETS.items():
            chosen = [p for p in points if _bucket(p[2]) == bucket]
            axes.scatter(
                [p[0] for p in chosen],
                [p[1] for p in chosen],
                color=colour,
                alpha=0.75,
                linewidths=0,
                label=bucket,
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.3g}")
        axes.yaxis.set_major_formatter("{x:.3g}")
        axes.tick_params(labelsize=12)
        axes.set_title(name, fontsize=14)
        axes.set_xlabel("multiply-adds (MACs) / those of Conv3D", fontsize=13)
    all_axes[0].set_ylabel("time / that of Conv3D", fontsize=13)
    all_axes[0].legend(fontsize=11)
    figure.savefig(file, dpi=150)


def _bucket(filters: int) -> str:
    return [n for n, (least, _) in _BUCKETS.items() if filters >= least][-1]
