"""Estimates the change of the loss when a candidate is taken away."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_cakes.cost.time.timing import restored
from keras_cakes.layers.backends import expect_tensorflow
from keras_cakes.search.supernet import Supernet


def importance(supernet: Supernet, batches: Iterable[Any]) -> dict[str, Any]:
    """Returns the first-order importance of each candidate of each channel.

    It is the mean of `abs(gamma * dL / dgamma)` over the batches in which the
    candidate was drawn: to first order, the change of the loss if the scale
    `gamma` were zero. With the performance priority each batch has a new
    path; draw each candidate often, for example with 200 batches.

    Args:
        supernet: A compiled, trained supernet; its random draws advance,
            everything else is restored.
        batches: Inputs and targets.

    Returns:
        For each search layer a float64 array `(candidates, filters)`; zero
        where a candidate was never drawn.

    Reference:

    - [Molchanov et al., 2019](https://arxiv.org/abs/1906.10771)
    """
    expect_tensorflow("The importance of a candidate")
    import tensorflow as tf

    layers = supernet.search_layers
    scales = [layer.path_normalization.gamma for layer in layers]
    states = [
        v
        for v in supernet.variables
        if not v.trainable and v is not supernet.path_seed.state
    ]

    @tf.function(reduce_retracing=True)
    def products(inputs, targets):
        with tf.GradientTape() as tape:
            outputs = supernet.network(inputs, training=True)
            loss = supernet.compute_loss(inputs, targets, outputs)
        gradients = tape.gradient(loss, [scale.value for scale in scales])
        return [
            tf.abs(scale * gradient)
            for scale, gradient in zip(scales, gradients, strict=True)
        ]

    sums = [np.zeros(scale.shape) for scale in scales]
    counts = [np.zeros(scale.shape) for scale in scales]
    with restored(states):
        for inputs, targets in batches:
            if supernet.priority == "performance":
                path = supernet.draw_path()
            for number, value in enumerate(products(inputs, targets)):
                sums[number] += value.numpy()
                if supernet.priority == "performance":
                    candidates = np.arange(len(layers[number].kernel_set))
                    drawn = np.asarray(path[layers[number].name])
                    counts[number] += candidates[:, None] == drawn
                else:
                    counts[number] += 1
    return {
        layer.name: total / np.maximum(count, 1)
        for layer, total, count in zip(layers, sums, counts, strict=True)
    }
