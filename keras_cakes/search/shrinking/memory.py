"""States the memory of a reconstruction before it starts."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_cakes.cost.memory import free_memory
from keras_cakes.models.rewriting.walk import Call
from keras_cakes.models.rewriting.walk import Walk
from keras_cakes.search.shrinking.affine import Affine
from keras_cakes.search.shrinking.calibration import fitted_calls
from keras_cakes.search.shrinking.calibration import positions_of
from keras_cakes.search.shrinking.least_squares import solving_bytes

logger = logging.getLogger(__name__)
_GIB = 2**30


def check_memory(
    model: keras.Model, walk: Walk, batches: Sequence[Any], positions: int
) -> int:
    """States the bytes that a reconstruction takes; refuses what does not fit.

    The first case runs once, to see its feature maps.

    Args:
        model: The trained network.
        walk: Its calls.
        batches: See `read_batches`.
        positions: See `reconstruct`.

    Raises:
        MemoryError: If more is needed than is free.
    """
    sizes = [len(keras.tree.flatten(batch)[0]) for batch in batches]
    most = _most_bytes(walk, batches[0], sizes, positions)
    stated = (
        f"Reconstructing {model.name!r} on {sum(sizes)} cases takes "
        f"{most / _GIB:.2f} GiB"
    )
    free = free_memory()
    if free is not None and most > free:
        raise MemoryError(
            f"{stated}, and at most {free / _GIB:.2f} GiB are expected, which "
            "are free. Fewer `cases` or `layers` need less. "
            f"Received: cases={sum(sizes)}"
        )
    logger.info("%s.", stated)
    return most


def _most_bytes(
    walk: Walk, batch: Any, sizes: Sequence[int], positions: int
) -> int:
    """Returns the largest number of bytes that are held at a time."""
    calls = fitted_calls(walk)
    one = keras.tree.map_structure(
        lambda array: ops.convert_to_tensor(array[:1]), batch
    )
    maps = walk.start(one)
    cases, largest = sum(sizes), max(sizes)
    everything, gradients, kept, fitting = 0, 0, 0, 0
    for call in walk.calls:
        held = _bytes(maps.values())
        made = _step(walk, call, maps)
        everything += made
        working = largest * made
        if calls.get(call.name) is call:
            gradients += made
            layer = Affine(call.layer)
            count = positions_of(layer, positions)
            kept += 4 * count * (layer.kernel.shape[-1] + 8)
            # Columns of a batch are gathered tap by tap, then put together.
            width = layer.kernel.shape[0] * layer.kernel.shape[1]
            columns = 8 * math.ceil(count * largest / cases) * width
            working = max(columns, solving_bytes(layer.columns_of_group))
        fitting = max(fitting, cases * held + working)
    # A batch backwards: all feature maps, then gradients and their squares.
    backwards = largest * max(everything + gradients, 3 * gradients)
    return kept + max(backwards, fitting)


def _step(walk: Walk, call: Call, maps: Any) -> int:
    """Runs a call; returns the bytes of the feature maps that it makes."""
    made = 0

    def run(*args: Any, **kwargs: Any) -> Any:
        nonlocal made
        value = call.layer(*args, **kwargs)
        made = _bytes(keras.tree.flatten(value))
        return value

    walk.step(call, maps, run)
    return made


def _bytes(feature_maps: Any) -> int:
    """Returns the bytes of feature maps, at most 4 for each value."""
    return sum(4 * math.prod(map(int, each.shape)) for each in feature_maps)
