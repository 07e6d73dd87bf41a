"""Counts the costs from which a search predicts its derived networks."""

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes.cost.counting import count_cost
from keras_cakes.cost.time.latency_table import LatencyTable
from keras_cakes.kernels.sub_kernels import SubKernel

# The cost of one channel of each candidate, by layer and kind; and, by kind,
# the cost of everything that is not searched.
Costs = tuple[dict[str, dict[str, list[float]]], dict[str, float]]


def count_channel_costs(
    model: keras.Model,
    candidates: Mapping[str, Sequence[SubKernel]],
    table: LatencyTable | None = None,
) -> Costs:
    """Counts the cost of one channel of every candidate of every layer.

    Args:
        model: The functional model that is searched, of known sizes.
        candidates: The sub-kernels of each layer that is replaced.
        table: Measured times, which add the kind `"latency"`.

    Returns:
        The costs of channels and the fixed cost, as `Supernet` takes them.
    """
    cost = count_cost(model)
    # Biases stay, so the searched kernels alone are taken away.
    fixed: dict[str, Any] = {"params": cost.params, "macs": cost.macs}
    channels: dict[str, dict[str, Any]] = {}
    for name, kernels in candidates.items():
        layer = model.get_layer(name)
        shape = layer.kernel.shape
        macs = cost.of([name]).macs
        each = {
            "params": shape[-2],
            "macs": macs // (math.prod(shape[:3]) * layer.filters),
        }
        channels[name] = {
            kind: [price * kernel.taps for kernel in kernels]
            for kind, price in each.items()
        }
        fixed["params"] -= math.prod(shape)
        fixed["macs"] -= macs
        if table is not None:
            channels[name]["latency"] = table.channel_ms(name)
    if table is not None:
        fixed["latency"] = table.fixed_ms
    return channels, fixed
