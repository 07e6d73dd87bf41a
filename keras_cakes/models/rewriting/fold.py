"""Folds normalizations, permutations and activations into convolutions."""

import math
from typing import Any

import keras
import numpy as np

from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.plans.plan import Box
from keras_cakes.layers.plans.plan import Plan
from keras_cakes.models.rewriting.channel_spaces import ChannelSpaces
from keras_cakes.models.rewriting.graph import Graph
from keras_cakes.models.rewriting.graph import as_functional
from keras_cakes.models.rewriting.graph import normalizes_channels
from keras_cakes.models.rewriting.graph import rewrite

_CONVOLUTIONS = (
    CakesConv3D,
    keras.layers.Conv3D,
    keras.layers.Conv3DTranspose,
)


def fold(network: keras.Model) -> keras.Model:
    """Builds the fastest form of a trained network for inference.

    A batch normalization right behind a convolution becomes part of its
    kernel and bias, and an activation behind them part of the layer. Channels
    take the order in which each layer's plan for inference computes them,
    where the layers that read them can follow; an addition follows one of its
    inputs. Sub-kernels that a plan merges are stored as the larger kernel, so
    a folded network may have more parameters. A layer that is called more
    than once stays as it is. Outputs are the same up to rounding.

    Args:
        network: A functional Keras model with trained weights, such as
            `replace` makes; it stays as it is. Plans found by `autotune`
            are kept.

    Returns:
        A functional model for inference: `predict`, `save`, `export`. It has
        no normalization and is not meant to be trained.

    Raises:
        ValueError: If `network` has no graph to rewrite.

    Examples:
        >>> import keras_cakes as kc
        >>> network = kc.models.unet3d(
        ...     (8, 8, 8, 1), width=4, depth=2, convolution="1d2d3d"
        ... )
        >>> folded = kc.fold(network)
        >>> any("norm" in layer.name for layer in folded.layers)
        False
    """
    network = as_functional(network)
    graph = Graph(network)
    merged = {
        layer.name: _merged(graph, layer.name)
        for layer in network.layers
        if isinstance(layer, _CONVOLUTIONS)
    }
    spaces = ChannelSpaces(graph)
    free_plans = _free_plans(network, spaces)
    orders, reads = spaces.orders(_wanted_orders(network, free_plans))
    plans = {
        layer.name: _plan(layer, free_plans, orders[layer.name])
        for layer in network.layers
        if isinstance(layer, CakesConv3D)
    }

    def substitute(layer):
        if layer.name not in merged:
            return None
        normalization, activation = merged[layer.name]
        config = layer.get_config()
        if normalization is not None:
            config["use_bias"] = True
        if activation is not None:
            config["activation"] = keras.activations.serialize(activation[1])
        if isinstance(layer, CakesConv3D):
            config.update(_merged_config(layer, plans, orders[layer.name]))
        return type(layer).from_config(config)

    dropped = frozenset(
        layer.name
        for normalization, activation in merged.values()
        for layer in (normalization, activation and activation[0])
        if layer is not None
    )
    folded = rewrite(network, substitute, dropped=dropped)
    for original in network.layers:
        if not original.weights or original.name in dropped:
            continue
        layer = folded.get_layer(original.name)
        order = orders[layer.name]
        if spaces.makes_channels(layer.name) or layer.name in merged:
            # All calls of a layer that is called repeatedly read the old order.
            sources = reads[layer.name][0]
            normalization, _ = merged.get(layer.name, (None, None))
            scale, bias = _scale_and_bias(original, normalization, len(order))
            kernels = _kernels(original, layer, scale, sources, order)
            if bias is not None:
                kernels.append(bias[order])
            layer.set_weights(kernels)
        elif normalizes_channels(original) and graph.calls[layer.name] == 1:
            layer.set_weights([w[order] for w in original.get_weights()])
        else:
            layer.set_weights(original.get_weights())
    return folded


def _merged(graph: Graph, name: str) -> tuple[Any, Any]:
    """Returns the normalization and the activation that a layer absorbs.

    The activation is a pair: the dropped layer and the function.
    """
    layer = graph.layer(name)
    if layer.activation is not keras.activations.linear:
        return None, None
    normalization = graph.normalization_behind(name)
    if not isinstance(normalization, keras.layers.BatchNormalization):
        normalization = None
    last = layer if normalization is None else normalization
    follower = graph.follower(last.name)
    if isinstance(follower, keras.layers.Activation):
        return normalization, (follower, follower.activation)
    is_plain = isinstance(follower, keras.layers.ReLU) and (
        follower.max_value is None
        and not follower.negative_slope
        and not follower.threshold
    )
    if is_plain:
        return normalization, (follower, keras.activations.relu)
    return normalization, None


