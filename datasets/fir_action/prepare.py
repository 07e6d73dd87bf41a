"""Checks clips of the FIR action data set and writes their lists.

    python datasets/fir_action/prepare.py --folder DATA

expects DATA/videos.csv and the files that it lists. It makes DATA/train.csv
and DATA/val.csv.
"""

import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from command_line import add_packing
from command_line import folder_parser
from command_line import run

from keras_cakes.data import DataError
from keras_cakes.data import VideoClips
from keras_cakes.data import pack
from keras_cakes.data import probe_video
from keras_cakes.data import read_clip_list
from keras_cakes.data import write_clip_list

CLASSES = ("falling", "sitdown", "standup", "stop", "walk")
CLIPS = {"train": 998, "val": 398}


def prepare(
    folder: Path,
    output: Path | None,
    partial: bool,
    pack_folder: Path | None,
) -> None:
    """Writes the lists, and packs the clips into `pack_folder`, if any."""
    output = output or folder
    path = folder / "videos.csv"
    datasets = {
        split: read_clip_list(path, classes=CLASSES, split=split)
        for split in CLIPS
    }
    numbers = {split: len(part.clips) for split, part in datasets.items()}
    if numbers != CLIPS and not partial:
        raise DataError(
            f"{path}: {CLIPS} clips are expected, unless --partial is given. "
            f"Received: {numbers}"
        )
    check_persons(path)
    for split, dataset in datasets.items():
        for clip in dataset.clips:
            frames = probe_video(clip.source).frames
            if frames != clip.frames:
                raise DataError(
                    f"{clip.source}: {clip.frames} frames are expected, as "
                    f"{path} says. Received: {frames}"
                )
        write_clip_list(dataset, output / f"{split}.csv", root=folder)
        print(f"{output / split}.csv: {len(dataset.clips)} clips.")
        if pack_folder is not None:
            target = pack_folder / split
            source = VideoClips(dataset, channels=1)
            packed = pack(source, target, encoding="png")
            print(f"{target}: {len(packed)} clips packed.")


def check_persons(path: Path) -> None:
    """Refuses a table in which a person is in both splits."""
    persons: dict[str, set[str]] = {split: set() for split in CLIPS}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["split"] in persons:
                persons[row["split"]].add(row.get("person") or "nobody")
    both = sorted(persons["train"] & persons["val"])
    if both:
        raise DataError(
            f"{path}: persons who are in one split only are expected. "
            f"Received: {both} in both"
        )


if __name__ == "__main__":
    parser = folder_parser(__doc__)
    parser.add_argument(
        "--output",
        type=Path,
        help="folder for the lists, whose paths are relative to --folder; "
        "default: --folder",
    )
    add_packing(parser)
    run(parser, prepare)
