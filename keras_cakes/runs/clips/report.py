"""Writes the report of a run on clips."""

from pathlib import Path

from keras_cakes import evaluation
from keras_cakes.evaluation.clips.clip_scores import count_rows
from keras_cakes.evaluation.clips.clip_scores import score_rows
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
    tables = {name: _read_clips(run, name) for name in run.variants}
    scores = {
        name: score_rows(clips, run.classes) for name, clips in tables.items()
    }
    write_table(
        run.folder / "classes.csv",
        [
            {
                "network": name,
                "class": row["class"],
                "clips": row["clips"],
                "top1": row["top1"] or 0.0,
            }
            for name, own in scores.items()
            for row in own.rows
        ],
    )
    columns = {"top1": "top-1", "class_mean": "mean of classes"}
    if all(own.top5 is not None for own in scores.values()):
        columns["top5"] = "top-5"
    shown = [name for name in ("3d", *PRIORITIES) if name in tables]
    return write_report(
        run,
        Contents(
            heading=_heading(run),
            manual="even split of 3x3x3, 1x3x3 and 3x1x1",
            sample="clip",
            scores=columns,
            values={
                name: {column: getattr(own, column) for column in columns}
                for name, own in scores.items()
            },
            score_note="top-1 is the share of validation clips that are "
            "classified rightly; `classes.csv` has that of each class",
            figures={
                f"confusion_{name}.png": (
                    f"True and predicted classes of the network {name}",
                    evaluation.plot_confusion(
                        count_rows(tables[name], len(run.classes)), run.classes
                    ),
                )
                for name in shown or run.variants[:1]
            },
        ),
    )


def _read_clips(run: VideoRun, variant: str) -> list[dict[str, str]]:
    return read_table(
        run.folder / "networks" / variant / "scores.csv",
        ("label", "predicted", "mean"),
    )


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
