"""Flips and quarter turns of patches, drawn and applied in one go."""

from typing import Any


def allowed_poses(
    patch_shape: tuple[int, ...], flip: Any, rotate: Any
) -> tuple[list[int], list[tuple[int, int]]]:
    """The axes that may be reversed and the planes that may be turned.

    Args:
        patch_shape: `(depth, height, width)`.
        flip, rotate: See `patches`.

    Raises:
        ValueError: If they do not fit the patch.
    """
    if len(patch_shape) != 3 or min(patch_shape) < 1:
        raise ValueError(
            "`patch_shape` is expected to be three positive sizes. "
            f"Received: patch_shape={patch_shape}"
        )
    pairs = [(0, 1), (0, 2), (1, 2)]
    square = [p for p in pairs if patch_shape[p[0]] == patch_shape[p[1]]]
    axes = list(range(3)) if flip is True else list(flip or ())
    planes = square if rotate is True else [tuple(p) for p in rotate or ()]
    if not set(axes) <= {0, 1, 2}:
        raise ValueError(
            "`flip` is expected to name axes of 0, 1 and 2. "
            f"Received: flip={flip}"
        )
    if not set(planes) <= set(square):
        raise ValueError(
            "`rotate` is expected to name planes of equal patch sizes, here "
            f"{square}. Received: rotate={rotate}, patch_shape={patch_shape}"
        )
    return axes, planes


def draw_pose(
    axes: list[int], planes: Any, flips: Any, turns: Any
) -> tuple[Any, Any]:
    """One of the 48 ways to lay a cube: an order of axes, then reversals.

    Flips and quarter turns are composed on these few numbers, so that the
    voxels are moved once. A quarter turn is a transposition and a reversal.
    """
    import tensorflow as tf

    drawn = tf.random.stateless_uniform([3], flips) < 0.5
    reverse = [drawn[a] if a in axes else tf.constant(False) for a in range(3)]
    order = [tf.constant(axis) for axis in range(3)]
    quarters = tf.random.stateless_uniform([3], turns, 0, 4, tf.int32)
    for number, (first, second) in enumerate(planes):
        quarter = quarters[number]
        odd = quarter % 2 == 1
        for values in (order, reverse):
            a, b = values[first], values[second]
            values[first] = tf.where(odd, b, a)
            values[second] = tf.where(odd, a, b)
        turned = (quarter == 1) | (quarter == 2)
        reverse[first] = tf.math.logical_xor(reverse[first], turned)
        turned = (quarter == 2) | (quarter == 3)
        reverse[second] = tf.math.logical_xor(reverse[second], turned)
    return tf.stack([*order, 3]), tf.stack([*reverse, False])


def pose(patch: Any, order: Any, reverse: Any) -> Any:
    """Lays a patch `(depth, height, width, channels)` as drawn."""
    import tensorflow as tf

    # `tf.reverse` takes numbers of axes; here only their flags are known.
    return tf.raw_ops.Reverse(tensor=tf.transpose(patch, order), dims=reverse)