def _free_plans(network: keras.Model, spaces: ChannelSpaces) -> dict[str, Plan]:
    """Returns plans of the layers whose channels may come in any order."""
    return {
        layer.name: layer.rule_plan("inference", in_any_order=True)
        if layer.has_rule_plan("inference")
        else layer.plans["inference"]
        for layer in network.layers
        if isinstance(layer, CakesConv3D) and spaces.makes_channels(layer.name)
    }


def _wanted_orders(
    network: keras.Model, plans: dict[str, Plan]
) -> dict[str, list[int]]:
    """Returns the channel orders of the boxes, largest output first."""
    wanted = []
    for name, plan in plans.items():
        layer = network.get_layer(name)
        order = np.argsort(plan.order(layer.channel_kernels)).tolist()
        if len(plan.boxes) > 1 and order != sorted(order):
            size = math.prod(s or 1 for s in layer.output.shape[1:])
            wanted.append((size, name, order))
    return {name: order for _, name, order in sorted(wanted, reverse=True)}


def _plan(
    layer: CakesConv3D, free_plans: dict[str, Plan], order: list[int]
) -> Plan:
    """Returns the plan of a layer whose channels are in a new order."""
    free = free_plans.get(layer.name)
    channels = tuple(layer.channel_kernels[o] for o in order)
    if free is not None:
        places = free.order(channels)
        if places == sorted(places) or not layer.has_rule_plan("inference"):
            return free
        return layer.rule_plan("inference", channels)
    return layer.plans["inference"]


def _merged_config(
    layer: CakesConv3D, plans: dict[str, Plan], order: list[int]
) -> dict[str, Any]:
    """Gives each channel the kernel of the box that computes it."""
    channels = [layer.channel_kernels[o] for o in order]
    if layer.groups != 1:
        # Such a layer runs as one full kernel, whatever its plan.
        return {"sub_kernels": list(map(str, channels))}
    plan = plans[layer.name]
    sizes = [box.size for box in plan.boxes for _ in range(box.filters)]
    boxes = [
        Box(box.size, ((box.size, box.filters),), box.form)
        for box in plan.boxes
    ]
    return {
        "sub_kernels": [str(sizes[place]) for place in plan.order(channels)],
        "plan": [box.to_config() for box in boxes],
    }


def _scale_and_bias(
    layer: Any, normalization: Any, filters: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the factor and the summand of each filter."""
    bias = None
    if layer.use_bias:
        bias = keras.ops.convert_to_numpy(layer.bias)
    if normalization is None:
        return np.ones(filters, "float32"), bias
    scale, offset = _scale_and_offset(normalization)
    return scale, offset if bias is None else offset + bias * scale


def _kernels(
    original: Any,
    layer: Any,
    scale: np.ndarray,
    sources: list[int],
    order: list[int],
) -> list[np.ndarray]:
    """Returns the kernels of a folded layer.

    Args:
        original: The convolution or dense layer before folding.
        layer: The folded layer.
        scale: The factor of each filter of `original`.
        sources: The old place of each input channel.
        order: The old place of each filter.
    """
    kernel = keras.ops.convert_to_numpy(original.kernel)
    if isinstance(original, keras.layers.Conv3DTranspose):
        return [(kernel * scale[:, None])[..., order, :][..., sources]]
    kernel = kernel * scale
    if getattr(original, "groups", 1) == 1:
        kernel = kernel[..., sources, :][..., order]
    if not isinstance(layer, CakesConv3D):
        return [kernel]
    return [
        kernel[size.slices_in(layer.kernel_size)][
            ..., [o for o, k in enumerate(layer.channel_kernels) if k == size]
        ]
        for size in layer.channel_counts
    ]


def _scale_and_offset(normalization: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns the factor and summand of a batch normalization in inference."""

    def value(variable, default):
        if variable is None:
            return default
        return keras.ops.convert_to_numpy(variable)

    mean = value(normalization.moving_mean, 0.0)
    deviation = np.sqrt(
        value(normalization.moving_variance, 1.0) + normalization.epsilon
    )
    scale = value(normalization.gamma, 1.0) / deviation
    return scale, value(normalization.beta, 0.0) - mean * scale
