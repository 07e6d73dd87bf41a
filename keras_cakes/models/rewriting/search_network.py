"""Replaces convolutions of a functional model by search layers."""

from typing import Any

import keras

from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.models.rewriting.graph import Graph
from keras_cakes.models.rewriting.graph import as_functional
from keras_cakes.models.rewriting.graph import rewrite
from keras_cakes.models.rewriting.replace import SHARED_ARGUMENTS
from keras_cakes.models.rewriting.replace import layer_arguments
from keras_cakes.models.rewriting.replace import replaceable_layers
from keras_cakes.models.rewriting.specification import SearchSpecification


def to_search_network(
    model: keras.Model,
    specification: SearchSpecification,
    *,
    layers: Any = None,
) -> keras.Model:
    """Replaces convolutions and their normalization by search layers.

    A batch or instance normalization right behind a replaced convolution
    becomes part of the search layer, with a scale, an offset and statistics
    per candidate. Without one, the layer uses `specification.normalization`.
    All other layers are copied, with new weights.

    Args:
        model: A functional Keras model; it stays as it is.
        specification: The choices of the search.
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
            **layer_arguments(layer, SHARED_ARGUMENTS),
            kernel_set=specification.kernel_set,
            priority=specification.priority,
            draw=specification.draw,
            aggregation=_aggregation(graph, last.name, specification),
            **_normalization_arguments(normalization, specification),
            gamma_regularizer=specification.lasso_of(
                layer.kernel_size, layer.name
            ),
            candidate_kernels=specification.chosen_kernels,
        )

    dropped = frozenset(n.name for n in behind.values() if n is not None)
    return rewrite(model, substitute, dropped=dropped)


def _normalization_arguments(
    normalization: Any | None, specification: SearchSpecification
) -> dict[str, Any]:
    """Returns arguments of a search layer for the normalization behind it."""
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
    """Returns the aggregation that the consumers of a layer allow."""
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
