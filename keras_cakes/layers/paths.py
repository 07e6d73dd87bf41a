"""Draws paths and computes the candidates that they choose."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import canonical_order
from keras_cakes.layers.channels import move_channels
from keras_cakes.layers.convolving import Geometry
from keras_cakes.layers.convolving import convolve_sub_kernel
from keras_cakes.layers.convolving import embed
from keras_cakes.layers.plans.rule import balanced_share


def random_path(
    filters: int, candidates: int, *, balanced: bool, seed: Any
) -> Any:
    """Draws a candidate for each channel.

    Args:
        filters: Number of channels.
        candidates: Number of candidates.
        balanced: Whether the numbers of channels of any two candidates
            differ by at most one.
        seed: A `keras.random.SeedGenerator`.

    Returns:
        Integers of shape `(filters,)`.
    """
    if not balanced:
        return keras.random.randint((filters,), 0, candidates, seed=seed)
    # The random offset chooses the candidates with one channel more; over many
    # draws all candidates are drawn equally often.
    offset = keras.random.randint((), 0, candidates, seed=seed)
    order = (ops.arange(filters, dtype="int32") + offset) % candidates
    return keras.random.shuffle(order, seed=seed)


def path_kernel(
    candidates: Sequence[Any],
    kernel_set: Sequence[SubKernel],
    *,
    path: Any,
    kernel_size: Sequence[int],
) -> Any:
    """Returns the full kernel of one path.

    Args:
        candidates: For each sub-kernel weights of shape
            `(depth, height, width, in_channels, filters)`.
        kernel_set: The sub-kernels.
        path: Integers of shape `(filters,)`, the index of each channel's
            candidate.
        kernel_size: The full size.
    """
    candidates = [ops.convert_to_tensor(weights) for weights in candidates]
    # `where`, not a gather: candidates that are not drawn get a gradient of
    # exactly zero, dense on every replica. Not a product: candidates that are
    # not drawn may be infinite.
    sums = {
        sub_kernel: ops.where(ops.equal(path, index), weights, 0.0)
        for index, (sub_kernel, weights) in enumerate(
            zip(kernel_set, candidates, strict=True)
        )
    }
    full = SubKernel(*kernel_size)
    # Each kernel is added to the next larger one: adding kernels of full size
    # would move more memory.
    for sub_kernel in reversed(canonical_order(sums)):
        if sub_kernel == full:
            continue
        larger = [s for s in sums if s != sub_kernel and s.holds(sub_kernel)]
        target = min(larger, key=lambda s: s.taps, default=full)
        part = embed(sums.pop(sub_kernel), sub_kernel, kernel_size=target)
        sums[target] = sums[target] + part if target in sums else part
    return sums[full]


def shared_path_kernel(
    kernel: Any, kernel_set: Sequence[SubKernel], *, path: Any
) -> Any:
    """Returns the full kernel of one path of crops of one shared kernel.

    Args:
        kernel: The shared weights of full size, `(depth, height, width,
            in_channels, filters)`.
        kernel_set: The sub-kernels.
        path: Integers of shape `(filters,)`, as for `path_kernel`.
    """
    kernel = ops.convert_to_tensor(kernel)
    size = tuple(kernel.shape[:3])
    masks = np.zeros((len(kernel_set), *size, 1))
    for mask, sub_kernel in zip(masks, kernel_set, strict=True):
        mask[sub_kernel.slices_in(size)] = 1.0
    masks = np.moveaxis(masks, 0, -1)
    chosen = ops.one_hot(path, len(kernel_set), axis=0, dtype=kernel.dtype)
    covered = ops.matmul(ops.convert_to_tensor(masks, kernel.dtype), chosen)
    # Not a product: weights that are not covered may be infinite.
    return ops.where(covered > 0, kernel, 0.0)


def crop(kernel: Any, sub_kernel: SubKernel) -> Any:
    """Crops a kernel of full size to a sub-kernel at its centre."""
    kernel = ops.convert_to_tensor(kernel)
    return kernel[sub_kernel.slices_in(kernel.shape[:3])]


def convolve_groups(
    inputs: Any,
    candidates: Sequence[Any],
    *,
    kernel_set: Sequence[SubKernel],
    path: Any,
    geometry: Geometry,
) -> Any:
    """Runs one convolution for the channels of each candidate.

    Every candidate has as many slots as a balanced path may need, which gives
    every path the same shapes. A free slot computes zeros that are dropped.
    """
    filters = path.shape[0]
    count, share = len(kernel_set), balanced_share(filters, kernel_set)
    # The number of earlier channels with the same candidate.
    drawn = ops.one_hot(path, count, dtype="int32")
    rank = ops.sum(drawn * (ops.cumsum(drawn, axis=0) - 1), axis=-1)
    slots = path * share + rank
    # The channel in each slot; `filters` stands for none.
    channels = filters + ops.scatter(
        ops.expand_dims(slots, -1),
        ops.arange(filters, dtype="int32") - filters,
        (count * share,),
    )
    parts = []
    for index, (weights, sub_kernel) in enumerate(
        zip(candidates, kernel_set, strict=True)
    ):
        kernel = move_channels(
            # The custom gradient takes a tensor, not a variable.
            ops.copy(weights),
            channels[index * share : (index + 1) * share],
            inverse=ops.where(ops.equal(path, index), rank, share),
            has_gaps=True,
        )
        parts.append(
            convolve_sub_kernel(
                inputs, kernel, sub_kernel=sub_kernel, geometry=geometry
            )
        )
    axis = geometry.channel_axis
    outputs = ops.concatenate(parts, axis)
    return move_channels(
        outputs, slots, inverse=channels, axis=axis, has_gaps=True
    )


def check_balance(
    path: Any, filters: int, *, kernel_set: Sequence[SubKernel], name: str
) -> None:
    """Refuses a path with more channels than `convolve_groups` has slots.

    A path that is drawn inside a graph has no value yet and is not checked.

    Raises:
        ValueError: If the path gives a candidate too many channels.
    """
    try:
        counts = np.bincount(np.asarray(path))
    except (NotImplementedError, TypeError):
        return
    share = balanced_share(filters, kernel_set)
    if counts.max() > share:
        raise ValueError(
            f"`path` is expected to be balanced, with at most {share} "
            f"channels for each candidate of layer {name!r}. Received: "
            f"{counts.tolist()}"
        )
