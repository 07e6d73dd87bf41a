"""Which part of its frames a crop shows: a box of whole pixels.

Sizes and places are pairs `(height, width)`, int32 tensors of shape `(2,)`. A
box is cut out of the frames as they were stored, and only then brought to the
size that a network sees: much less is resized than if frames came first.
"""

from collections.abc import Sequence
from typing import Any

# Corners, centre, middles of the edges, and points half way to the corners,
# in quarters of the way that a box can be moved: rows, columns.
CORNERS = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
    *((2, 0), (2, 4), (4, 2), (0, 2)),
    *((1, 1), (1, 3), (3, 1), (3, 3)),
)


def scale_pairs(scales: int) -> list[tuple[int, int]]:
    """Scales of height and width, by number, at most one step apart."""
    return [
        (height, width)
        for height in range(scales)
        for width in range(scales)
        if abs(height - width) <= 1
    ]


def multi_scale_sides(
    extent: Any, size: Sequence[int], scales: Sequence[float]
) -> Any:
    """Sides of the boxes that a multi-scale corner crop may have.

    Args:
        extent: Size of the frames.
        size: Size that a network sees. A side within two pixels of it becomes
            it, as far as the frames reach: nothing is resized then.
        scales: Sides, as shares of the shorter side of the frames.

    Returns:
        Int32 tensor `(scales, 2)` of heights and widths.
    """
    import tensorflow as tf

    # In float64, as Python multiplies: `int(shorter * scale)`.
    shorter = tf.cast(tf.reduce_min(extent), tf.float64)
    sides = tf.cast(shorter * tf.constant(scales, tf.float64), tf.int32)
    sides = tf.maximum(sides, 1)[:, None]
    return tf.minimum(tf.where(tf.abs(sides - size) <= 2, size, sides), extent)


def multi_scale_box(
    extent: Any, size: Sequence[int], scales: Sequence[float], draws: Any
) -> tuple[Any, Any]:
    """A box of one of ten shapes in one of thirteen places.

    Args:
        extent: Size of the frames.
        size: Size that a network sees.
        scales: Sides, as shares of the shorter side of the frames.
        draws: Two numbers in [0, 1), which choose shape and place.

    Returns:
        Place and size of the box.
    """
    import tensorflow as tf

    pairs = scale_pairs(len(scales))
    pair = tf.gather(pairs, _number(draws[0], len(pairs)))
    sides = multi_scale_sides(extent, size, scales)
    side = tf.linalg.diag_part(tf.gather(sides, pair))
    corner = tf.gather(CORNERS, _number(draws[1], len(CORNERS)))
    return (extent - side) // 4 * corner, side


def short_side_box(
    extent: Any, size: Sequence[int], short_side: int
) -> tuple[Any, Any]:
    """Size of a box in frames whose shorter side would be `short_side`.

    Args:
        extent: Size of the frames.
        size: Size of the box in frames that were brought to that side, none
            larger than it.
        short_side: Their shorter side, in pixels.

    Returns:
        How far the box can be moved, and its size, to the nearest pixel.
    """
    import tensorflow as tf

    shorter = tf.reduce_min(extent)
    doubled = 2 * shorter * tf.constant(size) + short_side
    side = tf.maximum(doubled // (2 * short_side), 1)
    return extent - side, side


def along_longer_side(extent: Any, free: Any, third: int) -> Any:
    """Place of a box in the middle of the shorter side of frames.

    Args:
        extent: Size of the frames.
        free: How far the box can be moved.
        third: Along the longer side 0 for its beginning (left or top), 1 for
            its middle, 2 for its end.
    """
    import tensorflow as tf

    wide = extent[1] >= extent[0]
    longer = tf.stack([~wide, wide])
    return free * tf.where(longer, third, 1) // 2


def random_place(free: Any, draws: Any) -> Any:
    """Place of a box, all equally likely.

    Args:
        free: How far the box can be moved.
        draws: Two numbers in [0, 1).
    """
    return _number(draws, free + 1)


def cut(
    frames: Any, start: Any, side: Any, size: Sequence[int], antialias: bool
) -> Any:
    """Cuts a box out of frames and resizes it, by linear interpolation.

    Args:
        frames: Uint8 tensor `(frames, height, width, channels)`.
        start, side: Place and size of the box.
        size: `(height, width)` of the result.
        antialias: Whether to average over what a pixel covers where the box
            is larger than `size`.

    Returns:
        Float32 tensor of the same values, 0 to 255.
    """
    import tensorflow as tf

    box = tf.slice(
        frames,
        tf.concat([[0], start, [0]], 0),
        tf.concat([[-1], side, [-1]], 0),
    )
    box.set_shape((frames.shape[0], None, None, frames.shape[-1]))
    return tf.image.resize(box, size, antialias=antialias)


def _number(draw: Any, count: Any) -> Any:
    """A number below `count` from one in [0, 1)."""
    import tensorflow as tf

    return tf.cast(draw * tf.cast(count, tf.float32), tf.int32)
