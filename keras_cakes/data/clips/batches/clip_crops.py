"""Chooses and cuts the boxes of whole pixels that crops show.

Sizes and places are pairs `(height, width)`, int32 tensors of shape `(2,)`;
`extent` is the size of the frames. A box is cut out of the stored frames and
then resized, which resizes fewer pixels than the other order.
"""

from collections.abc import Sequence
from typing import Any

# Rows and columns of the corners, the centre, the middles of the edges, and
# points half way to the corners, in quarters of the way that a box can move.
CORNERS = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
    *((2, 0), (2, 4), (4, 2), (0, 2)),
    *((1, 1), (1, 3), (3, 1), (3, 3)),
)


def scale_pairs(scales: int) -> list[tuple[int, int]]:
    """Lists pairs of numbers of scales, at most one step apart."""
    return [
        (height, width)
        for height in range(scales)
        for width in range(scales)
        if abs(height - width) <= 1
    ]


def multi_scale_sides(
    extent: Any, size: Sequence[int], *, scales: Sequence[float]
) -> Any:
    """Returns the sides that a multi-scale corner crop may have.

    A side within two pixels of `size`, to which crops are resized, becomes
    `size` if the frames are large enough: then no pixel is resized.

    Args:
        extent: Size of the frames.
        size: Size of the result.
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
    extent: Any, size: Sequence[int], *, scales: Sequence[float], draws: Any
) -> tuple[Any, Any]:
    """Draws place and size of a box: one of its shapes in one of 13 places.

    Two `draws` in [0, 1) choose shape and place; see `multi_scale_sides`.
    """
    import tensorflow as tf

    pairs = scale_pairs(len(scales))
    pair = tf.gather(pairs, _number(draws[0], len(pairs)))
    sides = multi_scale_sides(extent, size, scales=scales)
    side = tf.linalg.diag_part(tf.gather(sides, pair))
    corner = tf.gather(CORNERS, _number(draws[1], len(CORNERS)))
    return (extent - side) // 4 * corner, side


def short_side_box(
    extent: Any, size: Sequence[int], *, short_side: int
) -> tuple[Any, Any]:
    """Returns how far a box can move, and its size, to the nearest pixel.

    The box would have `size` pixels, at most `short_side`, in frames that
    were scaled to a shorter side of `short_side`.
    """
    import tensorflow as tf

    shorter = tf.reduce_min(extent)
    doubled = 2 * shorter * tf.constant(size) + short_side
    side = tf.maximum(doubled // (2 * short_side), 1)
    return extent - side, side


def along_longer_side(extent: Any, free: Any, *, third: int) -> Any:
    """Places a box in the middle of the shorter side of frames.

    Args:
        extent: Size of the frames.
        free: How far the box can move.
        third: Place along the longer side: 0 for left or top, 1 for the
            middle, 2 for right or bottom.
    """
    import tensorflow as tf

    wide = extent[1] >= extent[0]
    longer = tf.stack([~wide, wide])
    return free * tf.where(longer, third, 1) // 2


def random_place(free: Any, draws: Any) -> Any:
    """Places a box by two draws in [0, 1), all places equally likely."""
    return _number(draws, free + 1)


def cut(
    frames: Any,
    size: Sequence[int],
    *,
    start: Any,
    side: Any,
    antialias: bool,
) -> Any:
    """Cuts a box out of frames and resizes it, by linear interpolation.

    Args:
        frames: Uint8 tensor `(frames, height, width, channels)`.
        size: `(height, width)` of the result.
        start: Place of the box.
        side: Size of the box.
        antialias: Averages over all covered pixels where the box shrinks.

    Returns:
        Float32 tensor of values from 0 to 255.
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
    """Turns a draw in [0, 1) into a whole number below `count`."""
    import tensorflow as tf

    return tf.cast(draw * tf.cast(count, tf.float32), tf.int32)
