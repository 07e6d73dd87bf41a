"""The report of a run on clips."""

from pathlib import Path

import numpy as np

from keras_cakes.evaluation import plot_confusion
from keras_cakes.report import Contents
from keras_cakes.report import write_report
from keras_cakes.runs import read_table
from keras_cakes.settings import PRIORITIES
from keras_cakes.video import VideoRun


def write_video_report(run: VideoRun) -> Path:
    """Writes `report.md`, `comparison.csv` and `figures/` of a run.

    Args:
        run: A run whose variants have been trained and evaluated.

    Returns:
        The path of `report.md`.
    """
    matrices = {name: _confusion(run, name) for name in run.variants}
    scores = {"top1": "top-1"}
    values = {}
    for name, matrix in matrices.items():
        right, clips = np.diagonal(matrix), matrix.sum(axis=1)
        values[name] = {
            "top1": right.sum() / matrix.sum(),
            "class_mean": float(np.mean(right[clips > 0] / clips[clips > 0])),
        }
    shown = [name for name in ("3d", *PRIORITIES) if name in matrices]
    return write_report(
        run,
        Contents(
            heading=_heading(run),
            manual="even split of 3x3x3, 1x3x3 and 3x1x1",
            sample="clip",
            scores={**scores, "class_mean": "mean of classes"},
            values=values,
            score_note="top-1 is the share of validation clips that are "
            "classified rightly",
            figures={
                f"confusion_{name}.png": (
                    f"True and predicted classes of the network {name}",
                    plot_confusion(matrices[name], run.classes),
                )
                for name in shown or run.variants[:1]
            },
        ),
    )


def _confusion(run: VideoRun, variant: str) -> np.ndarray:
    rows = read_table(run.folder / "networks" / variant / "scores.csv")
    classes = len(run.classes)
    matrix = np.zeros((classes, classes), np.int64)
    for row in rows:
        matrix[int(row["label"]), int(row["predicted"])] += 1
    return matrix


def _heading(run: VideoRun) -> str:
    settings = run.settings
    source = (
        "synthetic clips"
        if settings.data == "phantom"
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
