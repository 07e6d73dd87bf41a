"""Makes volumes whose right kernels are known, and their texture.

The texture is normal noise, independent except along one axis, where values a
step or two apart are alike (*smooth*) or opposite (*rough*). All statistics
without two such values are the same, so layers that do not span the axis
cannot tell the classes apart, however many layers there are; any layer that
spans the axis can, also one that is not searched, such as a 3x3x3 stem.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes.data.volumes.cases import Volume
from keras_cakes.data.volumes.synthetic.balls import balls
from keras_cakes.data.volumes.synthetic.balls import checked_shape

PLANTED_AXES = ("depth", "height", "width")
PLANTED_CLASSES = ("background", "smooth", "rough")

_CORRELATION = 0.9
_LINE_CORRELATION = 0.6
# Share of the variance that is white in every direction.
_NOISE = 0.1


def texture(
    shape: Sequence[int],
    axis: int,
    *,
    is_rough: bool,
    generator: np.random.Generator,
    lag: int = 1,
    correlation: float = _CORRELATION,
) -> np.ndarray:
    """Makes noise of zero mean and unit variance, correlated along one axis.

    Args:
        shape: Any shape.
        axis: The axis.
        is_rough: Whether neighbours are opposite rather than alike.
        generator: Source of random numbers.
        lag: Distance of related values; nearer ones are independent.
        correlation: Correlation at that distance, before white noise is
            added, from 0 to 1.

    Returns:
        A float32 array of that shape.
    """
    noise = generator.standard_normal(shape).astype(np.float32)
    series = np.moveaxis(noise, axis, 0).copy()
    signed = -correlation if is_rough else correlation
    fresh = math.sqrt(1 - correlation**2)
    for place in range(lag, len(series)):
        series[place] = signed * series[place - lag] + fresh * series[place]
    white = generator.standard_normal(shape).astype(np.float32)
    values = np.moveaxis(series, 0, axis)
    return math.sqrt(1 - _NOISE) * values + math.sqrt(_NOISE) * white


def planted_volumes(
    cases: int,
    axis: int,
    *,
    shape: Sequence[int] = (24, 24, 24),
    seed: int = 0,
    layout: str = "balls",
) -> list[Volume]:
    """Makes volumes whose classes differ along one axis only.

    Args:
        cases: Number of volumes.
        axis: 0 for depth, 1 for height, 2 for width.
        shape: `(depth, height, width)`, each at least 16.
        seed: Integer; the same seed gives the same bytes.
        layout: Places of the classes in a brighter background. `"balls"`:
            two balls of each class, in which neighbours along the axis are
            related. `"lines"`: every line along the axis is drawn alone, so
            that only kernels that span the axis help, in every layer. A line
            begins with background; one class follows up to a random place,
            and a class drawn anew beyond it. Values two steps apart are
            related and neighbours are not: a convolution of size and stride
            2, as between the two levels of a small U-Net, never sees two
            related values.

    Returns:
        Volumes named `planted_000`, ... with labels of `PLANTED_CLASSES`.

    Raises:
        ValueError: If an argument is not as stated.
    """
    shape = checked_shape(cases, shape, seed)
    whole("axis", axis, least=0, most=2)
    choose("layout", layout, tuple(_LAYOUTS))
    volumes = []
    for number in range(cases):
        generator = np.random.default_rng([seed, axis, number])
        image, label = _LAYOUTS[layout](axis, shape, generator)
        name = f"planted_{number:03d}"
        volumes.append(
            Volume(name, image[..., None], label, np.eye(4), Path(name))
        )
    return volumes


def _balls(
    axis: int, shape: tuple[int, ...], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    image = 2.0 + generator.standard_normal(shape).astype(np.float32)
    label = np.zeros(shape, np.uint8)
    grid = np.ogrid[tuple(slice(size) for size in shape)]
    for value, inside in balls(label, grid, (0.2, 0.3), generator):
        image[inside] = texture(
            shape, axis, is_rough=value == 2, generator=generator
        )[inside]
    return image, label


def _lines(
    axis: int, shape: tuple[int, ...], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    length = shape[axis]
    plane = shape[:axis] + shape[axis + 1 :]
    first, second = generator.integers(1, 3, (2, *plane), dtype=np.uint8)
    end = generator.integers(2, 5, plane)
    change = generator.integers(6, length - 6, plane)
    place = np.arange(length)[:, None, None]
    label = np.where(place < change, first, second)
    label = np.where(place < end, 0, label).astype(np.uint8)
    label = np.moveaxis(label, 0, axis).copy()
    smooth, rough = (
        texture(
            shape,
            axis,
            is_rough=is_rough,
            generator=generator,
            lag=2,
            correlation=_LINE_CORRELATION,
        )
        for is_rough in (False, True)
    )
    bright = 2.0 + generator.standard_normal(shape).astype(np.float32)
    return np.choose(label, [bright, smooth, rough]), label


_LAYOUTS = {"balls": _balls, "lines": _lines}
