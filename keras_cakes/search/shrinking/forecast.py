"""Forecasts the memory and the time of a reconstruction before it starts."""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
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
# Intermediate results of a normalization, and workspace of a convolution:
# measured peaks of the backward pass were 1.1 to 1.35 times what is counted
# (`benchmarks/shrink_cost.py`).
_WORKSPACE = 1.25
# A case runs forwards and backwards, and forwards once more.
_PASSES = 4
# Gathering columns takes about as long as multiplying this number of rows.
_GATHERED = 500


class Forecast(NamedTuple):
    """Holds what a reconstruction is expected to take.

    Args:
        memory: Bytes, beyond those of the loaded network.
        prices: Seconds until the sub-kernels are priced.
        network: Seconds to fit one network.
    """

    memory: int
    prices: float
    network: float


def forecast(
    model: keras.Model, walk: Walk, batches: Sequence[Any], positions: int
) -> Forecast:
    """States memory and time; refuses what does not fit into memory.

    The first case runs twice, to see its feature maps and its time.

    Args:
        model: The trained network.
        walk: Its calls.
        batches: See `read_batches`.
        positions: See `reconstruct`.

    Raises:
        MemoryError: If more is needed than is free.
    """
    sizes = [len(keras.tree.flatten(batch)[0]) for batch in batches]
    memory = _most_bytes(walk, batches[0], sizes, positions)
    stated = (
        f"Reconstructing {model.name!r} on {sum(sizes)} cases takes "
        f"{memory / _GIB:.2f} GiB"
    )
    free = free_memory()
    if free is not None and memory > free:
        raise MemoryError(
            f"{stated}, and at most {free / _GIB:.2f} GiB are expected, which "
            "are free. Fewer `cases` or `layers` need less. "
            f"Received: cases={sum(sizes)}"
        )
    prices, network = _seconds(walk, batches[0], sum(sizes), positions)
    logger.info(
        "%s and about %.0f s, and about %.0f s for each network.",
        stated,
        prices,
        network,
    )
    return Forecast(memory, prices, network)


def _most_bytes(
    walk: Walk, batch: Any, sizes: Sequence[int], positions: int
) -> int:
    """Returns the largest number of bytes that are held at a time."""
    calls = fitted_calls(walk)
    maps = _start(walk, batch)
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
            count = _count(layer, made, cases, positions)
            kept += 4 * count * (layer.kernel.shape[-1] + 8)
            # Columns of a batch are gathered tap by tap, then put together.
            width = layer.columns_of_group * len(list(layer.groups()))
            columns = 8 * math.ceil(count * largest / cases) * width
            solving = solving_bytes(layer.columns_of_group, count)
            working = max(columns, solving)
        fitting = max(fitting, cases * held + working)
    # The gradients need all feature maps of a batch.
    backwards = largest * (everything + gradients)
    return max(math.ceil(_WORKSPACE * backwards), kept + fitting)


def _seconds(
    walk: Walk, batch: Any, cases: int, positions: int
) -> tuple[float, float]:
    """Returns the seconds of the prices and of each network."""
    calls = fitted_calls(walk)
    counts = {}
    start = time.perf_counter()
    maps = _start(walk, batch)
    for call in walk.calls:
        made = _step(walk, call, maps)
        if calls.get(call.name) is call:
            layer = Affine(call.layer)
            counts[layer] = _count(layer, made, cases, positions)
    forwards = cases * (time.perf_counter() - start)
    rows = np.ones((1024, 1024), "float32")
    start = time.perf_counter()
    rows.T @ rows
    second = (time.perf_counter() - start) / 1024**3
    fitting = 0.0
    for layer, count in counts.items():
        width = layer.columns_of_group
        smaller = min(width, count) + _GATHERED
        fitting += second * width * count * smaller
    return _PASSES * forwards + fitting, forwards + fitting


def _count(layer: Affine, made: int, cases: int, positions: int) -> int:
    """Returns the number of positions that a layer is fitted to.

    Args:
        layer: The layer.
        made: Bytes of its feature map of one case.
        cases: The number of cases.
        positions: See `reconstruct`.
    """
    there = cases * made // (4 * layer.kernel.shape[-1])
    return min(positions_of(layer, positions), there)


def _start(walk: Walk, batch: Any) -> Any:
    """Returns the feature maps of one case before the first call."""
    return walk.start(
        keras.tree.map_structure(
            lambda array: ops.convert_to_tensor(array[:1]), batch
        )
    )


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
