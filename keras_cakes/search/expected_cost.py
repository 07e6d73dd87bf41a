"""Costs the network that the path weights describe."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D


def expected_cost(
    layers: Sequence[CakesSearchConv3D],
    channel_costs: Mapping[str, Mapping[str, list[float]]],
    fixed_cost: Mapping[str, float],
) -> dict[str, Any]:
    """Adds up the costs of the arg-max candidates.

    Args:
        layers: The search layers.
        channel_costs: For each of them and each kind of cost, the cost of
            one channel of each candidate.
        fixed_cost: For each kind the cost of everything that is not searched.

    Returns:
        For each kind a scalar, `expected_{kind}`.
    """
    totals = {}
    for kind, fixed in fixed_cost.items():
        total = ops.convert_to_tensor(float(fixed), dtype="float32")
        for layer in layers:
            costs = ops.convert_to_tensor(
                channel_costs[layer.name][kind], dtype="float32"
            )
            chosen = ops.argmax(layer.path_weights, axis=0)
            total += ops.sum(ops.take(costs, chosen))
        totals[f"expected_{kind}"] = total
    return totals
