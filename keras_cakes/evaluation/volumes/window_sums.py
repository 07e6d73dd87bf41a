"""Adds up overlapping windows in bounded memory."""

from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import numpy as np


def summed_slabs(
    answers: Iterable[tuple[np.ndarray, np.ndarray]],
    extents: tuple[int, ...],
    *,
    online: bool = False,
) -> Iterator[tuple[int, np.ndarray]]:
    """Adds up windows and yields planes that no later window touches.

    Args:
        answers: The first voxel `(3,)` of each window, in the order of
            depth, and its values `(depth, height, width, classes)`. The
            windows cover the volume.
        extents: `(depth, height, width)` of the volume.
        online: Whether to hold as many planes as a window has; by default
            the whole volume is one slab.

    Yields:
        The index of the first plane of a slab, and the float32 sums
        `(planes, height, width, classes)`. They may be changed in place;
        with `online` the next slab overwrites them.

    Examples:
        >>> window = np.ones((2, 1, 1, 1), "float32")
        >>> answers = [(np.array([z, 0, 0]), window) for z in (0, 1)]
        >>> for first, slab in summed_slabs(answers, (3, 1, 1), online=True):
        ...     print(first, slab.ravel().tolist())
        0 [1.0]
        1 [2.0, 1.0]
    """
    sums: Any = None
    first = 0
    for start, weighted in answers:
        if sums is None:
            planes = len(weighted) if online else extents[0]
            shape = (planes, *extents[1:], weighted.shape[-1])
            sums = np.zeros(shape, np.float32)
        depth, *corner = start.tolist()
        if online and depth > first:
            done = depth - first
            yield first, sums[:done]
            _move_up(sums, done)
            first = depth
        at, size = [depth - first, *corner], weighted.shape[:3]
        place = tuple(
            slice(begin, begin + length)
            for begin, length in zip(at, size, strict=True)
        )
        sums[place] += weighted
    yield first, sums


def _move_up(sums: np.ndarray, planes: int) -> None:
    # Plane by plane: NumPy copies arrays that overlap before it moves them.
    for plane in range(len(sums) - planes):
        sums[plane] = sums[plane + planes]
    sums[len(sums) - planes :] = 0
