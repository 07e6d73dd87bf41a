"""Runs the command `keras-cakes`."""

import argparse
import contextlib
import logging
import re
import sys
from collections.abc import Iterator
from collections.abc import Sequence

from keras_cakes import __version__
from keras_cakes._errors import RunError
from keras_cakes.runs.commands.demo import add_demo
from keras_cakes.runs.commands.prepare import add_prepare
from keras_cakes.runs.commands.segment import add_segment
from keras_cakes.runs.commands.video import add_video

# Errors of the input, the disk, the memory or a missing package.
_FORESEEN = (
    ImportError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RunError,
    ValueError,
)
# TensorFlow passes an error of a Python function on as text: type, message
# and traceback.
_TOLD = re.compile(r"\b\w*Error: (.+?)(?=\n\s*Traceback |\Z)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code.

    The code is 0 for success, 1 if `tables` misses a known count, 2 for a
    foreseen error (one line on standard error; `--debug` shows the traceback),
    and 130 after an interrupt from the keyboard. The log of the package is
    shown: progress on standard output, warnings on standard error.
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
    except Exception as error:
        message = _message(error)
        if options.debug or message is None:
            raise
        print(f"keras-cakes: error: {message}", file=sys.stderr)
        return 2


@contextlib.contextmanager
def _shown_log() -> Iterator[None]:
    """Shows the log: progress on standard output, warnings on the other."""
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


def _message(error: Exception) -> str | None:
    """Describes an error that was foreseen in one line; `None` for others."""
    text = str(error)
    if type(error).__module__.startswith("tensorflow."):
        found = _TOLD.search(text)
        if found:
            text = found[1]
        elif type(error).__name__ == "ResourceExhaustedError":
            text = f"more memory is expected. Received: {text}"
        else:
            return None
    elif isinstance(error, KeyError):
        text = f"the key {text} is expected. Received: no such key"
    elif not isinstance(error, _FORESEEN) and "Received: " not in text:
        return None
    return " ".join(text.split()) or type(error).__name__


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
    from keras_cakes.runs.commands.tables import format_rows
    from keras_cakes.runs.commands.tables import paper_rows

    rows = list(paper_rows())
    print(format_rows(rows))
    return 0 if all(row.is_exact for row in rows) else 1
