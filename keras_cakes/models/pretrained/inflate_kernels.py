"""Makes 3D kernels from 2D kernels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes.kernels.sub_kernels import SubKernel

RULES = ("sum", "mean")


def inflate_kernel(
    kernel: Any, sub_kernel: Any, *, rule: str = "sum", axis: int = 0
) -> np.ndarray:
    """Makes the weights of a sub-kernel from a 2D kernel.

    The kernel is repeated along the new axis and divided by the number of
    repeats, and summed along each axis on which the sub-kernel has size 1. On
    a constant input, each sub-kernel then computes the same as the 2D kernel.

    Args:
        kernel: 2D weights `(height, width, in_channels, channels)`.
        sub_kernel: A sub-kernel, such as `"3x1x1"`; along the two axes of
            the plane as wide as `kernel`, or 1.
        rule: `"sum"`: as above, from the authors' code. `"mean"`: from the
            paper, the mean over axes of size 1, repeated without division;
            it computes a fraction of the 2D kernel's output.
        axis: The new axis: 0 for time or depth, 1 for height, 2 for width.

    Returns:
        Weights of shape `sub_kernel + (in_channels, channels)`, float32.

    Raises:
        ValueError: If the sizes do not fit, or an argument is not one of
            those listed.

    Examples:
        >>> weights = np.ones((3, 3, 1, 1))
        >>> float(inflate_kernel(weights, "3x1x1").sum())
        9.0
    """
    check_inflation(rule, axis)
    sizes = tuple(SubKernel.parse(sub_kernel))
    weights = np.expand_dims(np.asarray(kernel, "float32"), axis)
    lacking = tuple(
        a for a in range(3) if a != axis and sizes[a] == 1 < weights.shape[a]
    )
    wrong = [
        a
        for a in range(3)
        if a != axis and a not in lacking and sizes[a] != weights.shape[a]
    ]
    if weights.ndim != 5 or wrong:
        raise ValueError(
            "`kernel` is expected to be 2D weights as wide as the "
            f"sub-kernel {sub_kernel}. Received: kernel.shape="
            f"{np.shape(kernel)}, axis={axis}"
        )
    repeats = sizes[axis]
    if lacking and rule == "mean":
        return np.repeat(weights.mean(lacking, keepdims=True), repeats, axis)
    weights = weights.sum(lacking, keepdims=True)
    return np.repeat(weights, repeats, axis) / repeats


def check_inflation(rule: str, axis: int) -> None:
    """Refuses a rule or an axis that `inflate_kernel` does not know."""
    choose("rule", rule, RULES)
    whole("axis", axis, least=0, most=2)


def centred_kernel(
    kernel: Any, kernel_size: Sequence[int], *, axis: int = 0
) -> np.ndarray:
    """Puts a 2D kernel into the middle of a full kernel of zeros.

    Args:
        kernel: 2D weights `(height, width, in_channels, channels)`.
        kernel_size: The full size; along the plane equal to `kernel`.
        axis: As for `inflate_kernel`.

    Returns:
        Weights of shape `kernel_size + (in_channels, channels)`, float32.

    Raises:
        ValueError: As `inflate_kernel`.
    """
    sizes = list(kernel_size)
    sizes[axis] = 1
    plane = SubKernel(*sizes)
    start = inflate_kernel(kernel, plane, axis=axis)
    full = np.zeros((*kernel_size, *start.shape[-2:]), "float32")
    full[plane.slices_in(kernel_size)] = start
    return full
