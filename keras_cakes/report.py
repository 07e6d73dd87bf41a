"""The report of a segmentation run: a table, figures, plain words."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes import plotting
from keras_cakes.configuration import Configuration
from keras_cakes.evaluation import predict_volume
from keras_cakes.evaluation import read_scores
from keras_cakes.evaluation import summarize
from keras_cakes.runs import read_table
from keras_cakes.runs import write_atomic
from keras_cakes.runs import write_table
from keras_cakes.runs import write_text
from keras_cakes.segmentation import SegmentationRun
from keras_cakes.segmentation import searches_behind
from keras_cakes.settings import PRIORITIES
from keras_cakes.training import load_whole

_EXPLANATIONS = {
    "3d": "all 3x3x3",
    "2d": "all 1x3x3",
    "p3d": "1x3x3, then 3x1x1",
    "manual_1d": "even split of the three 1D kernels",
    "manual_2d": "even split of the three 2D kernels",
    "manual_1d2d3d": "even split of all seven kernels",
    "performance": "found by the performance-priority search",
    "cost": "found by the cost-priority search",
    "random": "drawn at random, as dear as `performance`",
}


def write_report(run: SegmentationRun) -> Path:
    """Writes `report.md`, `comparison.csv` and `figures/` of a run.

    Args:
        run: A run whose variants have been trained and evaluated.

    Returns:
        The path of `report.md`.
    """
    rows = [_row(run, variant) for variant in run.settings.variants]
    write_table(run.folder / "comparison.csv", rows)
    searches = [
        priority
        for priority in PRIORITIES
        if any(priority in searches_behind(v) for v in run.settings.variants)
    ]
    figures = _write_figures(run, rows, searches)
    sections = [
        _heading(run),
        "## Networks\n\n" + _table(run, rows),
        *(_search_section(run, p, rows) for p in searches),
        "## Figures\n\n"
        + "\n\n".join(
            f"{caption}\n\n![{caption}](figures/{name})"
            for name, caption in figures.items()
        ),
    ]
    path = run.folder / "report.md"
    write_text(path, "\n\n".join(sections) + "\n")
    return path


def _row(run: SegmentationRun, variant: str) -> dict[str, Any]:
    folder = run.folder / "networks" / variant
    cost = json.loads((folder / "cost.json").read_text(encoding="utf-8"))
    scores = summarize(read_scores(folder / "scores.csv"))
    return {
        "name": variant,
        **{key: cost[key] for key in ("params", "macs")},
        "params_share": cost["replaced_params_share"],
        "macs_share": cost["replaced_macs_share"],
        "ms": cost["median_ms"],
        "ms_min": cost["min_ms"],
        "ms_max": cost["max_ms"],
        "threads": cost.get("threads", "unknown"),
        "dice": scores["mean"]["mean"],
        **{
            f"dice_{name}": scores[name]["mean"]
            for name in run.data.classes[1:]
        },
    }


def _heading(run: SegmentationRun) -> str:
    settings = run.settings
    source = (
        "the synthetic phantom"
        if settings.data == "phantom"
        else f"{Path(settings.data).name}, fold {settings.fold}"
    )
    versions = json.loads(
        (run.folder / "versions.json").read_text(encoding="utf-8")
    )
    shape = " x ".join(str(size) for size in settings.patch_shape)
    return (
        f"# Sub-kernels on {source}\n\n"
        f"{len(run.data.training)} training and {len(run.data.validation)} "
        f"validation cases; patches of {shape} voxels, batches of "
        f"{settings.batch_size}; a residual U-Net of width {settings.width} "
        f"and {settings.depth} levels; {settings.steps} training steps per "
        f"network, {settings.search_steps} per search; seed {settings.seed}. "
        "Every network was trained from scratch in the same way.\n\n"
        "Made with "
        + ", ".join(f"{name} {value}" for name, value in versions.items())
        + "."
    )


def _table(run: SegmentationRun, rows: list[dict[str, Any]]) -> str:
    classes = run.data.classes[1:]
    head = [
        "network",
        "replaced convolutions",
        "params",
        "MACs",
        "params, replaced",
        "MACs, replaced",
        "forward (min - max)",
        "mean DSC",
        *(f"DSC {name}" for name in classes),
    ]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        lines.append(
            [
                row["name"],
                _EXPLANATIONS[row["name"]],
                f"{row['params']:,}",
                f"{row['macs'] / 1e9:.3f} G",
                f"{row['params_share']:.0%}",
                f"{row['macs_share']:.0%}",
                f"{row['ms']:.0f} ms ({row['ms_min']:.0f} - "
                f"{row['ms_max']:.0f})",
                f"{row['dice']:.4f}",
                *(f"{row[f'dice_{name}']:.4f}" for name in classes),
            ]
        )
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return table + (
        "\n\n`params, replaced` and `MACs, replaced` compare the replaced "
        "convolutions with their 3x3x3 form. MACs are multiply-adds of one "
        "forward pass, `forward` is its time for one patch (median, shortest "
        f"and longest of many; {_threads(rows)} threads), DSC is the mean over "
        "validation cases."
    )


def _threads(rows: list[dict[str, Any]]) -> str:
    return " or ".join(sorted({str(row["threads"]) for row in rows}))


def _search_section(
    run: SegmentationRun, priority: str, rows: list[dict[str, Any]]
) -> str:
    folder = run.folder / "search" / priority
    weights = read_table(folder / "path_weights.csv")
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
    scores = {row["name"]: row["dice"] for row in rows}
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
    run: SegmentationRun, rows: list[dict[str, Any]], searches: list[str]
) -> dict[str, str]:
    figures = {"tradeoff.png": "Accuracy against cost of every network"}
    _save(run, "tradeoff.png", plotting.plot_tradeoff(rows))
    for priority in searches:
        folder = run.folder / "search" / priority
        configuration = Configuration.load(folder / "configuration.json")
        name = f"composition_{priority}.png"
        figures[name] = f"What the {priority}-priority search chose"
        _save(run, name, plotting.plot_composition(configuration))
        name = f"path_weights_{priority}.png"
        figures[name] = f"Path weights of the {priority}-priority search"
        weights = _grouped(read_table(folder / "path_weights.csv"))
        _save(run, name, plotting.plot_path_weights(weights))
    figures["training.png"] = "Training loss of the networks"
    _save(run, "training.png", plotting.plot_history(_histories(run)))
    figures["contours.png"] = "True and predicted contours of a median case"
    _save(run, "contours.png", _contours(run))
    return figures


def _save(run: SegmentationRun, name: str, figure: Any) -> None:
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


def _histories(run: SegmentationRun) -> dict[str, Any]:
    histories = {}
    for variant in run.settings.variants:
        rows = read_table(run.folder / "networks" / variant / "history.csv")
        histories[variant] = {
            column: [float(row[column]) for row in rows]
            for column in ("step", "loss")
        }
    return histories


def _contours(run: SegmentationRun) -> Any:
    """The case of median score of the first network, by up to three."""
    variants = list(run.settings.variants)
    shown = [v for v in ("3d", *PRIORITIES) if v in variants] or variants[:1]
    scores = read_scores(run.folder / "networks" / shown[0] / "scores.csv")
    scores.sort(key=lambda row: row["mean"])
    median = scores[len(scores) // 2]["case"]
    volume = next(v for v in run.data.validation if v.name == median)
    predictions = {}
    for variant in shown:
        file = run.folder / "networks" / variant / "network.keras"
        predictions[variant] = predict_volume(
            load_whole(file),
            volume.image,
            run.settings.patch_shape,
            run.settings.overlap,
        )
    return plotting.plot_contours(volume, predictions, run.data.classes)
