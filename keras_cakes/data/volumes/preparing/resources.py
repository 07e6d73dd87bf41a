"""Checks that memory and disk suffice for a preparation."""

import logging
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes._files import available_memory
from keras_cakes.data.volumes.reading.geometry import Grid

# Copies of a case in work: as read and as float32, on the old and new grid.
_COPIES = 2
_GIB = 2**30

logger = logging.getLogger(__name__)


def check_needs(
    grids: Sequence[tuple[Grid, Grid, int]],
    folder: Path,
    workers: int,
    verbose: bool,
) -> None:
    """Logs the memory and disk that a preparation needs, or refuses it.

    Args:
        grids: Grids before and after and the channels of each case.
        folder: Folder that is written to.
        workers: Cases at a time.
        verbose: Whether to log.
    """
    sizes = [
        (math.prod(before.shape), math.prod(after.shape), channels)
        for before, after, channels in grids
    ]
    largest = sorted(
        (4 * channels * (before + after) for before, after, channels in sizes),
        reverse=True,
    )
    memory = _COPIES * sum(largest[:workers])
    disk = sum((4 * channels + 1) * after for _, after, channels in sizes)
    free = shutil.disk_usage(folder).free
    available = available_memory()
    stated = (
        f"{len(grids)} cases to prepare: at most {disk / _GIB:.2f} GiB of disk "
        f"({free / _GIB:.2f} free) and {memory / _GIB:.2f} GiB of memory "
        f"({available / _GIB:.2f} free)"
    )
    if disk > free or memory > available:
        raise DataError(
            f"{folder}: disk and memory for the preparation are expected; "
            "fewer `workers` need less memory, a larger `spacing` less of "
            f"both. Received: {stated}"
        )
    if verbose and grids:
        logger.info("%s.", stated)
