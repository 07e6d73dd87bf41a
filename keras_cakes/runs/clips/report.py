"""The report of a run on clips."""

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes.evaluation.plots.confusion import plot_confusion
from keras_cakes.runs.clips.run import VideoRun
from keras_cakes.runs.files import read_table
from keras_cakes.runs.files import write_table
from keras_cakes.runs.report import Contents
from keras_cakes.runs.report import write_report
from keras_cakes.runs.settings import PRIORITIES


def write_video_report(run: VideoRun) -> Path:
    """Writes `report.md`, `comparison.csv` and `figures/` of a run.

    Args:
        run: A run whose variants have been trained and evaluated.

    Returns:
        The path of `report.md`.
    """
    rows = {name: _rows(run, name) for name in run.variants}
    matrices = {
        name: _confusion(own, len(run.classes)) for name, own in rows.items()
    }
    write_table(run.folder / "classes.csv", _recalls(matrices, run.classes))
    scores = {"top1": "top-1", "class_mean": "mean of classes"}
    values = {}
    for name, own in rows.items():
        labels = np.array([int(row["label"]) for row in own])
        right = np.array([float(row["mean"]) for row in own])
        values[name] = {
            "top1": right.mean(),
            "class_mean": np.mean(
                [right[labels == label].mean() for label in set(labels)]
            ),
        }
        if "top5" in own[0]:
            scores["top5"] = "top-5"
            values[name]["top5"] = np.mean([float(row["top5"]) for row in own])
    shown = [name for name in ("3d", *PRIORITIES) if name in matrices]
    return write_report(
        run,
        Contents(
            heading=_heading(run),
            manual="even split of 3x3x3, 1x3x3 and 3x1x1",
            sample="clip",
            scores=scores,
            values=values,
            score_note="top-1 is the share of validation clips that are "
            "classified rightly; `classes.csv` has that of each class",
            figures={
                f"confusion_{name}.png": (
                    f"True and predicted classes of the network {name}",
                    plot_confusion(matrices[name], run.classes),
                )
                for name in shown or run.variants[:1]
            },
        ),
    )


def _rows(run: VideoRun, variant: str) -> list[dict[str, str]]:
    return read_table(
        run.folder / "networks" / variant / "scores.csv",
        ("label", "predicted", "mean"),
    )


def _recalls(
    matrices: Mapping[str, np.ndarray], classes: Sequence[str]
) -> list[dict[str, Any]]:
    return [
        {
            "network": network,
            "class": name,
            "clips": int(counts.sum()),
            "top1": counts[number] / max(counts.sum(), 1),
        }
        for network, matrix in matrices.items()
        for number, (name, counts) in enumerate(
            zip(classes, matrix, strict=True)
        )
    ]


def _confusion(rows: Sequence[Mapping[str, str]], classes: int) -> np.ndarray:
    matrix = np.zeros((classes, classes), np.int64)
    for row in rows:
        matrix[int(row["label"]), int(row["predicted"])] += 1
    return matrix


def _heading(run: VideoRun) -> str:
    settings = run.settings
    source = (
        f"synthetic clips ({settings.data})"
        if settings.is_synthetic
        else Path(settings.data).name
    )
    height, width = settings.size
    network = (
        "a ResNet-50"
        if settings.network == "resnet50"
        else f"a residual network of width {settings.width} and "
        f"{settings.stages} stages"
    )
    searches = " and ".join(
        f"{settings.epochs_of(priority)} ({priority} priority)"
        for priority in PRIORITIES
    )
    return (
        f"# Sub-kernels on {source}\n\n"
        f"{len(run.data.training)} training and {len(run.data.validation)} "
        f"validation clips of {len(run.classes)} classes; "
        f"{settings.frames} frames of {height} x {width} pixels, batches of "
        f"{settings.batch_size}; {network}; {settings.epochs} epochs per "
        f"network, {searches} per search; seed {settings.seed}."
    )
