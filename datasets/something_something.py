"""Checks Something-Something, writes its lists and packs its clips."""

from pathlib import Path

from command_line import add_packing
from command_line import folder_parser
from command_line import run

from keras_cakes.data import pack
from keras_cakes.data import write_something_something_lists


def check_and_pack(version: int, *, description: str | None) -> None:
    """Runs the script of a version; `description` is the text of `--help`."""
    parser = folder_parser(description)
    add_packing(parser)
    parser.add_argument(
        "--short-side",
        type=int,
        help="pixels of the shorter side of a packed frame, if fewer",
    )
    ending = {1: "txt", 2: "csv"}[version]

    def prepare(
        folder: Path, partial: bool, pack_folder: Path | None, short_side: int
    ) -> None:
        print(f"{folder}: counting frames.", flush=True)
        datasets = write_something_something_lists(
            folder, version, partial=partial
        )
        for split, dataset in datasets.items():
            print(
                f"{folder / split}.{ending}: {len(dataset.clips)} clips of "
                f"{len(dataset.classes)} classes, {len(dataset.skipped)} left "
                "out."
            )
            if pack_folder is not None:
                target = pack_folder / split
                packed = pack(dataset, target, short_side=short_side)
                print(f"{target}: {len(packed)} clips packed.")

    run(parser, prepare)
