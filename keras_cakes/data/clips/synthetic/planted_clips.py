"""Makes clips for which the right sub-kernels are known.

The two classes differ in texture, *smooth* or *rough* along one axis and white
noise along the others. In the mixed kind, each frame is smooth or rough along
its height, and the classes are the order of the two halves of a clip: a
network needs height to tell the texture of a frame, and then time.

Neighbours correlate so weakly that a network must see many of them. A few
channels could tell strong textures, and a search would find no difference.
"""

from collections.abc import Sequence

import numpy as np

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes._errors import whole
from keras_cakes.data.clips.sources import ArrayClips
from keras_cakes.data.volumes.synthetic.planted import texture

PLANTED_AXES = ("time", "height", "width")
PLANTED_KINDS = (*PLANTED_AXES, "mixed")

# Grey values from 0 to 255.
_MEAN, _DEVIATION = 128.0, 40.0
# Correlation of neighbours; half a clip has fewer of them.
_CORRELATION = 0.1
_MIXED_CORRELATION = 0.5


def planted_clips(
    clips: int,
    kind: str,
    *,
    shape: Sequence[int] = (8, 16, 16),
    seed: int = 0,
) -> ArrayClips:
    """Makes clips of two classes that differ along one known axis.

    Args:
        clips: Number of clips; classes take turns.
        kind: `"time"`, `"height"` or `"width"`, the axis along which the
            classes `smooth` and `rough` differ, or `"mixed"` for the classes
            `smooth_rough` and `rough_smooth`.
        shape: `(frames, height, width)`, each at least 4.
        seed: Integer; the same seed gives the same bytes.

    Returns:
        Grey clips named `planted_000`, ..., and their labels.

    Raises:
        ValueError: If an argument is not as stated.

    Examples:
        >>> source = planted_clips(2, "mixed", shape=(4, 8, 8))
        >>> source.classes, source.labels.tolist()
        (('smooth_rough', 'rough_smooth'), [0, 1])
    """
    shape = tuple(int(size) for size in shape)
    whole("clips", clips, least=1)
    whole("seed", seed, least=0)
    choose("kind", kind, PLANTED_KINDS)
    fits = len(shape) == 3 and min(shape) >= 4
    expect("shape", shape, fits, "to be three sizes of at least 4")
    labels = [number % 2 for number in range(clips)]
    arrays = []
    for number, label in enumerate(labels):
        values = _values(kind, shape, (seed, number), is_second=label == 1)
        grey = np.round(_MEAN + _DEVIATION * values)
        arrays.append(np.clip(grey, 0, 255).astype(np.uint8)[..., None])
    mixed = ("smooth_rough", "rough_smooth")
    return ArrayClips(
        arrays,
        labels,
        classes=mixed if kind == "mixed" else ("smooth", "rough"),
        names=[f"planted_{number:03d}" for number in range(clips)],
    )


def _values(
    kind: str, shape: tuple[int, ...], seed: tuple[int, int], *, is_second: bool
) -> np.ndarray:
    """Draws a clip of zero mean and unit deviation."""
    first, number = seed
    generator = np.random.default_rng(
        [first, PLANTED_KINDS.index(kind), number]
    )
    if kind != "mixed":
        axis = PLANTED_AXES.index(kind)
        return texture(
            shape,
            axis,
            is_rough=is_second,
            generator=generator,
            correlation=_CORRELATION,
        )
    half = shape[0] // 2
    halves = [
        texture(
            (frames, *shape[1:]),
            1,
            is_rough=is_rough,
            generator=generator,
            correlation=_MIXED_CORRELATION,
        )
        for frames, is_rough in (
            (half, is_second),
            (shape[0] - half, not is_second),
        )
    ]
    return np.concatenate(halves)
