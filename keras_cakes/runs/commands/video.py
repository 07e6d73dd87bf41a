"""Adds the command `keras-cakes video`."""

import argparse
from pathlib import Path
from typing import Any

from keras_cakes.data.clips.lists.class_folders import read_class_folders
from keras_cakes.data.clips.lists.clip_lists import read_clip_list
from keras_cakes.data.clips.packing.pack import pack
from keras_cakes.runs.clips.predict import predict_clip
from keras_cakes.runs.clips.report import write_video_report
from keras_cakes.runs.clips.run import VideoRun
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.commands.steps import Kind
from keras_cakes.runs.commands.steps import add_steps

_STEPS = (
    *("pack", "search", "derive", "train", "evaluate"),
    *("predict", "compare", "shrink"),
)
_KIND = Kind(
    VideoSettings,
    VideoRun,
    write_video_report,
    label="top-1",
    data="a CSV list with a column split, a folder of packs or class folders, "
    "or phantom",
)


def add_video(commands: Any) -> None:
    """Adds the command to the parsers of the others."""
    parser = commands.add_parser(
        "video", help="search and train on clips, from files to a network"
    )
    steps = add_steps(parser, _STEPS, _KIND)
    _add_pack(steps["pack"])
    predict = steps["predict"]
    predict.add_argument(
        "--clip",
        type=Path,
        required=True,
        help="video file, or folder of frames",
    )
    predict.set_defaults(run=_predict)


def _add_pack(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data",
        type=Path,
        required=True,
        help="list of clips (.csv, or text `folder frames label`), or a "
        "folder with a folder for each class",
    )
    command.add_argument(
        "--root", type=Path, help="folder that the paths of a list are below"
    )
    command.add_argument(
        "--classes",
        type=Path,
        help="text file with the name of a class in each line, for lists "
        "whose labels are numbers",
    )
    command.add_argument(
        "--splits",
        nargs="+",
        metavar="SPLIT",
        help="splits of a .csv list, each packed into a folder of its name",
    )
    command.add_argument(
        "--template",
        default="{:05d}.jpg",
        help="names of the files of a folder of frames (default: %(default)s)",
    )
    command.add_argument(
        "--first-frame",
        type=int,
        default=1,
        choices=(0, 1),
        help="number of the first of these files (default: 1)",
    )
    command.add_argument(
        "--min-frames",
        type=int,
        default=1,
        help="clips of fewer frames are left out and listed (default: 1)",
    )
    command.add_argument(
        "--short-side",
        type=int,
        help="shorter side of packed frames in pixels; smaller ones stay "
        "(default: as they are)",
    )
    command.add_argument("--encoding", choices=("jpeg", "png"), default="jpeg")
    command.add_argument(
        "--quality", type=int, default=95, help="of JPEG (default: 95)"
    )
    command.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="stop at a damaged clip, or leave it out and list it "
        "(default: raise)",
    )
    command.add_argument(
        "--workers", type=int, help="clips read at a time (default: by cores)"
    )
    command.set_defaults(run=_pack)


def _pack(options: argparse.Namespace) -> None:
    reading = {
        "classes": options.classes
        and options.classes.read_text(encoding="utf-8").splitlines(),
        "template": options.template,
        "first_frame": options.first_frame,
        "min_frames": options.min_frames,
        "on_error": options.on_error,
    }
    datasets = {}
    # Every list is read before the first is packed.
    for split in options.splits or [""]:
        if options.data.is_dir():
            # A split is a folder with a folder for each class.
            datasets[split] = read_class_folders(
                options.data / split, **reading
            )
        else:
            datasets[split] = read_clip_list(
                options.data, options.root, split=split or None, **reading
            )
    for split, dataset in datasets.items():
        packed = pack(
            dataset,
            options.output / split,
            short_side=options.short_side,
            encoding=options.encoding,
            quality=options.quality,
            workers=options.workers,
            on_error=options.on_error,
        )
        left_out = {**dataset.skipped, **packed.skipped}
        print(
            f"{options.output / split}: {len(packed)} clips of "
            f"{len(packed.classes)} classes, {len(left_out)} left out"
        )
        for name, reason in left_out.items():
            print(f"left out: {name}: {reason}")


def _predict(options: argparse.Namespace) -> None:
    for name, probability in predict_clip(
        options.output, options.variant, clip=options.clip
    ):
        print(f"{probability:7.2%}  {name}")
