"""Gradients on every backend of Keras."""

import keras
import numpy as np


def gradients(layer, inputs, weights, **arguments):
    """Differentiates the weighted sum of a layer's outputs.

    Args:
        layer: A built layer.
        inputs: An array.
        weights: An array of the shape of the outputs.
        **arguments: Of the layer's call.

    Returns:
        Arrays: the outputs, the gradient by the inputs, and a list of those
        by the trainable variables.
    """
    ways = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    found = ways[keras.backend.backend()](
        layer,
        keras.ops.convert_to_tensor(inputs),
        keras.ops.convert_to_tensor(weights),
        arguments,
    )
    return keras.tree.map_structure(np.array, found)


def _tensorflow(layer, inputs, weights, arguments):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, **arguments)
        loss = tf.reduce_sum(outputs * weights)
    by_inputs, *by_variables = tape.gradient(
        loss, [inputs, *layer.trainable_variables]
    )
    return outputs, by_inputs, by_variables


def _jax(layer, inputs, weights, arguments):
    import jax

    state = [variable.value for variable in layer.non_trainable_variables]

    def loss(inputs, variables):
        outputs, _ = layer.stateless_call(variables, state, inputs, **arguments)
        return (outputs * weights).sum(), outputs

    variables = [variable.value for variable in layer.trainable_variables]
    (by_inputs, by_variables), outputs = jax.grad(loss, (0, 1), has_aux=True)(
        inputs, variables
    )
    return outputs, by_inputs, by_variables


def _torch(layer, inputs, weights, arguments):
    inputs.requires_grad_()
    layer.zero_grad()
    outputs = layer(inputs, **arguments)
    (outputs * weights).sum().backward()
    return (
        outputs,
        inputs.grad,
        [variable.value.grad for variable in layer.trainable_variables],
    )
