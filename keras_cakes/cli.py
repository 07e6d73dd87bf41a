"""The command `keras-cakes`."""

import argparse
import contextlib
import logging
import re
import sys
from collections.abc import Iterator
from collections.abc import Sequence

from keras_cakes import __version__
from keras_cakes.demo_command import add_demo
from keras_cakes.prepare_command import add_prepare
from keras_cakes.runs import RunError
from keras_cakes.segment_command import add_segment
from keras_cakes.video_command import add_video


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code.

    0 for success, 1 if `tables` misses a known count, 2 for an error of the
    input or the disk (one line on standard error), 130 when interrupted from
    the keyboard.
    """
    options = _parser().parse_args(arguments)
    try:
        with _shown_log():
            return options.run(options) or 0
    except KeyboardInterrupt:
        print(
            "\nkeras-cakes: stopped; the same command goes on from here.",
            file=sys.stderr,
        )
        return 130
    except (OSError, RunError, ValueError) as error:
        if options.debug:
            raise
        print(f"keras-cakes: error: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        # Data that cannot be read stop a graph with an error of TensorFlow,
        # whose text holds ours.
        found = re.search(r"DataError: (.+)", str(error))
        if options.debug or not found:
            raise
        print(f"keras-cakes: error: {found.group(1)}", file=sys.stderr)
        return 2


@contextlib.contextmanager
def _shown_log() -> Iterator[None]:
    """Shows what the library logs: progress as output, warnings as errors."""
    logger = logging.getLogger("keras_cakes")
    level = logger.level
    progress = logging.StreamHandler(sys.stdout)
    progress.addFilter(lambda record: record.levelno < logging.WARNING)
    warnings = logging.StreamHandler(sys.stderr)
    warnings.setLevel(logging.WARNING)
    logger.setLevel(logging.INFO)
    for handler in (progress, warnings):
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(level)
        for handler in (progress, warnings):
            logger.removeHandler(handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-cakes",
        description="Search, derive and train 3D networks of sub-kernels.",
    )
    parser.add_argument(
        "--version", action="version", version=f"keras-cakes {__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_demo(commands)
    add_prepare(commands)
    add_segment(commands)
    add_video(commands)
    tables = commands.add_parser(
        "tables", help="the costs in the paper's tables, printed and counted"
    )
    tables.add_argument(
        "--debug", action="store_true", help="show the traceback of errors"
    )
    tables.set_defaults(run=_run_tables)
    return parser


def _run_tables(options: argparse.Namespace) -> int:
    from keras_cakes.paper_tables import format_rows
    from keras_cakes.paper_tables import paper_rows

    rows = list(paper_rows())
    print(format_rows(rows))
    return 0 if all(row.is_exact for row in rows) else 1
