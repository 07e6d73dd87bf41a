"""Composes flips and quarter turns of patches."""

from typing import Any
from typing import NamedTuple

import numpy as np

from keras_cakes._errors import expect


class Pose(NamedTuple):
    """Represents one of the 48 flips and turns of a cube.

    Args:
        order: The patch axis that becomes each axis.
        reverse: Whether each axis is reversed after that.
    """

    order: tuple[int, ...] = (0, 1, 2)
    reverse: tuple[bool, ...] = (False, False, False)

    def then(self, other: "Pose") -> "Pose":
        """Applies this pose, then the other one."""
        return Pose(
            tuple(self.order[axis] for axis in other.order),
            tuple(
                self.reverse[axis] != reverse
                for axis, reverse in zip(*other, strict=True)
            ),
        )

    def source(self, posed: np.ndarray) -> np.ndarray:
        """Returns a view of `posed` in unposed axes.

        Values that are written into the view appear flipped and turned in
        `posed`, an array of three axes, or four with channels last.
        """
        steps = tuple(slice(None, None, -1 if r else 1) for r in self.reverse)
        back = [self.order.index(axis) for axis in range(3)]
        return posed[steps].transpose(*back, *range(3, posed.ndim))


def allowed_poses(
    patch_shape: tuple[int, ...], flip: Any, rotate: Any
) -> list[Pose]:
    """Lists all compositions of flips and quarter turns, identity first.

    `flip` and `rotate` are as in `patches`; axes that do not fit are refused.
    """
    fits = len(patch_shape) == 3 and min(patch_shape) >= 1
    expect("patch_shape", patch_shape, fits, "to be three positive sizes")
    pairs = [(0, 1), (0, 2), (1, 2)]
    square = [p for p in pairs if patch_shape[p[0]] == patch_shape[p[1]]]
    axes = list(range(3)) if flip is True else list(flip or ())
    planes = square if rotate is True else [tuple(p) for p in rotate or ()]
    expect("flip", flip, set(axes) <= {0, 1, 2}, "to name axes of 0, 1 and 2")
    if not set(planes) <= set(square):
        raise ValueError(
            "`rotate` is expected to name planes of equal patch sizes, here "
            f"{square}. Received: rotate={rotate}, patch_shape={patch_shape}"
        )
    moves = [_flip(axis) for axis in axes] + [_quarter(*p) for p in planes]
    poses = [Pose()]
    # The list grows while it is iterated, until no new pose is found.
    for known in poses:
        for move in moves:
            found = known.then(move)
            if found not in poses:
                poses.append(found)
    return poses


def pose(patch: Any, order: Any, reverse: Any) -> Any:
    """Flips and turns a tensor `(depth, height, width, channels)`."""
    import tensorflow as tf

    order = tf.concat([order, [3]], 0)
    # `tf.reverse` needs numbers of axes; this operation takes flags.
    return tf.raw_ops.Reverse(
        tensor=tf.transpose(patch, order),
        dims=tf.concat([reverse, [False]], 0),
    )


def _flip(axis: int) -> Pose:
    return Pose(reverse=tuple(axis == own for own in range(3)))


def _quarter(first: int, second: int) -> Pose:
    """Composes a quarter turn from a transposition and a reversal."""
    order = list(range(3))
    order[first], order[second] = second, first
    return Pose(tuple(order)).then(_flip(first))
