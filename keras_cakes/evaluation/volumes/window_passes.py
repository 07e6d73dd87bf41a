"""Runs networks on batches of windows.

The compiled function of a Keras network cuts the windows out of the volume,
calls the network and weighs its probabilities, all in TensorFlow, so that a
window costs almost no time in Python.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.passes import can_compile
from keras_cakes.evaluation.passes import check_finite
from keras_cakes.evaluation.passes import compiled
from keras_cakes.evaluation.passes import network_pass
from keras_cakes.evaluation.volumes.windows import Windows


def window_pass(
    models: Sequence[Any], volume: np.ndarray, *, windows: Windows
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that classifies the voxels of a batch of windows.

    Args:
        models: Networks from `(batch, depth, height, width, channels)` to
            logits `(batch, depth, height, width, classes)`.
        volume: Float32 array `(depth, height, width, channels)`.
        windows: The kind of window.

    Returns:
        Function from the first voxels `(batch, 3)` of windows to a float32
        array `(batch, depth, height, width, classes)`: softmax
        probabilities, summed over networks and flips, times the weight of
        each voxel. It raises a `ValueError` unless every network answers
        with finite logits for every voxel of a window.
    """
    tensor: Any = None
    if any(map(can_compile, models)):
        import tensorflow as tf

        # Converted once, not in every call.
        tensor = tf.constant(volume)

    def answers(starts: np.ndarray) -> np.ndarray:
        total: Any = None
        for model in models:
            if can_compile(model):
                run = _compiled_pass(model, windows, volume.shape[-1])
                weighted = np.asarray(run(tensor, starts))
            else:
                weighted = _plain_pass(model, windows, volume, starts)
            check_finite(weighted)
            if total is None:
                total = weighted
                continue
            require(
                weighted.shape == total.shape,
                "`model` is expected to hold networks of the same classes. "
                f"Received: {total.shape[-1]} and {weighted.shape[-1]} "
                "classes",
            )
            total = total + weighted
        return total

    return answers


def _network_pass(model: Any, shape: tuple[int, ...]) -> Callable:
    # Labels of voxels are uint8.
    return network_pass(model, shape, axes=4, most=256)


def _compiled_pass(
    model: keras.Model, windows: Windows, channels: int
) -> Callable:
    import tensorflow as tf

    shape = (windows.batch_size, *windows.shape, channels)

    def make() -> Callable:
        network = _network_pass(model, shape)
        weights = tf.constant(windows.weights[..., None])

        @tf.function(
            autograph=False,
            input_signature=[
                tf.TensorSpec([None, None, None, channels], tf.float32),
                tf.TensorSpec([windows.batch_size, 3], tf.int32),
            ],
        )
        def run(volume, starts):
            places = tf.unstack(tf.pad(starts, [[0, 0], [0, 1]]))
            batch = tf.stack([tf.slice(volume, at, shape[1:]) for at in places])
            total = None
            for axes in windows.poses:
                turned = np.array([axis + 1 for axis in axes], np.int32)
                # Flips run one after the other and need the memory of one.
                with tf.control_dependencies([] if total is None else [total]):
                    answer = network(tf.reverse(batch, turned))
                answer = tf.reverse(answer, turned)
                total = answer if total is None else total + answer
            return total * weights

        return run

    return compiled(model, (windows, channels), make=make)


def _plain_pass(
    model: Any, windows: Windows, volume: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    batch = np.stack(
        [
            volume[tuple(map(slice, start, start + windows.shape))]
            for start in starts
        ]
    )
    network = _network_pass(model, batch.shape)
    total: Any = 0.0
    for axes in windows.poses:
        turned = tuple(axis + 1 for axis in axes)
        total = total + np.flip(network(np.flip(batch, turned)), turned)
    return total * windows.weights[..., None]
