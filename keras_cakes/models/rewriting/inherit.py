"""Takes over trained weights into networks of this package's layers."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cakes.kernels.assignment import Assignment
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.models.rewriting.graph import Graph


def inherit(network: keras.Model, source: keras.Model) -> None:
    """Gives the layers of a network the weights of those of equal name.

    A `CakesConv3D` takes the taps that its sub-kernels cover: from the kernel
    of a convolution, or from the candidates of a search layer, whose
    normalization goes to the layer behind the convolution.

    Args:
        network: A network of `replace`; its weights are written.
        source: The trained model that `network` was made from, or the trained
            network of its supernet.

    Raises:
        ValueError: If a layer of `source` is missing or has weights of other
            shapes.
    """
    graph = Graph(network)
    searched = set()
    for layer in network.layers:
        if isinstance(layer, CakesConv3D):
            origin = _layer_of(source, layer.name)
            if isinstance(origin, CakesSearchConv3D):
                searched.add(_inherit_search(graph, layer, origin))
    for layer in network.layers:
        if not layer.weights or layer.name in searched:
            continue
        origin = _layer_of(source, layer.name)
        if isinstance(origin, CakesSearchConv3D):
            continue
        if isinstance(layer, CakesConv3D):
            _expect_shape(layer, layer.kernel.shape, origin.kernel.shape)
            layer.assign_kernel(origin.kernel)
            if layer.use_bias:
                layer.bias.assign(origin.bias)
            continue
        _inherit_layer(layer, origin)


def inherit_candidates(network: keras.Model, source: keras.Model) -> None:
    """Gives the layers of a search network the weights of a trained one.

    Each candidate takes the taps that it covers, and the normalization that
    `source` has behind its convolution. A path of full kernels then computes
    what `source` does. Where all candidates run, the layer behind gets their
    mean.

    Args:
        network: A network of `to_search_network`; its weights are written.
        source: The trained model that `network` was made from.

    Raises:
        ValueError: If a layer other than a convolution reads the concatenated
            candidates and has weights.
    """
    graph = Graph(source)
    for layer in network.layers:
        if not layer.weights:
            continue
        origin = _layer_of(source, layer.name)
        if not isinstance(layer, CakesSearchConv3D):
            _inherit_layer(layer, origin)
            continue
        kernel = ops.convert_to_numpy(origin.kernel)
        layer.assign_candidates(tiled(kernel, layer.in_channels))
        _inherit_normalization(
            layer, origin, graph.normalization_behind(layer.name)
        )


def _inherit_layer(layer: Any, origin: Any) -> None:
    """Takes over all weights of a layer."""
    for variable, given in zip(layer.weights, origin.weights, strict=True):
        value = ops.convert_to_numpy(given)
        if isinstance(layer, keras.layers.Conv3D) and value.ndim == 5:
            value = tiled(value, variable.shape[-2])
        _expect_shape(layer, variable.shape, value.shape)
        variable.assign(value)


def tiled(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Tiles a kernel for a layer that reads copies of each of its inputs."""
    copies, rest = divmod(channels, kernel.shape[-2])
    if rest or copies < 2:
        return kernel
    return np.concatenate([kernel] * copies, axis=-2) / copies


def _inherit_normalization(
    layer: CakesSearchConv3D, origin: Any, behind: Any | None
) -> None:
    """Gives every candidate what is behind the convolution that it replaces."""
    bias = ops.convert_to_numpy(origin.bias) if origin.use_bias else 0.0
    values = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0}
    # Statistics that change nothing.
    values["moving_variance"] = 1 - layer.epsilon
    if behind is None:
        values["beta"] = bias
    else:
        for name in values:
            weight = getattr(behind, name, None)
            if weight is not None:
                values[name] = ops.convert_to_numpy(weight)
        values["moving_mean"] = values["moving_mean"] - bias
    assign_paths(layer, values)


