"""Flips and quarter turns of patches: all that they compose to."""

from typing import Any
from typing import NamedTuple

import numpy as np

from keras_cakes._errors import expect


class Pose(NamedTuple):
    """One of the 48 ways to lay a cube.

    Args:
        order: Which axis of the patch becomes each axis.
        reverse: Which axes are reversed after that.
    """

    order: tuple[int, ...] = (0, 1, 2)
    reverse: tuple[bool, ...] = (False, False, False)

    def then(self, other: "Pose") -> "Pose":
        """This pose, and the other one on top of it."""
        return Pose(
            tuple(self.order[axis] for axis in other.order),
            tuple(
                self.reverse[axis] != reverse
                for axis, reverse in zip(*other, strict=True)
            ),
        )

    def source(self, posed: np.ndarray) -> np.ndarray:
        """A view of what is laid so as it lay before.

        Whatever is written there appears posed, and voxels move once.

        Args:
            posed: Array of three axes, or four, the last of channels.
        """
        steps = tuple(slice(None, None, -1 if r else 1) for r in self.reverse)
        back = [self.order.index(axis) for axis in range(3)]
        return posed[steps].transpose(*back, *range(3, posed.ndim))


def allowed_poses(
    patch_shape: tuple[int, ...], flip: Any, rotate: Any
) -> list[Pose]:
    """All poses that flips and quarter turns lead to, the patch as it is first.

    Args:
        patch_shape: `(depth, height, width)`.
        flip, rotate: See `patches`.

    Raises:
        ValueError: If they do not fit the patch.
    """
    fits = len(patch_shape) == 3 and min(patch_shape) >= 1
    expect("patch_shape", patch_shape, fits, "to be three positive sizes")
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
    moves = [_flip(axis) for axis in axes] + [_quarter(*p) for p in planes]
    poses = [Pose()]
    # They grow while they are gone through, until nothing new is found.
    for known in poses:
        for move in moves:
            found = known.then(move)
            if found not in poses:
                poses.append(found)
    return poses


def pose(patch: Any, order: Any, reverse: Any) -> Any:
    """Lays a patch `(depth, height, width, channels)`, a tensor, as drawn."""
    import tensorflow as tf

    order = tf.concat([order, [3]], 0)
    # `tf.reverse` takes numbers of axes; here only their flags are known.
    return tf.raw_ops.Reverse(
        tensor=tf.transpose(patch, order),
        dims=tf.concat([reverse, [False]], 0),
    )


def _flip(axis: int) -> Pose:
    return Pose(reverse=tuple(axis == own for own in range(3)))


def _quarter(first: int, second: int) -> Pose:
    """A quarter turn: a transposition and a reversal."""
    order = list(range(3))
    order[first], order[second] = second, first
    return Pose(tuple(order)).then(_flip(first))
