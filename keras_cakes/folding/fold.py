"""Folding normalization, permutations and activations away."""

import math
from typing import Any

import keras
import numpy as np

from keras_cakes.folding.spaces import ChannelSpaces
from keras_cakes.graph import Graph
from keras_cakes.graph import as_functional
from keras_cakes.graph import normalizes_channels
from keras_cakes.graph import rewrite
from keras_cakes.layers.cakes_conv3d import CakesConv3D

_CONVOLUTIONS = (
    CakesConv3D,
    keras.layers.Conv3D,
    keras.layers.Conv3DTranspose,
)


def fold(network: keras.Model) -> keras.Model:
    """The form of a trained network that is fastest to infer with.

    A batch normalization right behind a convolution becomes part of its
    kernel and bias, and a ReLU or other activation behind them part of the
    layer. Channels are put into the order in which each layer's plan for
    inference computes them, wherever the layers that read them can follow;
    an addition lets one of its inputs choose. Outputs are the same up to
    rounding.

    Args:
        network: A functional Keras model with trained weights, such as
            `replace` makes; it stays as it is. Plans found by `autotune`
            are kept.

    Returns:
        A plain functional model for inference: `predict`, `save`, `export`.
        Training it would have no normalization to rely on.

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
    orders = spaces.orders(_wanted_orders(network, spaces))

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
            channels = layer.assignment.channels
            config["sub_kernels"] = [channels[o] for o in orders[layer.name]]
            config["plan"] = layer.plans["inference"].to_config()
        return type(layer).from_config(config)

    dropped = frozenset(
        layer.name
        for normalization, activation in merged.values()
        for layer in (normalization, activation and activation[0])
        if layer is not None
    )
    folded = rewrite(network, substitute, dropped)
    for original in network.layers:
        if not original.weights or original.name in dropped:
            continue
        layer = folded.get_layer(original.name)
        order = orders[layer.name]
        if spaces.makes_channels(layer.name) or layer.name in merged:
            (source,) = graph.producers[layer.name]
            normalization, _ = merged.get(layer.name, (None, None))
            weights = _folded(original, normalization, orders[source], order)
            layer.set_weights(weights)
        elif normalizes_channels(original):
            layer.set_weights([w[order] for w in original.get_weights()])
        else:
            layer.set_weights(original.get_weights())
    return folded


def _merged(graph: Graph, name: str) -> tuple[Any, Any]:
    """The normalization and the activation that become part of a layer.

    The activation as the layer that is dropped and its function.
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


def _wanted_orders(
    network: keras.Model, spaces: ChannelSpaces
) -> dict[str, list[int]]:
    """The orders in which boxes hand on their channels, costliest first."""
    wanted = []
    for layer in network.layers:
        if isinstance(layer, CakesConv3D) and spaces.makes_channels(layer.name):
            plan = layer.plans["inference"]
            order = np.argsort(plan.order(layer.channel_kernels)).tolist()
            if len(plan.boxes) > 1 and order != sorted(order):
                size = math.prod(s or 1 for s in layer.output.shape[1:])
                wanted.append((size, layer.name, order))
    return {name: order for _, name, order in sorted(wanted, reverse=True)}


def _folded(
    layer: Any, normalization: Any, sources: list[int], order: list[int]
) -> list[np.ndarray]:
    """The weights of a layer, scaled and with channels reordered.

    Args:
        layer: A convolution or dense layer.
        normalization: The batch normalization behind it, or `None`.
        sources: For each channel that it reads now, which it was.
        order: For each filter that it has now, which it was.
    """
    bias = None
    if layer.use_bias:
        bias = keras.ops.convert_to_numpy(layer.bias)
    scale = np.ones(len(order), "float32")
    if normalization is not None:
        scale, offset = _scale_and_offset(normalization)
        bias = offset if bias is None else offset + bias * scale
    if isinstance(layer, CakesConv3D):
        kernels = _cakes_kernels(layer, scale, order)
        kernels = [kernel[:, :, :, sources] for kernel in kernels]
    else:
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        if isinstance(layer, keras.layers.Conv3DTranspose):
            kernel = (kernel * scale[:, None])[..., order, :][..., sources]
        elif getattr(layer, "groups", 1) != 1:
            kernel = kernel * scale
        else:
            kernel = (kernel * scale)[..., sources, :][..., order]
        kernels = [kernel]
    return kernels if bias is None else [*kernels, bias[order]]


def _scale_and_offset(normalization: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a batch normalization does to each channel when it infers."""

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


def _cakes_kernels(
    layer: CakesConv3D, scale: np.ndarray, order: list[int]
) -> list[np.ndarray]:
    """Each sub-kernel's weights, its channels as `order` brings them."""
    channels = list(enumerate(layer.channel_kernels))
    kernels = []
    for sub_kernel, weights in zip(
        layer.channel_counts, layer.sub_kernel_weights, strict=True
    ):
        places = [o for o, kernel in channels if kernel == sub_kernel]
        rank = {o: index for index, o in enumerate(places)}
        taken = [rank[o] for o in order if o in rank]
        values = keras.ops.convert_to_numpy(weights) * scale[places]
        kernels.append(values[..., taken])
    return kernels
