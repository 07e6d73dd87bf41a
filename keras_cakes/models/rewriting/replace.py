"""Replaces convolutions of a functional model by `CakesConv3D` layers."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.models.rewriting.graph import Graph
from keras_cakes.models.rewriting.graph import as_functional
from keras_cakes.models.rewriting.graph import rewrite
from keras_cakes.models.rewriting.inherit import inherit

# Arguments that a replacement copies from its convolution.
SHARED_ARGUMENTS = (
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
    """Lists the convolutions that a search or a configuration replaces.

    Args:
        model: A functional Keras model.
        layers: Names, or a function of a layer that returns a truth value. By
            default every `Conv3D` of at least three taps along each axis that
            has a convolution or dense layer both before and after it, which
            excludes the stem and the head.

    Returns:
        Layer names in network order.

    Raises:
        ValueError: If a name is unknown or not a `Conv3D`, or no layer is
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


def replace(
    model: keras.Model, configuration: Configuration, *, weights: Any = "new"
) -> keras.Model:
    """Builds the network that a configuration describes.

    Names of layers and of inputs, dtype policies and frozen layers
    (`trainable=False`) stay. The network is not compiled: optimizer, loss and
    metrics of `model` are not taken over.

    Args:
        model: The functional Keras model that was searched, or one with the
            same layer names; it stays as it is.
        configuration: The sub-kernel of each channel of each replaced layer.
        weights: One of

            - `"new"`: every layer starts anew, to be trained from scratch;
            - `"inherit"`: the weights of `model`; a replaced layer keeps
              those under the taps of its sub-kernels (`keras_cakes.shrink`
              fits better ones to data);
            - a trained `Supernet` of `model`: the weights of the candidates
              that `configuration` names, with their normalization. With the
              performance priority the network of the arg-max path computes
              what the supernet predicts.

    Returns:
        A functional Keras model with `CakesConv3D` in place of the layers
        that `configuration` names.

    Raises:
        ValueError: If a layer is missing, is not a `Conv3D`, or has another
            number of filters; if a supernet does not fit.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((16, 16, 16, 1), width=4, depth=2)
        >>> names = kc.replaceable_layers(model)
        >>> configuration = kc.Configuration({names[0]: {"1x3x3": 4}})
        >>> network = kc.replace(model, configuration, weights="inherit")
        >>> network.get_layer(names[0]).assignment
        Assignment([['1x3x3', 4]])
    """
    source = getattr(weights, "network", weights)
    if not isinstance(source, keras.Model):
        source = choose("weights", weights, ("new", "inherit"))
    model = as_functional(model)
    replaceable_layers(model, list(configuration))

    def substitute(layer):
        if layer.name not in configuration:
            return None
        try:
            return CakesConv3D(
                **layer_arguments(layer, SHARED_ARGUMENTS + _BIAS_ARGUMENTS),
                sub_kernels=configuration[layer.name],
            )
        except ValueError as error:
            raise ValueError(f"Layer {layer.name!r}: {error}") from None

    network = rewrite(model, substitute)
    if source != "new":
        inherit(network, model if source == "inherit" else source)
    return network


def layer_arguments(layer: Any, names: Sequence[str]) -> dict[str, Any]:
    """Returns arguments of a layer, from its configuration, by name."""
    config = layer.get_config()
    arguments = {name: config[name] for name in names if name in config}
    # The policy itself, which may differ from the global policy.
    arguments["dtype"] = layer.dtype_policy
    return arguments
