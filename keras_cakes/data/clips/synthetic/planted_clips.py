"""Clips whose right kernels are known.

The two classes are the textures of `keras_cakes.data.planted`, *smooth* and
*rough* along one axis and white along the others. In the mixed kind each frame
is smooth or rough along its height and independent of the others, and the
classes are the order of the two halves of a clip: what is needed is height
first, to know the texture of a frame, and time after that.

Neighbours are related so weakly that a network has to look at many; strong
textures any few channels would tell apart, and a search had nothing to find.
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
# Of neighbours; the texture of half a frame has fewer of them.
_CORRELATION = 0.1
_MIXED_CORRELATION = 0.5


def planted_clips(
    clips: int,
    kind: str,
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
        >>> source = planted_clips(2, "mixed", (4, 8, 8))
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
        generator = np.random.default_rng(
            [seed, PLANTED_KINDS.index(kind), number]
        )
        if kind == "mixed":
            half = shape[0] // 2
            values = np.concatenate(
                [
                    texture(
                        (frames, *shape[1:]),
                        1,
                        is_rough=is_rough,
                        generator=generator,
                        correlation=_MIXED_CORRELATION,
                    )
                    for frames, is_rough in (
                        (half, label == 1),
                        (shape[0] - half, label == 0),
                    )
                ]
            )
        else:
            values = texture(
                shape,
                PLANTED_AXES.index(kind),
                is_rough=label == 1,
                generator=generator,
                correlation=_CORRELATION,
            )
        grey = np.round(_MEAN + _DEVIATION * values)
        arrays.append(np.clip(grey, 0, 255).astype(np.uint8)[..., None])
    classes = (
        ("smooth_rough", "rough_smooth")
        if kind == "mixed"
        else ("smooth", "rough")
    )
    names = [f"planted_{number:03d}" for number in range(clips)]
    return ArrayClips(arrays, labels, classes, names)
