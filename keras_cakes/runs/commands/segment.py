"""Adds the command `keras-cakes segment`."""

import argparse
from pathlib import Path
from typing import Any

from keras_cakes.runs.commands.steps import Kind
from keras_cakes.runs.commands.steps import add_steps
from keras_cakes.runs.commands.steps import make_deterministic
from keras_cakes.runs.commands.steps import settings_of
from keras_cakes.runs.segmentation.folds import cross_validate
from keras_cakes.runs.segmentation.predict import predict_scan
from keras_cakes.runs.segmentation.report import write_segmentation_report
from keras_cakes.runs.segmentation.run import SegmentationRun
from keras_cakes.runs.segmentation.settings import SegmentationSettings

_STEPS = (
    *("search", "derive", "train", "evaluate"),
    *("predict", "compare", "folds", "shrink"),
)
_KIND = Kind(
    SegmentationSettings,
    SegmentationRun,
    write_segmentation_report,
    label="mean DSC",
    data="a folder in the layout of the Medical Segmentation Decathlon, a "
    "prepared folder, or phantom",
)


def add_segment(commands: Any) -> None:
    """Adds the command to the parsers of the others."""
    parser = commands.add_parser(
        "segment", help="search and train on a folder of volumes"
    )
    steps = add_steps(parser, _STEPS, _KIND)
    steps["folds"].add_argument(
        "--folds",
        type=int,
        nargs="+",
        default=range(5),
        help="the folds (default: 0 1 2 3 4)",
    )
    steps["folds"].set_defaults(run=_folds)
    predict = steps["predict"]
    predict.add_argument(
        "--image",
        type=Path,
        required=True,
        help="NIfTI file, or folder with one DICOM series",
    )
    predict.add_argument(
        "--label",
        type=Path,
        required=True,
        help="NIfTI file to write, on the grid of the image",
    )
    predict.set_defaults(run=_predict)


def _folds(options: argparse.Namespace) -> None:
    make_deterministic()
    settings = settings_of(options)
    report = cross_validate(options.output, settings, folds=options.folds)
    print(report.read_text(encoding="utf-8"))


def _predict(options: argparse.Namespace) -> None:
    predict_scan(
        options.output,
        options.variant,
        image=options.image,
        target=options.label,
    )
    print(options.label)
