"""Prints, saves and plots the results of the speed benchmarks.

Each benchmark times its candidates and the networks that they replace in
turns, in one process, so that a noisy machine disturbs all of them equally. A
row is printed and saved as soon as it is measured: if you stop a run, you keep
the rows so far.
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
_COLOURS = ("#56b4e9", "#e69f00", "#000000", "#009e73", "#cc79a7")


def parser(description: str, repeats: int) -> argparse.ArgumentParser:
    """Makes a parser with the options that every speed benchmark has."""
    options = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--short", action="store_true", help="small checks")
    options.add_argument("--repeats", type=int, default=repeats)
    options.add_argument("--output", type=Path, default=OUTPUT)
    return options


class Table:
    """Prints and saves rows one by one.

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
    """Sums up time ratios in one line: number, worst, geometric mean."""
    return (
        f"{name}: {len(ratios)} cases, worst x{max(ratios):.2f}, "
        f"geometric mean x{statistics.geometric_mean(ratios):.2f}"
    )


def save_scatter(
    file: str | os.PathLike[str],
    panels: Mapping[str, Sequence[tuple[float, float, str]]],
    peer: str,
) -> None:
    """Draws time against multiply-adds, both as ratios to a peer.

    Args:
        file: Path of the PNG.
        panels: For each panel points of ratio of multiply-adds, ratio of
            time, and the group that they belong to.
        peer: Name of the network that the ratios compare with.
    """
    # `Figure` without pyplot: nothing global, nothing to close.
    from matplotlib.figure import Figure

    groups = dict.fromkeys(p[2] for points in panels.values() for p in points)
    colours = dict(zip(groups, _COLOURS, strict=False))
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, points) in zip(all_axes, panels.items(), strict=True):
        ratios = [point[0] for point in points]
        ends = [min(ratios), max(1, *ratios)]
        axes.axhline(1, color="#d55e00", label=f"time of {peer}")
        axes.plot(ends, ends, "--", color="#666666", label="time = MACs")
        for group, colour in colours.items():
            chosen = [p for p in points if p[2] == group]
            axes.scatter(
                [p[0] for p in chosen],
                [p[1] for p in chosen],
                color=colour,
                alpha=0.75,
                linewidths=0,
                label=group,
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.3g}")
        axes.yaxis.set_major_formatter("{x:.3g}")
        axes.tick_params(labelsize=12)
        axes.set_title(name, fontsize=14)
        axes.set_xlabel(f"multiply-adds (MACs) / those of {peer}", fontsize=13)
    all_axes[0].set_ylabel(f"time / that of {peer}", fontsize=13)
    all_axes[0].legend(fontsize=11)
    figure.savefig(file, dpi=150)
