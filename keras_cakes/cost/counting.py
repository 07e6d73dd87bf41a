"""Counts parameters and operations; the network is not run."""

import dataclasses
import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes.cost.cakes_rules import Count
from keras_cakes.cost.cakes_rules import path_count
from keras_cakes.cost.cakes_rules import path_params
from keras_cakes.cost.rules import rule_of
from keras_cakes.cost.table import Cost
from keras_cakes.cost.table import LayerCost
from keras_cakes.cost.tracing import Call
from keras_cakes.cost.tracing import members
from keras_cakes.cost.tracing import symbolic_inputs
from keras_cakes.cost.tracing import trace_calls
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D

CONVENTIONS = ("plain", "paper", "paper_video")
# Layers that the published code counted besides convolutions and dense ones.
_COUNTED_IN_PAPER = (
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.ReLU,
    keras.layers.AveragePooling3D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.MaxPooling3D,
)
_STATISTICS = ("moving_mean", "moving_variance")


def count_cost(
    model: keras.Model,
    input_shape: Any = None,
    *,
    convention: str = "plain",
    path: Any = None,
) -> Cost:
    """Counts parameters and multiply-adds of a network, layer by layer.

    One multiply-add per weight and output position, as in the paper's
    "FLOPs" (a transposed convolution has one per weight and input position).
    Biases, normalization, activations, pooling, resizing and additions are
    counted in `elementwise`, not in `macs`. The cost is given for one sample.
    Nothing is run, and no memory of the model's size is taken. The model may
    be functional, sequential, nested or subclassed.

    A layer of an unknown kind that holds weights is listed in `Cost.unknown`.
    If all its weights are vectors, it scales or shifts and is counted as
    element-wise.

    A supernet is counted as a whole: a cost-priority layer with all its
    candidates, a performance-priority layer with all its weights and the
    multiply-adds of one full kernel. `path` counts the network of one path
    instead.

    Args:
        model: A Keras model.
        input_shape: Shape of one sample, or a list of shapes for several
            inputs, in the order of `model.inputs`. By default the shapes
            that the model was built with.
        convention: `"plain"`, or a convention under which `macs` and
            `elementwise` add up to the figures printed in the paper:
            `"paper"` (2 per normalized element, 1 per ReLU output and element
            that enters a pool, nothing else) or `"paper_video"` (the same
            without the normalization right behind a `CakesConv3D`, which the
            authors' counter did not see).
        path: For a performance-priority supernet: `"argmax"` for the network
            that the current path weights describe, or a mapping from each
            search layer's name to the index of each channel's candidate,
            such as `Supernet.path`.

    Returns:
        A `Cost` with `.params`, `.macs`, `.elementwise` and `.per_layer`.

    Raises:
        ValueError: If a size is not known, or an argument is not one of
            those listed.

    Examples:
        >>> import keras
        >>> image = keras.Input((8, 8, 8, 2))
        >>> model = keras.Model(image, keras.layers.Conv3D(4, 3)(image))
        >>> count_cost(model).params, count_cost(model).macs
        (220, 46656)
    """
    choose("convention", convention, CONVENTIONS)
    expect(
        "path",
        path,
        path is None or isinstance(path, Mapping) or path == "argmax",
        "to be 'argmax' or a mapping with every search layer",
    )
    inputs = symbolic_inputs(model, input_shape)
    if isinstance(model, keras.Sequential) and not model.built:
        model.build((None, *inputs.shape[1:]))
    calls = trace_calls(model, inputs, _is_leaf)
    if convention != "plain":
        calls = _without_padding(calls)
    silent = _behind_cakes(calls) if convention == "paper_video" else set()
    rows: dict[int, LayerCost] = {}
    owned: set[int] = set()
    for call in calls:
        layer = call.layer
        chosen = _chosen(layer, path)
        known = rows.get(id(layer))
        count = _count(call, chosen)
        if known is None:
            params = _params(layer, owned)
            if chosen is not None:
                params = path_params(layer, chosen)
            known = LayerCost(
                call.name,
                type(layer).__name__,
                params,
                0,
                is_known=count is not None,
            )
        macs, elementwise = count or Count()
        if convention != "plain":
            seen = isinstance(layer, _COUNTED_IN_PAPER)
            elementwise *= seen and id(layer) not in silent
        rows[id(layer)] = dataclasses.replace(
            known,
            macs=known.macs + macs,
            elementwise=known.elementwise + elementwise,
        )
    rest = _params(model, owned)
    if rest:
        # Held by a layer around others, or by one that was never called.
        rows[id(model)] = LayerCost(
            "(other weights)", "", rest, 0, is_known=False
        )
    return Cost(
        tuple(
            row
            for row in rows.values()
            if row.params or row.macs or row.elementwise or not row.is_known
        )
    )


def _is_leaf(layer: Any) -> bool:
    return rule_of(layer) is not None or not any(members(layer))


def _count(call: Call, path: Any) -> Count | None:
    """Counts a call; `None` if there is no rule for it."""
    if path is not None:
        return path_count(call, path)
    rule = rule_of(call.layer)
    if rule is not None:
        return rule(call)
    if not isinstance(call.layer, keras.Layer):
        return None
    weights = call.layer.weights
    if any(len(weight.shape) > 1 for weight in weights):
        return None
    outputs = sum(math.prod(shape) for shape in call.outputs)
    return Count(elementwise=len(weights) * outputs)


def _params(layer: Any, owned: set[int]) -> int:
    """Counts the trained numbers of a layer that are not in `owned` yet."""
    if isinstance(layer, keras.layers.Normalization):
        owned.update(id(weight) for weight in layer.weights)
    total = 0
    for weight in getattr(layer, "weights", []):
        if id(weight) in owned:
            continue
        owned.add(id(weight))
        if "float" in weight.dtype and weight.name not in _STATISTICS:
            total += math.prod(weight.shape)
    return total


def _chosen(layer: Any, path: Any) -> Any:
    """Returns the candidate of each channel on a path; `None` for all."""
    if path is None or not isinstance(layer, CakesSearchConv3D):
        return None
    if layer.priority == "cost":
        raise ValueError(
            "`path` is expected with the performance priority; with the cost "
            "priority other layers are wider than in the derived network, "
            "see `Supernet.expected_cost`. Received: layer "
            f"{layer.name!r} with priority='cost'"
        )
    if path == "argmax":
        return keras.ops.convert_to_numpy(
            keras.ops.argmax(layer.path_weights, axis=0)
        )
    if layer.name not in path:
        raise ValueError(
            "`path` is expected to be 'argmax' or a mapping with every "
            f"search layer. Received: path={path!r}, without {layer.name!r}"
        )
    return path[layer.name]


def _without_padding(calls: Sequence[Call]) -> list[Call]:
    """Counts a padding and its pooling as one, as the published code does."""
    return [
        after._replace(tensors_in=before.tensors_in)
        if isinstance(after.layer, keras.layers.MaxPooling3D)
        and isinstance(before.layer, keras.layers.ZeroPadding3D)
        else after
        for before, after in zip([calls[0], *calls], calls, strict=False)
    ]


def _behind_cakes(calls: Sequence[Call]) -> set[int]:
    """Finds the normalizations that read the output of a `CakesConv3D`."""
    return {
        id(after.layer)
        for before, after in zip(calls, calls[1:], strict=False)
        if isinstance(before.layer, CakesConv3D)
        and isinstance(after.layer, keras.layers.BatchNormalization)
    }
