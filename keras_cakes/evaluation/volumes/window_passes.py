"""Passes: what networks answer for a batch of windows.

A network of Keras on TensorFlow gets one compiled function for each kind of
window, which cuts the windows out of the volume, calls the network and
weighs its probabilities, so that a window costs Python next to nothing. Any
other one is called through `predict_on_batch`.
"""

import functools
import weakref
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.volumes.windows import Windows

# By the predict function that Keras keeps: it is dropped with its model, and
# whenever what has been compiled no longer holds, and so are these.
_COMPILED: weakref.WeakKeyDictionary[Any, dict[Any, Callable]] = (
    weakref.WeakKeyDictionary()
)


def window_pass(
    models: Sequence[Any], volume: np.ndarray, windows: Windows
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from places of windows to what networks say of them.

    Args:
        models: Networks from `(batch, depth, height, width, channels)` to
            logits `(batch, depth, height, width, classes)`.
        volume: Float32 array `(depth, height, width, channels)`.
        windows: The kind of window.

    Returns:
        Function from the first voxels `(batch, 3)` of windows to a float32
        array `(batch, depth, height, width, classes)`: their softmax
        probabilities, summed over networks and flips, times the weights of
        their voxels. It raises a `ValueError` unless every network answers
        with finite logits for every voxel of a window.
    """
    compiled = [_is_compiled(model) for model in models]
    tensor = None
    if any(compiled):
        import tensorflow as tf

        tensor = tf.constant(volume)
    passes = [
        functools.partial(
            _compiled_pass(model, windows, volume.shape[-1]), tensor
        )
        if is_compiled
        else functools.partial(_plain_pass, model, windows, volume)
        for model, is_compiled in zip(models, compiled, strict=True)
    ]

    def answers(starts: np.ndarray) -> np.ndarray:
        total: Any = None
        for one in passes:
            weighted = np.asarray(one(starts))
            # The arg-max of NaN is class 0: an error would look like
            # background.
            require(
                bool(np.isfinite(weighted.sum())),
                "`model` is expected to answer with finite logits. Received: "
                "NaN or infinity, as after a training that diverged",
            )
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


def _is_compiled(model: Any) -> bool:
    return (
        isinstance(model, keras.Model)
        and keras.backend.backend() == "tensorflow"
        and not model.run_eagerly
    )


def _compiled_pass(
    model: keras.Model, windows: Windows, channels: int
) -> Callable:
    model.make_predict_function()
    known = _COMPILED.setdefault(model.predict_function, {})
    key = (windows, channels)
    if key not in known:
        known[key] = _compile(model, windows, channels)
    return known[key]


def _compile(model: keras.Model, windows: Windows, channels: int) -> Callable:
    import tensorflow as tf

    # What is kept must not keep the model.
    reference: Callable[[], Any] = weakref.ref(model)
    shape = (windows.batch_size, *windows.shape, channels)
    weights = tf.constant(windows.weights[..., None])

    # On its own, so that it is traced once for all flips. It is compiled
    # as Keras would do it.
    @tf.function(autograph=False, jit_compile=model.jit_compile or None)
    def network(batch):
        return reference().predict_step((batch,))

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
            # One after the other: memory is that of one pass.
            with tf.control_dependencies([] if total is None else [total]):
                logits = network(_flipped(batch, axes))
            if logits.shape.is_fully_defined():
                _check_shape(tuple(logits.shape), shape)
            logits = tf.ensure_shape(
                tf.cast(logits, tf.float32), (*shape[:-1], None)
            )
            answer = _flipped(tf.nn.softmax(logits), axes)
            total = answer if total is None else total + answer
        return total * weights

    return run


def _flipped(batch: Any, axes: Sequence[int]) -> Any:
    import tensorflow as tf

    return tf.reverse(batch, [axis + 1 for axis in axes]) if axes else batch


def _plain_pass(
    model: Any, windows: Windows, volume: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    batch = np.stack(
        [
            volume[tuple(map(slice, start, start + windows.shape))]
            for start in starts
        ]
    )
    total: Any = 0.0
    for axes in windows.poses:
        turned = tuple(axis + 1 for axis in axes)
        logits = np.asarray(
            model.predict_on_batch(np.flip(batch, turned)), np.float32
        )
        _check_shape(logits.shape, batch.shape)
        # Infinite logits become NaN here, which is found later.
        with np.errstate(invalid="ignore"):
            answer = np.exp(logits - logits.max(axis=-1, keepdims=True))
            answer /= answer.sum(axis=-1, keepdims=True)
        total = total + np.flip(answer, turned)
    return total * windows.weights[..., None]


def _check_shape(logits: tuple[int, ...], batch: tuple[int, ...]) -> None:
    require(
        logits[:-1] == batch[:-1] and 2 <= logits[-1] <= 256,
        f"`model` is expected to answer windows of shape {batch} with logits "
        f"of shape {batch[:-1]} + (classes,), 2 to 256 classes. Received: "
        f"shape {logits}",
    )
