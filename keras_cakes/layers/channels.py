"""Puts channels side by side and into another order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_cakes.layers.plans.device import is_on_cpu

# Up to this number of runs, slices and one concatenation are faster than moving
# each channel.
_MOST_RUNS = 16


def arrange_channels(
    parts: Sequence[Any], order: Sequence[int], *, axis: int = -1
) -> Any:
    """Puts feature maps side by side, with their channels reordered.

    Args:
        parts: Feature maps of equal size.
        order: For each channel of the result its place among the joined
            channels of the parts.
        axis: The channel axis.
    """
    runs = _runs([part.shape[axis] for part in parts], order)
    whole = all(
        start == 0 and stop == parts[part].shape[axis]
        for part, start, stop in runs
    )
    if whole or len(runs) <= _MOST_RUNS:
        parts = [_slice(parts[p], start, stop, axis) for p, start, stop in runs]
        order = range(len(order))
    tensor = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis)
    return permute_channels(tensor, order, axis=axis)


def _runs(
    widths: Sequence[int], order: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Splits `order` into `(part, start, stop)` runs of neighbours."""
    places = [
        (part, channel)
        for part, width in enumerate(widths)
        for channel in range(width)
    ]
    runs: list[tuple[int, int, int]] = []
    for part, channel in (places[place] for place in order):
        if runs and runs[-1][0] == part and runs[-1][2] == channel:
            runs[-1] = (part, runs[-1][1], channel + 1)
        else:
            runs.append((part, channel, channel + 1))
    return runs


def _slice(tensor: Any, start: int, stop: int, axis: int) -> Any:
    if stop - start == tensor.shape[axis]:
        return tensor
    index = [slice(None)] * len(tensor.shape)
    index[axis] = slice(start, stop)
    return tensor[tuple(index)]


def permute_channels(
    tensor: Any, order: Sequence[int], *, axis: int = -1
) -> Any:
    """Reorders channels; `order[i]` is the source of channel `i`."""
    places = np.array(order, "int32")
    inverse = np.argsort(places).astype("int32")
    if (inverse == np.arange(len(places))).all():
        return tensor
    if len(tensor.shape) == 1:
        return ops.take(tensor, places)
    return move_channels(tensor, places, inverse=inverse, axis=axis)


def move_channels(
    tensor: Any,
    order: Any,
    *,
    inverse: Any,
    axis: int = -1,
    has_gaps: bool = False,
) -> Any:
    """Moves each channel to its place.

    Values are moved, never multiplied: a channel that is not finite does not
    affect the others. The gradient is moved back, which is much faster than
    the scatter with sums that a framework derives.

    Args:
        tensor: A feature map, or the kernel that makes one.
        order: For each channel of the result its source.
        inverse: For each channel of `tensor` its place in the result.
        axis: The channel axis.
        has_gaps: Whether a source or place may be one beyond the last: such
            a source gives zeros, and such a place drops the channel.
    """

    @ops.custom_gradient
    def move(x):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return _take(upstream, inverse, axis, has_gaps)

        return _take(x, order, axis, has_gaps), gradient

    return move(tensor)


def _take(tensor: Any, order: Any, axis: int, has_gaps: bool) -> Any:
    rank = len(tensor.shape)
    # On a CPU, two transpositions and whole rows are faster than single numbers
    # (measured from 16 to 256 channels on two cores).
    by_rows = axis % rank == rank - 1 and is_on_cpu()
    shape = [*ops.shape(tensor)[:-1], order.shape[0]]
    if by_rows:
        tensor = ops.transpose(ops.reshape(tensor, (-1, tensor.shape[-1])))
        axis = 0
    if has_gaps:
        widths = [(0, 0)] * len(tensor.shape)
        widths[axis] = (0, 1)
        tensor = ops.pad(tensor, widths)
    tensor = ops.take(tensor, order, axis=axis)
    return ops.reshape(ops.transpose(tensor), shape) if by_rows else tensor
