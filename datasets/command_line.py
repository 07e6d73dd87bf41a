"""Reads the command lines of the scripts that prepare data sets."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_cakes.data import DataError


def folder_parser(description: str | None) -> argparse.ArgumentParser:
    """Makes the parser of a script that reads a data set in `--folder`."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True)
    return parser


def add_packing(parser: argparse.ArgumentParser) -> None:
    """Adds the options of data sets of clips: `--partial` and `--pack`."""
    parser.add_argument(
        "--partial",
        action="store_true",
        help="be content with a part of the data set",
    )
    parser.add_argument(
        "--pack",
        dest="pack_folder",
        metavar="PACK",
        type=Path,
        help="folder for TFRecord shards of all frames",
    )


def run(parser: argparse.ArgumentParser, prepare: Callable[..., Any]) -> None:
    """Calls `prepare` with the options; shows errors in data as one line."""
    options = vars(parser.parse_args())
    try:
        prepare(**options)
    except (DataError, ImportError) as error:
        parser.exit(1, f"{error}\n")
