"""Runs networks on batches, compiled where that is possible.

A Keras network on TensorFlow gets one compiled function for each kind of
batch. The function is kept, so that an evaluation after every epoch traces
the network once. Any other network is called through `predict_on_batch`.
"""

import math
import weakref
from collections.abc import Callable
from collections.abc import Hashable
from typing import Any

import keras
import numpy as np

from keras_cakes.evaluation.checks import require

# The key is the predict function of a Keras model. Keras drops it with the
# model and whenever the model is compiled anew, and the entry goes with it.
_COMPILED: weakref.WeakKeyDictionary[Any, dict[Hashable, Callable]] = (
    weakref.WeakKeyDictionary()
)


def can_compile(model: Any) -> bool:
    """Says whether TensorFlow may compile a network."""
    return (
        isinstance(model, keras.Model)
        and keras.backend.backend() == "tensorflow"
        and not model.run_eagerly
    )


def compiled(
    model: keras.Model, kind: Hashable, *, make: Callable[[], Callable]
) -> Callable:
    """Returns the function of a network for a kind of batch; makes it once.

    The function must not hold a reference to the network.
    """
    model.make_predict_function()
    known = _COMPILED.setdefault(model.predict_function, {})
    if kind not in known:
        known[kind] = make()
    return known[kind]


def network_pass(
    model: Any, shape: tuple[int, ...], *, axes: int, most: int | None = None
) -> Callable:
    """Returns a function from float32 batches to softmax probabilities.

    Args:
        model: Network from `shape` to logits `(*shape[:axes], classes)`.
        shape: Shape of every batch.
        axes: Number of axes of a batch that the logits keep.
        most: Largest number of classes.

    Returns:
        Function of arrays, or of tensors if `can_compile(model)`. It raises a
        `ValueError` if the logits have another shape.
    """

    def plain(batch: np.ndarray) -> np.ndarray:
        logits = model.predict_on_batch(batch)
        _check_logits(logits, shape, axes, most)
        logits = np.asarray(logits, np.float32)
        # Infinite logits become NaN, which `check_finite` refuses.
        with np.errstate(invalid="ignore"):
            answer = np.exp(logits - logits.max(axis=-1, keepdims=True))
            return answer / answer.sum(axis=-1, keepdims=True)

    def make() -> Callable:
        import tensorflow as tf

        reference: Callable[[], Any] = weakref.ref(model)

        @tf.function(
            autograph=False,
            jit_compile=model.jit_compile or None,
            input_signature=[tf.TensorSpec(shape, tf.float32)],
        )
        def network(batch):
            logits = reference().predict_step((batch,))
            _check_logits(logits, shape, axes, most)
            logits = tf.ensure_shape(logits, (*shape[:axes], None))
            return tf.nn.softmax(tf.cast(logits, tf.float32))

        return network

    if can_compile(model):
        return compiled(model, (shape, axes), make=make)
    return plain


def _check_logits(
    logits: Any, batch: tuple[int, ...], axes: int, most: int | None
) -> None:
    shape = getattr(logits, "shape", None)
    if getattr(shape, "rank", axes) is None:
        # `ensure_shape` checks it when the graph runs.
        return
    require(
        shape is not None
        and len(shape) == axes + 1
        # A graph may not know all sizes.
        and all(a in (b, None) for a, b in zip(shape[:-1], batch, strict=False))
        and 2 <= (shape[-1] or 2) <= (most or math.inf),
        f"`model` is expected to answer a batch of shape {batch} with logits "
        f"of shape ({', '.join(map(str, batch[:axes]))}, classes), 2 "
        f"{f'to {most} classes' if most else 'classes or more'}. Received: "
        + (type(logits).__name__ if shape is None else f"shape {tuple(shape)}"),
    )


def check_finite(probabilities: np.ndarray) -> None:
    """Refuses probabilities of a network whose training has diverged."""
    # The arg-max of NaN is class 0: an error would look like an answer. A
    # sum finds NaN without an array of booleans.
    require(
        bool(np.isfinite(probabilities.sum())),
        "`model` is expected to answer with finite logits. Received: NaN or "
        "infinity, as after a training that diverged",
    )
