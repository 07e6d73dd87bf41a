"""Adds the command `keras-cakes prepare`."""

import argparse
from pathlib import Path
from typing import Any

from keras_cakes._files import write_text
from keras_cakes.data.volumes.lists.msd import SPLITS
from keras_cakes.data.volumes.lists.read_dataset import read_dataset
from keras_cakes.data.volumes.preparing.preparation import NORMALIZATIONS
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.preparing.prepare import prepare
from keras_cakes.runs.commands.steps import add_output


def add_prepare(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the parsers of the others."""
    command = commands.add_parser(
        "prepare",
        help="bring volumes to one grid and intensity, once, for training",
    )
    command.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder in the layout of the MSD or of NIH Pancreas-CT, a list "
        "of the former (.json), or a list of images and labels (.csv)",
    )
    command.add_argument(
        "--classes",
        nargs="+",
        help="names of the classes of a .csv list, background first",
    )
    add_output(command, "folder for the prepared volumes")
    command.add_argument(
        "--orientation",
        default="RAS",
        help="where axes shall point to, or `keep` (default: RAS)",
    )
    command.add_argument(
        "--spacing",
        type=float,
        nargs=3,
        metavar="MM",
        help="millimetres between voxels (default: those of each file)",
    )
    command.add_argument(
        "--window",
        type=float,
        nargs=2,
        metavar="HU",
        help="lowest and highest intensity that is kept (default: all)",
    )
    command.add_argument(
        "--crop-below",
        type=float,
        metavar="HU",
        help="cut off border planes that hold nothing above (default: none)",
    )
    command.add_argument(
        "--normalization",
        choices=NORMALIZATIONS,
        default="case",
        help="over each volume, or over the foreground of all (default: case)",
    )
    command.add_argument(
        "--workers", type=int, help="cases at a time (default: one a core)"
    )
    command.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="stop at a damaged case, or list it and go on (default: raise)",
    )
    command.set_defaults(run=run_prepare)
    return command


def run_prepare(options: argparse.Namespace) -> None:
    """Prepares the cases that the options name and prints a summary."""
    prepared = prepare(
        read_dataset(options.data, options.classes),
        options.output,
        preparation=Preparation(
            orientation=(
                None if options.orientation == "keep" else options.orientation
            ),
            spacing=options.spacing and tuple(options.spacing),
            crop_below=options.crop_below,
            window=options.window and tuple(options.window),
            normalization=options.normalization,
        ),
        workers=options.workers,
        on_error=options.on_error,
    )
    # The splits of a list lie beside it.
    data = options.data
    splits = (data if data.is_dir() else data.parent) / SPLITS
    if splits.is_file():
        write_text(prepared.folder / SPLITS, splits.read_text(encoding="utf-8"))
    print(f"{len(prepared.cases)} cases in {prepared.folder}")
    for name, error in prepared.skipped.items():
        print(f"left out: {name}: {error}")
