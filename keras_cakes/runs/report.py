"""Writes the report of a run: a table, figures and sentences."""

import dataclasses
import functools
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes import evaluation
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.runs.derivations import searches_behind
from keras_cakes.runs.files import read_json
from keras_cakes.runs.files import read_table
from keras_cakes.runs.files import write_atomic
from keras_cakes.runs.files import write_table
from keras_cakes.runs.files import write_text
from keras_cakes.runs.run import SearchRun
from keras_cakes.runs.settings import PRIORITIES

# Entries of the `cost.json` of a network.
_COST = (
    *("params", "macs", "replaced_params_share", "replaced_macs_share"),
    *("median_ms", "min_ms", "max_ms"),
)
_EXPLANATIONS = {
    "3d": "all 3x3x3",
    "2d": "all 1x3x3",
    "p3d": "1x3x3, then 3x1x1",
    "manual_1d": "even split of the three 1D kernels",
    "manual_2d": "even split of the three 2D kernels",
    "manual_1d2d": "even split of 1x3x3 and 3x1x1",
    "manual_2d3d": "even split of 3x3x3 and 1x3x3",
    "performance": "found by the performance-priority search",
    "cost": "found by the cost-priority search",
    "random": "drawn at random, as dear as `performance`",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """Holds the parts of a report that depend on the kind of run.

    Args:
        heading: Title, and a sentence about data and settings.
        manual: Explanation of the variant `manual_1d2d3d`.
        sample: Name of the input of one forward pass.
        scores: Headings of the scores in the table, the main score first, by
            the names of their columns in `comparison.csv`.
        values: For each variant its scores by the same names.
        score_note: Explanation of the scores.
        figures: For each file name a caption and a figure.
    """

    heading: str
    manual: str
    sample: str
    scores: Mapping[str, str]
    values: Mapping[str, Mapping[str, float]]
    score_note: str
    figures: Mapping[str, tuple[str, Any]]


def write_report(run: SearchRun, contents: Contents) -> Path:
    """Writes `report.md`, `comparison.csv` and `figures/` of a run.

    Args:
        run: A run whose variants have been trained and evaluated.
        contents: The parts that depend on the kind of run.

    Returns:
        The path of `report.md`.
    """
    variants = run.variants
    rows = [
        {**_cost_row(run, name), **contents.values[name]} for name in variants
    ]
    write_table(run.folder / "comparison.csv", rows)
    searches = [
        priority
        for priority in PRIORITIES
        if any(priority in searches_behind(v) for v in variants)
    ]
    figures = _write_figures(run, rows, searches, contents)
    sections = [
        contents.heading + "\n\n" + _versions(run),
        "## Networks\n\n" + _table(rows, contents),
        *(_search_section(run, p, rows, contents) for p in searches),
        "## Figures\n\n"
        + "\n\n".join(
            f"{caption}\n\n![{caption}](figures/{name})"
            for name, caption in figures.items()
        ),
    ]
    path = run.folder / "report.md"
    write_text(path, "\n\n".join(sections) + "\n")
    return path


def _cost_row(run: SearchRun, variant: str) -> dict[str, Any]:
    folder = run.folder / "networks" / variant
    cost = read_json(folder / "cost.json", _COST)
    return {
        "name": variant,
        **{key: cost[key] for key in ("params", "macs")},
        "params_share": cost["replaced_params_share"],
        "macs_share": cost["replaced_macs_share"],
        "ms": cost["median_ms"],
        "ms_min": cost["min_ms"],
        "ms_max": cost["max_ms"],
        "threads": cost.get("threads", "unknown"),
    }


def _versions(run: SearchRun) -> str:
    versions = read_json(run.folder / "versions.json")
    return (
        "Every network was trained from scratch in the same way.\n\n"
        "Made with "
        + ", ".join(f"{name} {value}" for name, value in versions.items())
        + "."
    )


def _table(rows: Sequence[Mapping[str, Any]], contents: Contents) -> str:
    head = [
        "network",
        "replaced convolutions",
        "params",
        "MACs",
        "params, replaced",
        "MACs, replaced",
        "forward (min - max)",
        *contents.scores.values(),
    ]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        lines.append(
            [
                row["name"],
                _EXPLANATIONS.get(row["name"], contents.manual),
                f"{row['params']:,}",
                f"{row['macs'] / 1e9:.3f} G",
                f"{row['params_share']:.0%}",
                f"{row['macs_share']:.0%}",
                f"{row['ms']:.3g} ms ({row['ms_min']:.3g} - "
                f"{row['ms_max']:.3g})",
                *(f"{row[key]:.4f}" for key in contents.scores),
            ]
        )
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    threads = " or ".join(sorted({str(row["threads"]) for row in rows}))
    return table + (
        "\n\n`params, replaced` and `MACs, replaced` compare the replaced "
        "convolutions with their 3x3x3 form. MACs are multiply-adds of one "
        f"forward pass, `forward` is its time for one {contents.sample} "
        f"(median, shortest and longest of many; {threads} threads), "
        f"{contents.score_note}."
    )


def _search_section(
    run: SearchRun,
    priority: str,
    rows: Sequence[Mapping[str, Any]],
    contents: Contents,
) -> str:
    folder = run.folder / "search" / priority
    weights = read_table(
        folder / "path_weights.csv", ("weight", "draws", "sub_kernel")
    )
    values = np.array([float(row["weight"]) for row in weights])
    draws = np.array([int(row["draws"]) for row in weights])
    configuration = Configuration.load(folder / "configuration.json")
    counts = configuration.counts
    kinds = {row["sub_kernel"] for row in weights}
    channels = sum(counts.values())
    lines = [
        f"## The {priority}-priority search",
        f"- Path weights: mean {values.mean():.3f}, standard deviation "
        f"{values.std():.3f}, from {values.min():.3f} to "
        f"{values.max():.3f}. They start at 1; where they hardly leave it, "
        "the choice rests on little.",
        "- Channels per sub-kernel: "
        + ", ".join(f"{name} {count}" for name, count in counts.items())
        + f"; an even split would give {channels / len(kinds):.0f} each.",
    ]
    if draws.any():
        lines.append(
            f"- Each candidate of each channel was drawn {draws.mean():.0f} "
            f"times on average, from {draws.min()} to {draws.max()}."
        )
    main = next(iter(contents.scores))
    scores = {row["name"]: row[main] for row in rows}
    if priority == "performance" and {priority, "random"} <= set(scores):
        gain = scores[priority] - scores["random"]
        lines.append(
            f"- Searched {scores[priority]:.4f}, random configuration of "
            f"equal MACs {scores['random']:.4f}: a difference of "
            f"{gain:+.4f} in one pair of runs. A search that has found "
            "something beats chance again and again, over seeds."
        )
    return lines[0] + "\n\n" + "\n".join(lines[1:])


def _write_figures(
    run: SearchRun,
    rows: Sequence[Mapping[str, Any]],
    searches: Sequence[str],
    contents: Contents,
) -> dict[str, str]:
    """Writes the figures and returns their captions by file name."""
    figures = {"tradeoff.png": "Accuracy against cost of every network"}
    key, label = next(iter(contents.scores.items()))
    figure = evaluation.plot_tradeoff(rows, score=key, label=label)
    _save(run, "tradeoff.png", figure)
    for priority in searches:
        folder = run.folder / "search" / priority
        configuration = Configuration.load(folder / "configuration.json")
        name = f"composition_{priority}.png"
        figures[name] = f"What the {priority}-priority search chose"
        _save(run, name, evaluation.plot_composition(configuration))
        name = f"path_weights_{priority}.png"
        figures[name] = f"Path weights of the {priority}-priority search"
        weights = _grouped(
            read_table(
                folder / "path_weights.csv", ("layer", "sub_kernel", "weight")
            )
        )
        _save(run, name, evaluation.plot_path_weights(weights))
    figures["training.png"] = "Training loss of the networks"
    _save(run, "training.png", evaluation.plot_history(_histories(run)))
    for name, (caption, figure) in contents.figures.items():
        figures[name] = caption
        _save(run, name, figure)
    return figures


def _save(run: SearchRun, name: str, figure: Any) -> None:
    write_atomic(
        run.folder / "figures" / name,
        functools.partial(figure.savefig, format="png"),
    )


def _grouped(rows: list[dict[str, str]]) -> dict[str, Any]:
    layers: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        kernels = layers.setdefault(row["layer"], {})
        kernels.setdefault(row["sub_kernel"], []).append(float(row["weight"]))
    return {
        layer: (tuple(kernels), np.array(list(kernels.values())))
        for layer, kernels in layers.items()
    }


def _histories(run: SearchRun) -> dict[str, Any]:
    histories = {}
    for variant in run.variants:
        rows = read_table(
            run.folder / "networks" / variant / "history.csv", ("step", "loss")
        )
        histories[variant] = {
            column: [float(row[column]) for row in rows]
            for column in ("step", "loss")
        }
    return histories
