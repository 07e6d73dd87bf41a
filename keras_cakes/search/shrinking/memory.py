"""States the memory of a reconstruction before it starts."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes.cost.memory import free_memory
from keras_cakes.models.rewriting.walk import Walk
from keras_cakes.search.shrinking.affine import Affine
from keras_cakes.search.shrinking.calibration import fitted_calls
from keras_cakes.search.shrinking.calibration import positions_of
from keras_cakes.search.shrinking.calibration import run_calls
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
    cases = [len(keras.tree.flatten(batch)[0]) for batch in batches]
    first = keras.tree.map_structure(lambda array: array[:1], batches[0])
    alive, made = 0, 0
    for _, (maps,) in run_calls(walk, [first], 0):
        alive = max(alive, sum(map(_bytes, maps.values())))
        made += max(map(_bytes, maps.values()))
    layers = [Affine(call.layer) for call in fitted_calls(walk).values()]
    counts = [positions_of(layer, positions) for layer in layers]
    kept = sum(
        4 * count * (layer.kernel.shape[-1] + 8)
        for layer, count in zip(layers, counts, strict=True)
    )
    share = max(cases) / sum(cases)
    solving = max(
        solving_bytes(layer.columns_of_group)
        + int(8 * share * count * layer.columns_of_group)
        for layer, count in zip(layers, counts, strict=True)
    )
    # The gradients of a batch, or all batches and the largest system.
    most = kept + max(3 * made * max(cases), alive * sum(cases) + solving)
    stated = (
        f"Reconstructing {model.name!r} on {sum(cases)} cases takes "
        f"{most / _GIB:.2f} GiB"
    )
    free = free_memory()
    if free is not None and most > free:
        raise MemoryError(
            f"{stated}, and at most {free / _GIB:.2f} GiB are expected, which "
            "are free. Fewer `cases` or `layers` need less. "
            f"Received: cases={sum(cases)}"
        )
    logger.info("%s.", stated)
    return most


def _bytes(feature_map: Any) -> int:
    """Returns the bytes of a feature map, at most 4 for each value."""
    return 4 * math.prod(map(int, feature_map.shape))
