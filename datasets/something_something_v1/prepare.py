"""Checks Something-Something V1 and writes its lists.

    python datasets/something_something_v1/prepare.py --folder DATA

expects the unpacked frames in DATA/20bn-something-something-v1, and the CSV
files in DATA or in a folder below it. It makes DATA/train.txt,
DATA/validation.txt, DATA/classes.txt and DATA/left_out.csv.
"""

import argparse
from pathlib import Path

from keras_cakes.data import DataError
from keras_cakes.data import pack
from keras_cakes.data import write_something_something_lists


def prepare(
    folder: Path, partial: bool, target: Path | None, short_side: int | None
) -> None:
    """Writes the lists, and packs the clips where that is asked for."""
    print(f"{folder}: counting frames.", flush=True)
    datasets = write_something_something_lists(folder, 1, partial=partial)
    for split, dataset in datasets.items():
        print(
            f"{folder / split}.txt: {len(dataset.clips)} clips of "
            f"{len(dataset.classes)} classes, {len(dataset.skipped)} left out."
        )
        if target is not None:
            packed = pack(dataset, target / split, short_side=short_side)
            print(f"{target / split}: {len(packed)} clips packed.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument(
        "--partial",
        action="store_true",
        help="be content with a part of the data set",
    )
    parser.add_argument(
        "--pack", type=Path, help="folder for TFRecord shards of all frames"
    )
    parser.add_argument(
        "--short-side",
        type=int,
        help="pixels of the shorter side of a packed frame, if fewer",
    )
    options = parser.parse_args()
    try:
        prepare(
            options.folder, options.partial, options.pack, options.short_side
        )
    except (DataError, ImportError) as error:
        parser.exit(1, f"{error}\n")
