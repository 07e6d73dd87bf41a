"""Counts the operations of one call of a layer of this package."""

import math
from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from keras_cakes.cost.tracing import Call


class Count(NamedTuple):
    """Holds the multiply-adds and element-wise operations of one call."""

    macs: int = 0
    elementwise: int = 0


def layers_of_each_rank(*kinds: str) -> tuple[Any, ...]:
    """Lists the Keras layers of 1, 2 and 3 dimensions of given kinds."""
    return tuple(
        getattr(keras.layers, f"{kind}{rank}D")
        for kind in kinds
        for rank in (1, 2, 3)
    )


def positions(layer: Any, shape: tuple[int, ...]) -> int:
    """Counts the positions of a feature map, batch included."""
    channels = -1 if layer.data_format == "channels_last" else 1
    return math.prod(shape) // shape[channels]


def after(layer: Any, outputs: int) -> int:
    """Counts the operations of a layer's own bias and activation."""
    activation = getattr(layer, "activation", None)
    linear = activation in (None, keras.activations.linear)
    return outputs * (bool(getattr(layer, "use_bias", False)) + (not linear))


def count_cakes(call: Call) -> Count:
    """Counts one multiply-add for each weight and position."""
    layer, output = call.layer, call.outputs[0]
    weights = sum(math.prod(k.shape) for k in layer.sub_kernel_weights)
    macs = weights * positions(layer, output)
    return Count(macs, after(layer, math.prod(output)))


def count_search(call: Call) -> Count:
    """Counts the forward pass of one training step of a search layer."""
    layer, output = call.layer, call.outputs[0]
    places = positions(layer, output)
    if layer.priority == "performance":
        # One full kernel runs, for any draw.
        weights = (
            math.prod(layer.kernel_size) * layer.in_channels * layer.filters
        )
        paths = 1
    else:
        taps = sum(kernel.taps for kernel in layer.kernel_set)
        weights = taps * layer.in_channels * layer.filters
        paths = len(layer.kernel_set)
    normalized = paths * layer.filters * places
    return Count(
        weights * places,
        2 * normalized + after(layer, math.prod(output)),
    )


def path_params(layer: Any, path: Any) -> int:
    """Counts the weights, scales and offsets of a search layer on one path."""
    taps = np.array([kernel.taps for kernel in layer.kernel_set])
    weights = int(taps[np.asarray(path)].sum()) * layer.in_channels
    return weights + 2 * layer.filters


def path_count(call: Call, path: Any) -> Count:
    """Counts a call of a search layer that runs one path only."""
    layer = call.layer
    output = call.outputs[0]
    places = positions(layer, output)
    outputs = layer.filters * places
    weights = path_params(layer, path) - 2 * layer.filters
    return Count(weights * places, 2 * outputs + after(layer, outputs))
