"""Changes the colours of clips and normalizes their values."""

import math
from collections.abc import Sequence
from typing import Any

from keras_cakes._errors import expect
from keras_cakes._errors import number

# ImageNet's values for red, green and blue; grey gets their mean.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_GREY = (0.299, 0.587, 0.114)


def recolour(
    clip: Any,
    draws: Any,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
) -> Any:
    """Changes the colours of all frames of a clip alike.

    Args:
        clip: Float32 tensor `(frames, height, width, channels)`, values from
            0 to 255. Results outside this range are kept.
        draws: Three numbers in [-1, 1).
        brightness: How far a draw moves the factor of all values from 1.
        contrast: Likewise for distances from the mean brightness of the clip.
        saturation: Likewise for distances from grey.
    """
    import tensorflow as tf

    if not (brightness or contrast or saturation):
        return clip
    channels = clip.shape[-1]
    weights = tf.constant(_GREY if channels == 3 else (1.0,))
    bright, far, coloured = tf.unstack(
        1 + draws * tf.constant([brightness, contrast, saturation], tf.float32)
    )
    # All three are linear: one matrix for all is less than half of the work
    # of three changes.
    to_grey = tf.tile(weights[:, None], [1, channels])
    matrix = coloured * tf.eye(channels) + (1 - coloured) * to_grey
    pixels = tf.reshape(clip, [-1, channels])
    mean = tf.reduce_sum(weights * tf.reduce_mean(pixels, 0))
    pixels = tf.matmul(pixels, bright * far * matrix)
    shape = [-1, *clip.shape[1:]]
    return tf.reshape(pixels + bright * mean * (1 - far), shape)


def normalize(
    clip: Any,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Any:
    """Divides values by 255, subtracts a mean and divides by a deviation.

    Args:
        clip: Float32 tensor `(frames, height, width, channels)` of known
            width, values from 0 to 255.
        mean: For each channel or for all; by default ImageNet's.
        std: For each channel or for all; by default ImageNet's.
    """
    import tensorflow as tf

    channels, width = clip.shape[-1], clip.shape[-2]
    means = _of_channels(mean, _MEAN, channels)
    deviations = _of_channels(std, _STD, channels)
    factor = [1 / (255 * deviation) for deviation in deviations]
    shift = [-m / d for m, d in zip(means, deviations, strict=True)]
    # Whole rows: factors of three numbers take four times as long.
    rows = tf.reshape(clip, [-1, width * channels])
    rows = rows * tf.constant(factor * width) + tf.constant(shift * width)
    return tf.reshape(rows, [-1, *clip.shape[1:]])


def standardize(clip: Any) -> Any:
    """Brings all values of a clip to zero mean and unit deviation.

    A clip of one value becomes zeros.
    """
    import tensorflow as tf

    centred = clip - tf.reduce_mean(clip)
    # A twentieth of a step of 8-bit values; smaller deviations are noise.
    return centred / tf.maximum(tf.math.reduce_std(centred), 0.05)


def _of_channels(
    given: Sequence[float] | None, default: Sequence[float], channels: int
) -> list[float]:
    if given is None:
        given = default if channels == 3 else (sum(default) / 3,)
    return list(given) * (channels if len(given) == 1 else 1)


def check_colours(chosen: Any) -> None:
    """Refuses wrong colours of a `ClipAugmentation`."""
    if chosen.standardize and (chosen.mean or chosen.std):
        raise ValueError(
            "`mean` and `std` are expected to be unset where clips are "
            f"standardized. Received: mean={chosen.mean}, std={chosen.std}"
        )
    for name in ("brightness", "contrast", "saturation"):
        number(name, getattr(chosen, name), least=0, most=1)
    for name, least, kind in (
        ("mean", -math.inf, "numbers"),
        ("std", 0.0, "positive numbers"),
    ):
        values = getattr(chosen, name)
        fits = values is None or (
            len(values) in (1, 3)
            and all(math.isfinite(v) and v > least for v in values)
        )
        expect(name, values, fits, f"to hold one or three {kind}")
