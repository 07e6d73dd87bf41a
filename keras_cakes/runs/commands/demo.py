"""Adds the command `keras-cakes demo`."""

import argparse
import dataclasses
from typing import Any

from keras_cakes.models.rewriting.specification import PRIORITIES
from keras_cakes.runs.clips.report import write_video_report
from keras_cakes.runs.clips.run import VideoRun
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.commands.steps import add_output
from keras_cakes.runs.commands.steps import take_step
from keras_cakes.runs.segmentation.report import write_segmentation_report
from keras_cakes.runs.segmentation.run import SegmentationRun
from keras_cakes.runs.segmentation.settings import SegmentationSettings

_VOLUMES = SegmentationSettings(
    # The classes differ along the depth only, and the stem has no extent: the
    # right kernels are known.
    data="lines_depth",
    patch_shape=(16, 16, 16),
    batch_size=4,
    width=8,
    depth=2,
    stem_kernel_size=(1, 1, 1),
    steps=300,
    search_steps=1000,
    steps_per_epoch=100,
    draw="balanced",
    aggregation="sum",
    # As strong over these steps as 7e-4 over 600.
    lasso=4e-4,
    budget=0.25,
    flip=(),
    variants=("3d", "2d", "manual_1d2d3d", *PRIORITIES, "random"),
)
_QUICK_VOLUMES = dataclasses.replace(
    _VOLUMES,
    cases=4,
    width=4,
    steps=10,
    search_steps=10,
    steps_per_epoch=5,
    variants=("3d", *PRIORITIES, "random"),
)
_CLIPS = VideoSettings(
    data="phantom",
    network="residual",
    frames=8,
    size=(16, 16),
    width=8,
    stages=2,
    batch_size=16,
    epochs=12,
    learning_rate=0.1,
    variants=("3d", "2d", "manual_1d2d", "performance"),
)
_QUICK_CLIPS = dataclasses.replace(
    _CLIPS,
    clips_per_class=16,
    epochs=2,
    width=4,
    variants=("3d", "2d", "performance"),
)


def add_demo(commands: Any) -> None:
    """Adds the command to the parsers of the others."""
    parser = commands.add_parser(
        "demo", help="the whole comparison on synthetic volumes and clips"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few steps, to see it work"
    )
    add_output(parser, default="runs/demo")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_run, step="compare")


def _run(options: argparse.Namespace) -> None:
    volumes = dataclasses.replace(
        _QUICK_VOLUMES if options.quick else _VOLUMES, seed=options.seed
    )
    clips = dataclasses.replace(
        _QUICK_CLIPS if options.quick else _CLIPS, seed=options.seed
    )
    run = SegmentationRun(options.output / "volumes", volumes)
    take_step(options, run, write_segmentation_report)
    take_step(
        options, VideoRun(options.output / "clips", clips), write_video_report
    )
