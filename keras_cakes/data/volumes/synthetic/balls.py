"""Places balls of two classes at random, for synthetic volumes."""

from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from keras_cakes._errors import expect
from keras_cakes._errors import whole


def checked_shape(
    cases: int, shape: Sequence[int], seed: int
) -> tuple[int, ...]:
    """Returns the shape of synthetic volumes; refuses bad arguments."""
    shape = tuple(int(size) for size in shape)
    whole("cases", cases, least=1)
    whole("seed", seed, least=0)
    fits = len(shape) == 3 and min(shape) >= 16
    expect("shape", shape, fits, "to be three sizes of at least 16")
    return shape


def balls(
    label: np.ndarray,
    grid: Sequence[np.ndarray],
    radii: tuple[float, float],
    generator: np.random.Generator,
) -> Iterator[tuple[int, np.ndarray]]:
    """Draws two balls of each of two classes into a label.

    Args:
        label: Array of zeros that the classes are written to.
        grid: Voxel coordinates along each axis.
        radii: Smallest and largest radius, in parts of the shortest side.
        generator: Source of random numbers.

    Yields:
        The class of a ball and the mask of its voxels.
    """
    for value in generator.permutation([1, 2, 1, 2]):
        radius = generator.uniform(*radii) * min(label.shape)
        centre = [
            generator.uniform(radius, size - 1 - radius) for size in label.shape
        ]
        distance = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
        inside = (distance < radius**2) & (label == 0)
        label[inside] = value
        yield value, inside