def assign_paths(layer: CakesSearchConv3D, values: dict[str, Any]) -> None:
    """Gives every candidate the same scale, offset and statistics.

    Args:
        layer: A search layer. Where it adds its candidates up, their scales
            and offsets are divided by their number.
        values: `gamma`, `beta`, `moving_mean` and `moving_variance`, each
            `(filters,)` or a number; those that the layer lacks are ignored.
    """
    for name, value in values.items():
        variable = getattr(layer.path_normalization, name, None)
        if variable is None:
            continue
        is_sum = layer.priority == "cost" and layer.aggregation == "sum"
        if is_sum and name in ("gamma", "beta"):
            value = value / len(layer.kernel_set)
        variable.assign(np.broadcast_to(value, variable.shape))


def _inherit_search(
    graph: Graph, layer: CakesConv3D, search: CakesSearchConv3D
) -> str:
    """Takes over the candidates that a layer has; names the normalization."""
    if search.priority == "cost" and search.aggregation == "concat":
        raise ValueError(
            "`weights` is expected to be a supernet whose layers have one "
            "output for each channel (the performance priority, or "
            "`aggregation='sum'`); the layers behind others are wider than "
            f"those of the derived network. Received: layer {search.name!r} "
            "with priority='cost', aggregation='concat'"
        )
    path = _path(layer.assignment, search)
    kernel = search.kernel_of(path)
    _expect_shape(layer, layer.kernel.shape, kernel.shape)
    own = search.path_normalization
    behind = graph.normalization_behind(layer.name)
    channels = np.arange(search.filters)

    def chosen(weight: Any) -> Any:
        return ops.convert_to_numpy(weight)[path, channels]

    gamma, beta = chosen(own.gamma), chosen(own.beta)
    if behind is not None and behind.scale and behind.center:
        behind.gamma.assign(gamma)
        behind.beta.assign(beta)
        if isinstance(behind, keras.layers.BatchNormalization):
            behind.moving_mean.assign(chosen(own.moving_mean))
            behind.moving_variance.assign(chosen(own.moving_variance))
        layer.assign_kernel(kernel)
        if layer.use_bias:
            layer.bias.assign(np.zeros(layer.filters))
        return str(behind.name)
    if behind is not None or search.normalization == "instance":
        raise ValueError(
            "A normalization with scale and offset is expected behind a layer "
            "that takes over the weights of a supernet. Received: layer "
            f"{layer.name!r} in front of {behind!r}"
        )
    if search.normalization == "batch":
        deviation = np.sqrt(chosen(own.moving_variance) + search.epsilon)
        gamma = gamma / deviation
        beta = beta - gamma * chosen(own.moving_mean)
    if not layer.use_bias and np.any(beta):
        raise ValueError(
            "A bias is expected in a layer that takes over the offset of a "
            f"supernet. Received: layer {layer.name!r} with use_bias=False"
        )
    layer.assign_kernel(ops.multiply(kernel, gamma))
    if layer.use_bias:
        layer.bias.assign(beta)
    return layer.name


def _path(assignment: Assignment, search: CakesSearchConv3D) -> np.ndarray:
    """Returns the index of each channel's candidate."""
    unknown = set(assignment.kernels) - set(search.kernel_set)
    if unknown:
        raise ValueError(
            "`configuration` is expected to hold sub-kernels that the "
            f"supernet has. Received: layer {search.name!r} with "
            f"{sorted(map(str, unknown))}"
        )
    return np.array(
        [search.kernel_set.index(k) for k in assignment.channel_kernels]
    )


def _layer_of(source: keras.Model, name: str) -> Any:
    try:
        return source.get_layer(name)
    except ValueError:
        names = [layer.name for layer in source.layers]
        raise ValueError(
            "`weights` is expected to be a model with the layers of `model`. "
            f"Received: a model without {name!r}; it has {names}"
        ) from None


def _expect_shape(layer: Any, expected: Any, received: Any) -> None:
    if tuple(expected) != tuple(received):
        raise ValueError(
            f"Weights of shape {tuple(expected)} are expected for layer "
            f"{layer.name!r}. Received: {tuple(received)}"
        )
