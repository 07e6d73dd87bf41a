"""Rewriting any functional model: to a search network, to a derived one."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes.configuration import Configuration
from keras_cakes.graph import Graph
from keras_cakes.graph import as_functional
from keras_cakes.graph import rewrite
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.specification import SearchSpecification

# What a replacement takes over from the convolution it stands for.
_SHARED_ARGUMENTS = (
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "groups",
    "activation",
    "kernel_initializer",
    "kernel_regularizer",
    "kernel_constraint",
    "activity_regularizer",
    "name",
    "trainable",
    "dtype",
)
_BIAS_ARGUMENTS = (
    "use_bias",
    "bias_initializer",
    "bias_regularizer",
    "bias_constraint",
)


def replaceable_layers(
    model: keras.Model, layers: Any = None
) -> tuple[str, ...]:
    """Names of the convolutions that a search or a configuration replaces.

    Args:
        model: A functional Keras model.
        layers: Which ones: names, or a function of a layer that says yes or
            no. By default every `Conv3D` of at least three taps along each
            axis, except in the stem and the head: a convolution with no
            other before it stays as it is, and so does one with neither a
            convolution nor a dense layer after it.

    Returns:
        Layer names in network order.

    Raises:
        ValueError: If a name is unknown or not a `Conv3D`, or nothing is
            left to replace.
    """
    model = as_functional(model)
    graph = Graph(model)
    convolutions = [
        layer for layer in model.layers if type(layer) is keras.layers.Conv3D
    ]
    if layers is None:
        chosen = [
            layer.name
            for layer in convolutions
            if min(layer.kernel_size) >= 3
            and graph.reaches_features(layer.name, upstream=True)
            and graph.reaches_features(layer.name, upstream=False)
        ]
    elif callable(layers):
        chosen = [layer.name for layer in convolutions if layers(layer)]
    else:
        names = [layer.name for layer in convolutions]
        for name in layers:
            if name not in names:
                raise ValueError(
                    "A replaced layer is expected to be a `Conv3D` of the "
                    f"model. Received: {name!r}; the model has {names}"
                )
        chosen = [name for name in names if name in set(layers)]
    if not chosen:
        raise ValueError(
            "`model` is expected to have a `Conv3D` to replace (by default "
            "at least 3x3x3, neither the first nor the last convolution; "
            "`layers` chooses others). Received: "
            f"model={model.name!r} with layers="
            f"{[layer.name for layer in convolutions]}"
        )
    return tuple(chosen)


def to_search_network(
    model: keras.Model,
    specification: SearchSpecification,
    layers: Any = None,
) -> keras.Model:
    """Replaces convolutions and their normalization by search layers.

    A batch or instance normalization right behind a replaced convolution
    becomes part of the search layer, with a scale, an offset and statistics
    per candidate; where there is none, `specification.normalization` is put
    there. Everything else is copied, with new weights.

    Args:
        model: A functional Keras model; it stays as it is.
        specification: What is searched.
        layers: See `replaceable_layers`.

    Returns:
        A functional Keras model of `CakesSearchConv3D` layers.
    """
    model = as_functional(model)
    graph = Graph(model)
    names = replaceable_layers(model, layers)
    behind = {name: graph.normalization_behind(name) for name in names}

    def substitute(layer):
        if layer.name not in behind:
            return None
        normalization = behind[layer.name]
        last = layer if normalization is None else normalization
        return CakesSearchConv3D(
            **_arguments(layer, _SHARED_ARGUMENTS),
            kernel_set=specification.kernel_set,
            priority=specification.priority,
            draw=specification.draw,
            aggregation=_aggregation(graph, last.name, specification),
            **_normalization_arguments(normalization, specification),
            gamma_regularizer=specification.lasso_of(
                layer.kernel_size, layer.name
            ),
            weights=specification.candidate_weights,
        )

    dropped = frozenset(n.name for n in behind.values() if n is not None)
    return rewrite(model, substitute, dropped)


def replace(model: keras.Model, configuration: Configuration) -> keras.Model:
    """Builds the network that a configuration describes.

    Args:
        model: The functional Keras model that was searched, or one with the
            same layer names; it stays as it is.
        configuration: The sub-kernel of each channel of each replaced layer.

    Returns:
        A functional Keras model with `CakesConv3D` in place of the layers
        that `configuration` names. All weights are new: train it from
        scratch.

    Raises:
        ValueError: If a layer is missing, is not a `Conv3D`, or has another
            number of filters.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((16, 16, 16, 1), width=4, depth=2)
        >>> names = kc.replaceable_layers(model)
        >>> configuration = kc.Configuration({names[0]: {"1x3x3": 4}})
        >>> kc.replace(model, configuration).get_layer(names[0]).assignment
        Assignment([['1x3x3', 4]])
    """
    model = as_functional(model)
    replaceable_layers(model, list(configuration))

    def substitute(layer):
        if layer.name not in configuration:
            return None
        try:
            return CakesConv3D(
                **_arguments(layer, _SHARED_ARGUMENTS + _BIAS_ARGUMENTS),
                sub_kernels=configuration[layer.name],
            )
        except ValueError as error:
            raise ValueError(f"Layer {layer.name!r}: {error}") from None

    return rewrite(model, substitute)


def _arguments(layer: Any, names: Sequence[str]) -> dict[str, Any]:
    config = layer.get_config()
    arguments = {name: config[name] for name in names if name in config}
    # A policy of its own, such as float32 in a mixed network, is kept.
    arguments["dtype"] = layer.dtype_policy
    return arguments


def _normalization_arguments(
    normalization: Any | None, specification: SearchSpecification
) -> dict[str, Any]:
    if normalization is None:
        return {"normalization": specification.normalization}
    if isinstance(normalization, keras.layers.GroupNormalization):
        return {
            "normalization": "instance",
            "epsilon": normalization.epsilon,
        }
    return {
        "normalization": "batch",
        "momentum": normalization.momentum,
        "epsilon": normalization.epsilon,
        "synchronized": normalization.synchronized or None,
    }


def _aggregation(
    graph: Graph, name: str, specification: SearchSpecification
) -> str:
    if specification.aggregation == "sum" or specification.priority != "cost":
        return "sum"
    can_widen = graph.can_widen(name)
    if specification.aggregation == "concat" and not can_widen:
        raise ValueError(
            "`aggregation='concat'` is expected where every consumer is a "
            "convolution; 'auto' sums elsewhere. Received: layer "
            f"{name!r}, which feeds {graph.consumers[name]}"
        )
    return "concat" if can_widen else "sum"
