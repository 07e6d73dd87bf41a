"""Counts the operations of one call of any known layer, by its kind."""

import math
from collections.abc import Callable
from typing import Any

import keras

from keras_cakes.cost.cakes_rules import Count
from keras_cakes.cost.cakes_rules import after
from keras_cakes.cost.cakes_rules import count_cakes
from keras_cakes.cost.cakes_rules import count_search
from keras_cakes.cost.cakes_rules import layers_of_each_rank
from keras_cakes.cost.cakes_rules import positions
from keras_cakes.cost.tracing import Call
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.layers.upsampling import TrilinearUpSampling3D

layers = keras.layers


def _convolution(call: Call) -> Count:
    layer, output = call.layer, call.outputs[0]
    macs = math.prod(layer.kernel.shape) * positions(layer, output)
    return Count(macs, after(layer, math.prod(output)))


def _transposed(call: Call) -> Count:
    # Each input position is multiplied with the whole kernel.
    layer = call.layer
    macs = math.prod(layer.kernel.shape) * positions(layer, call.inputs[0])
    return Count(macs, after(layer, math.prod(call.outputs[0])))


def _separable(call: Call) -> Count:
    layer, output = call.layer, call.outputs[0]
    kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
    weights = sum(math.prod(kernel.shape) for kernel in kernels)
    macs = weights * positions(layer, output)
    return Count(macs, after(layer, math.prod(output)))


def _dense(call: Call) -> Count:
    layer, shape = call.layer, call.inputs[0]
    macs = math.prod(layer.kernel.shape) * math.prod(shape[:-1])
    return Count(macs, after(layer, math.prod(call.outputs[0])))


def _einsum_dense(call: Call) -> Count:
    layer, shape = call.layer, call.inputs[0]
    operands, _, result = layer.equation.partition("->")
    labels, kernel_labels = operands.split(",")
    kernel = dict(zip(kernel_labels, layer.kernel.shape, strict=True))
    summed = math.prod(kernel[c] for c in kernel if c in labels)
    added = math.prod(kernel[c] for c in kernel if c not in labels)
    # All axes of the input that are not summed are batch axes.
    batch = math.prod(shape) // summed
    bias = 0 if layer.bias is None else batch * added
    return Count(batch * summed * added, bias + after(layer, batch * added))


def _attention(call: Call) -> Count:
    """Counts the projections of queries, keys and values, and two products."""
    layer = call.layer
    query, value = call.inputs[0], call.inputs[1]
    key = call.inputs[2] if len(call.inputs) > 2 else value
    batch, targets = query[0], math.prod(query[1:-1])
    sources = math.prod(value[1:-1])
    projections = (
        (layer.query_dense, targets),
        (layer.key_dense, math.prod(key[1:-1])),
        (layer.value_dense, sources),
        (layer.output_dense, targets),
    )
    macs = sum(math.prod(d.kernel.shape) * n for d, n in projections)
    macs += (
        layer.num_heads * targets * sources * (layer.key_dim + layer.value_dim)
    )
    softmax = layer.num_heads * targets * sources
    return Count(batch * macs, batch * softmax)


def _normalization(call: Call) -> Count:
    return Count(elementwise=2 * math.prod(call.outputs[0]))


def _activation(call: Call) -> Count:
    linear = getattr(call.layer, "activation", None)
    if linear is keras.activations.linear:
        return Count()
    return Count(elementwise=math.prod(call.outputs[0]))


def _resize(call: Call) -> Count:
    return Count(elementwise=math.prod(call.outputs[0]))


def _pool(call: Call) -> Count:
    return Count(elementwise=math.prod(call.inputs[0]))


def _merge(call: Call) -> Count:
    operands = len(call.inputs) - 1
    return Count(elementwise=operands * math.prod(call.outputs[0]))


def _dot(call: Call) -> Count:
    # The output lacks the summed axis, which both operands have.
    axes = call.layer.axes
    axis = axes if isinstance(axes, int) else axes[0]
    summed = call.inputs[0][axis]
    return Count(macs=summed * math.prod(call.outputs[0]))


def _matmul(call: Call) -> Count:
    return Count(macs=call.inputs[0][-1] * math.prod(call.outputs[0]))


def _nothing(call: Call) -> Count:
    return Count()


Rule = Callable[[Call], Count]

_RULES: dict[Any, Rule] = {
    CakesConv3D: count_cakes,
    CakesSearchConv3D: count_search,
    layers.SeparableConv1D: _separable,
    layers.SeparableConv2D: _separable,
    layers.DepthwiseConv1D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    **dict.fromkeys(layers_of_each_rank("Conv"), _convolution),
    layers.Conv1DTranspose: _transposed,
    layers.Conv2DTranspose: _transposed,
    layers.Conv3DTranspose: _transposed,
    layers.Dense: _dense,
    layers.EinsumDense: _einsum_dense,
    layers.MultiHeadAttention: _attention,
    layers.BatchNormalization: _normalization,
    layers.GroupNormalization: _normalization,
    layers.LayerNormalization: _normalization,
    layers.Normalization: _normalization,
    layers.Rescaling: _normalization,
    layers.UnitNormalization: _normalization,
    layers.Activation: _activation,
    layers.ELU: _activation,
    layers.LeakyReLU: _activation,
    layers.PReLU: _activation,
    layers.ReLU: _activation,
    layers.Softmax: _activation,
    layers.Resizing: _resize,
    **dict.fromkeys(layers_of_each_rank("UpSampling"), _resize),
    TrilinearUpSampling3D: _resize,
    **dict.fromkeys(layers_of_each_rank("MaxPooling"), _pool),
    **dict.fromkeys(layers_of_each_rank("AveragePooling"), _pool),
    **dict.fromkeys(layers_of_each_rank("GlobalMaxPooling"), _pool),
    **dict.fromkeys(layers_of_each_rank("GlobalAveragePooling"), _pool),
    layers.Add: _merge,
    layers.Average: _merge,
    layers.Maximum: _merge,
    layers.Minimum: _merge,
    layers.Multiply: _merge,
    layers.Subtract: _merge,
    layers.Dot: _dot,
    # A table is read, not multiplied.
    layers.Embedding: _nothing,
}
# Operations of `keras.ops` in a functional graph have no public classes.
_OPERATIONS: dict[str, Rule] = {
    "Matmul": _matmul,
    "Add": _merge,
    "Subtract": _merge,
    "Multiply": _merge,
    "Divide": _merge,
    "Relu": _activation,
    "Sigmoid": _activation,
    "Softmax": _activation,
}
# These multiply and add, but their shapes do not say how often.
_COSTLY_OPERATIONS = ("Conv", "DepthwiseConv", "Dot", "Einsum", "Tensordot")


def rule_of(layer: Any) -> Rule | None:
    """Returns the rule for a layer or operation, `None` if there is none.

    A subclass has the rule of its base, unless it has a `call` of its own.
    """
    own = getattr(type(layer), "call", None)
    for kind, rule in _RULES.items():
        if isinstance(layer, kind) and own is kind.call:
            return rule
    name = type(layer).__name__
    if isinstance(layer, keras.Layer) or name in _COSTLY_OPERATIONS:
        return None
    return _OPERATIONS.get(name, _nothing)
