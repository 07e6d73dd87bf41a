"""Passes: what a network answers for a batch of clips.

A network of Keras on TensorFlow gets one compiled function for each shape of
batch, kept for the next time, so that an evaluation after every epoch is
traced once. Any other one is called through `predict_on_batch`.
"""

import functools
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_cakes.evaluation.checks import require

# By the predict function that Keras keeps: it is dropped with its model, and
# whenever what has been compiled no longer holds, and so are these.
_COMPILED: weakref.WeakKeyDictionary[Any, dict[Any, Callable]] = (
    weakref.WeakKeyDictionary()
)


def clip_pass(
    model: Any, shape: tuple[int, ...]
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from a batch of clips to what a network says of them.

    Args:
        model: Network from clips to logits `(batch, classes)`.
        shape: `(batch, time, height, width, channels)` of every batch.

    Returns:
        Function from a float32 array of `shape` to softmax probabilities, a
        float32 array `(batch, classes)`. It raises a `ValueError` unless the
        network answers with finite logits of two classes or more.
    """
    run = (
        _compiled_pass(model, shape)
        if _is_compiled(model)
        else functools.partial(_plain_pass, model)
    )

    def answers(batch: np.ndarray) -> np.ndarray:
        probabilities = np.asarray(run(batch))
        # The arg-max of NaN is class 0: an error would look like an answer.
        require(
            bool(np.isfinite(probabilities).all()),
            "`model` is expected to answer with finite logits. Received: NaN "
            "or infinity, as after a training that diverged",
        )
        return probabilities

    return answers


def _is_compiled(model: Any) -> bool:
    return (
        isinstance(model, keras.Model)
        and keras.backend.backend() == "tensorflow"
        and not model.run_eagerly
    )


def _compiled_pass(model: keras.Model, shape: tuple[int, ...]) -> Callable:
    model.make_predict_function()
    known = _COMPILED.setdefault(model.predict_function, {})
    if shape not in known:
        known[shape] = _compile(model, shape)
    return known[shape]


def _compile(model: keras.Model, shape: tuple[int, ...]) -> Callable:
    import tensorflow as tf

    # What is kept must not keep the model.
    reference: Callable[[], Any] = weakref.ref(model)

    @tf.function(
        autograph=False,
        jit_compile=model.jit_compile or None,
        input_signature=[tf.TensorSpec(shape, tf.float32)],
    )
    def run(batch):
        logits = reference().predict_step((batch,))
        _check_logits(logits, shape)
        return tf.nn.softmax(tf.cast(logits, tf.float32))

    return run


def _plain_pass(model: Any, batch: np.ndarray) -> np.ndarray:
    logits = model.predict_on_batch(batch)
    _check_logits(logits, batch.shape)
    logits = np.asarray(logits, np.float32)
    # Infinite logits become NaN here, which is found later.
    with np.errstate(invalid="ignore"):
        answer = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return answer / answer.sum(axis=-1, keepdims=True)


def _check_logits(logits: Any, batch: tuple[int, ...]) -> None:
    shape = getattr(logits, "shape", None)
    require(
        shape is not None
        and len(shape) == 2
        # A graph need not know how many rows there are.
        and shape[0] in (batch[0], None)
        and shape[1] is not None
        and shape[1] >= 2,
        f"`model` is expected to answer clips of shape {batch} with logits of "
        f"shape ({batch[0]}, classes), 2 classes or more. Received: "
        f"{type(logits).__name__ if shape is None else tuple(shape)}",
    )
