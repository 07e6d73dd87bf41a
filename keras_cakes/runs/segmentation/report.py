"""Writes the report of a segmentation run."""

from pathlib import Path
from typing import Any

from keras_cakes import evaluation
from keras_cakes.runs.report import Contents
from keras_cakes.runs.report import write_report
from keras_cakes.runs.segmentation.run import SegmentationRun
from keras_cakes.runs.settings import PRIORITIES


def write_segmentation_report(run: SegmentationRun) -> Path:
    """Writes `report.md`, `comparison.csv` and `figures/` of a run.

    Args:
        run: A run whose variants have been trained and evaluated.

    Returns:
        The path of `report.md`.
    """
    return write_report(
        run,
        Contents(
            heading=_heading(run),
            manual="even split of all seven kernels",
            sample="patch",
            scores={
                "dice": "mean DSC",
                **{f"dice_{name}": f"DSC {name}" for name in _objects(run)},
                "hd95": "HD95 (mm)",
                "nsd": "NSD",
            },
            values={name: _scores(run, name) for name in run.variants},
            score_note="DSC, HD95 and NSD (at a tolerance of "
            f"{run.settings.tolerance:g} mm) are means over validation cases, "
            "the latter two over classes as well",
            figures={
                "contours.png": (
                    "True and predicted contours of a median case",
                    _contours(run),
                )
            },
        ),
    )


def _objects(run: SegmentationRun) -> tuple[str, ...]:
    return run.data.classes[1:]


def _scores(run: SegmentationRun, variant: str) -> dict[str, float]:
    file = run.folder / "networks" / variant / "scores.csv"
    scores = evaluation.summarize(evaluation.read_scores(file))
    objects = _objects(run)
    return {
        "dice": scores["mean"]["mean"],
        **{f"dice_{name}": scores[name]["mean"] for name in objects},
        **{
            measure: sum(scores[f"{n}_{measure}"]["mean"] for n in objects)
            / len(objects)
            for measure in ("hd95", "nsd")
        },
    }


def _heading(run: SegmentationRun) -> str:
    settings = run.settings
    source = (
        f"synthetic volumes ({settings.data})"
        if settings.is_synthetic
        else f"{Path(settings.data).name}, fold {settings.fold}"
    )
    shape = " x ".join(str(size) for size in settings.patch_shape)
    return (
        f"# Sub-kernels on {source}\n\n"
        f"{len(run.data.training)} training and {len(run.data.validation)} "
        f"validation cases; patches of {shape} voxels, batches of "
        f"{settings.batch_size}; a residual U-Net of width {settings.width} "
        f"and {settings.depth} levels; {settings.steps} training steps per "
        f"network, {settings.search_steps} per search; seed {settings.seed}."
    )


def _contours(run: SegmentationRun) -> Any:
    """Plots the case whose score is the median of the first network."""
    variants = list(run.variants)
    shown = [v for v in ("3d", *PRIORITIES) if v in variants] or variants[:1]
    scores = evaluation.read_scores(
        run.folder / "networks" / shown[0] / "scores.csv"
    )
    scores.sort(key=lambda row: row["mean"])
    median = scores[len(scores) // 2]["case"]
    volume = next(v for v in run.data.validation if v.name == median)
    predictions = {
        variant: evaluation.predict_volume(
            run.network(variant),
            volume.image,
            patch_shape=run.settings.patch_shape,
            overlap=run.settings.overlap,
        )
        for variant in shown
    }
    return evaluation.plot_contours(
        volume, predictions, class_names=run.data.classes
    )
