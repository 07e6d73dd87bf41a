"""What one call of a layer costs, and what rules for it share."""

import math
from typing import Any
from typing import NamedTuple

import keras


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
