"""What the layers of this package cost."""

import math
from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from keras_cakes.cost.tracing import Call


class Count(NamedTuple):
    """Multiply-adds and element-wise operations of one call."""

    macs: int = 0
    elementwise: int = 0


def positions(layer: Any, shape: tuple[int, ...]) -> int:
    """Number of positions of a feature map: all but its channels."""
    channels = -1 if layer.data_format == "channels_last" else 1
    return math.prod(shape) // shape[channels]


def after(layer: Any, outputs: int) -> int:
    """Bias and activation that a layer brings along."""
    activation = getattr(layer, "activation", None)
    linear = activation in (None, keras.activations.linear)
    return outputs * (bool(getattr(layer, "use_bias", False)) + (not linear))


def count_cakes(call: Call) -> Count:
    """One multiply-add per weight of each sub-kernel and position."""
    layer, output = call.layer, call.outputs[0]
    weights = sum(math.prod(k.shape) for k in layer.sub_kernel_weights)
    macs = weights * positions(layer, output)
    return Count(macs, after(layer, math.prod(output)))


def count_search(call: Call) -> Count:
    """All that the layer runs in one training step."""
    layer, output = call.layer, call.outputs[0]
    places = positions(layer, output)
    if layer.priority == "performance":
        # One full kernel, whatever the draw.
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
    """Weights and scales of a search layer on one path."""
    taps = np.array([kernel.taps for kernel in layer.kernel_set])
    weights = int(taps[np.asarray(path)].sum()) * layer.in_channels
    return weights + 2 * layer.filters


def path_count(call: Call, path: Any) -> Count:
    """The call of a search layer, were only one path in it."""
    layer = call.layer
    output = call.outputs[0]
    places = positions(layer, output)
    outputs = layer.filters * places
    weights = path_params(layer, path) - 2 * layer.filters
    return Count(weights * places, 2 * outputs + after(layer, outputs))
