"""Checks clips of the FIR action data set and writes their lists.

    python datasets/fir_action/prepare.py --folder DATA

expects DATA/videos.csv and the files that it lists. It makes DATA/train.csv
and DATA/val.csv.
"""

import argparse
import csv
from pathlib import Path

from keras_cakes.data import DataError
from keras_cakes.data import VideoClips
from keras_cakes.data import pack
from keras_cakes.data import probe_video
from keras_cakes.data import read_clip_list
from keras_cakes.data import write_clip_list

CLASSES = ("falling", "sitdown", "standup", "stop", "walk")
CLIPS = {"train": 998, "val": 398}


def prepare(
    folder: Path, output: Path, partial: bool, target: Path | None
) -> None:
    """Writes the lists, and packs the clips where that is asked for."""
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
        if target is not None:
            source = VideoClips(dataset, channels=1)
            packed = pack(source, target / split, encoding="png")
            print(f"{target / split}: {len(packed)} clips packed.")


def check_persons(path: Path) -> None:
    """Sees to it that nobody is in both lists."""
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
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument(
        "--output",
        type=Path,
        help="folder for the lists, whose paths are relative to --folder; "
        "default: --folder",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="be content with a part of the data set",
    )
    parser.add_argument(
        "--pack", type=Path, help="folder for TFRecord shards of all frames"
    )
    options = parser.parse_args()
    try:
        prepare(
            options.folder,
            options.output or options.folder,
            options.partial,
            options.pack,
        )
    except (DataError, ImportError) as error:
        parser.exit(1, f"{error}\n")
