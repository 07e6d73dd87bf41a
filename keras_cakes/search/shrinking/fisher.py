"""Measures how strongly a network's answer depends on each feature map."""

import logging
from collections.abc import Collection
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_cakes.models.rewriting.walk import Walk

logger = logging.getLogger(__name__)

# Distributions that an output may describe.
DISTRIBUTIONS = ("softmax", "sigmoid", "normal")
_REGRESSIONS = ("mean", "huber", "logcosh", "mse", "mae", "msle", "mape")
_SMALL = 1e-7


class Output(NamedTuple):
    """Tells what one output of a network describes.

    Args:
        distribution: One of `DISTRIBUTIONS`.
        is_probability: Whether it holds probabilities, and not logits.
    """

    distribution: str
    is_probability: bool


def outputs_of(
    model: keras.Model, walk: Walk, distribution: str | None = None
) -> list[Output]:
    """Finds what each output of a model describes.

    Args:
        model: A functional Keras model.
        walk: Its calls.
        distribution: One of `DISTRIBUTIONS` for all outputs, or `None`. It is
            then read from the last activation. Behind a linear last layer it
            is read from the compiled loss; without one, an output of one
            channel is a regression and one of several channels holds the
            logits of a softmax, which is logged.
    """
    found = []
    for layer in walk.output_layers:
        activation = getattr(layer, "activation", None)
        name = getattr(activation, "__name__", "linear")
        if isinstance(layer, keras.layers.Softmax):
            name = "softmax"
        if name in ("softmax", "sigmoid"):
            found.append(Output(distribution or name, distribution != "normal"))
            continue
        guess = distribution or _of_loss(model)
        if guess is None:
            guess = "normal" if layer.output.shape[-1] == 1 else "softmax"
            logger.info(
                "Output %r of %r is taken for %s, since the model is not "
                "compiled; `output` chooses another.",
                layer.name,
                model.name,
                "a regression"
                if guess == "normal"
                else "the logits of a softmax",
            )
        found.append(Output(guess, False))
    return found


def _of_loss(model: keras.Model) -> str | None:
    """Returns the distribution that the compiled loss trains, if known."""
    loss = getattr(model, "loss", None)
    name = loss if isinstance(loss, str) else getattr(loss, "name", None)
    name = name or getattr(loss, "__name__", "")
    text = str(name).lower()
    if "crossentropy" in text or "cross_entropy" in text:
        return "sigmoid" if "binary" in text else "softmax"
    return "normal" if text.startswith(_REGRESSIONS) else None


def squared_gradients(
    walk: Walk,
    batch: Any,
    outputs: Sequence[Output],
    *,
    names: Collection[str],
    generator: Any,
) -> dict[str, np.ndarray]:
    """Returns squared gradients of the log-likelihood of drawn answers.

    For each output position an answer is drawn from the distribution that the
    network itself predicts, so that no label is needed. Summed over positions
    the squares are an estimate of the diagonal of the Fisher information.

    Args:
        walk: The calls of the network.
        batch: Inputs of the network.
        outputs: See `outputs_of`.
        names: The layers; each is called once.
        generator: A generator of NumPy.

    Returns:
        For each layer an array of the shape of its output; the gradient is
        that of the value in front of its activation.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            made, answers = _run(walk, batch, names, watch=tape.watch)
            loss = _loss(answers, outputs, generator)
        gradients = tape.gradient(loss, made, unconnected_gradients="zero")
    elif backend == "torch":
        import torch

        made, answers = _run(
            walk, batch, names, watch=lambda x: x.requires_grad_(True)
        )
        loss = _loss(answers, outputs, generator)
        found = torch.autograd.grad(
            loss, list(made.values()), materialize_grads=True
        )
        gradients = dict(zip(made, found, strict=True))
    else:
        import jax

        made, answers = _run(walk, batch, names)
        drawn = [
            _draw(answer, output, generator)
            for answer, output in zip(answers, outputs, strict=True)
        ]
        zeros = {name: ops.zeros_like(value) for name, value in made.items()}

        def loss_of(shifts):
            _, answers = _run(walk, batch, names, shifts=shifts)
            return _loss(answers, outputs, generator, drawn)

        gradients = jax.grad(loss_of)(zeros)
    return {
        name: np.square(ops.convert_to_numpy(value).astype("float32"))
        for name, value in gradients.items()
    }


def _run(
    walk: Walk,
    batch: Any,
    names: Collection[str],
    *,
    watch: Any = None,
    shifts: Any = None,
) -> tuple[dict[str, Any], list[Any]]:
    """Runs all calls; returns values in front of activations, and answers."""
    maps = walk.start(keras.tree.map_structure(ops.convert_to_tensor, batch))
    made: dict[str, Any] = {}
    for call in walk.calls:

        def run(*args, layer=call.layer, **kwargs):
            activation, layer.activation = layer.activation, None
            try:
                value = layer(*args, **kwargs)
            finally:
                layer.activation = activation
            if watch is not None:
                watch(value)
            if shifts is not None:
                value = value + shifts[layer.name]
            made[layer.name] = value
            return value if activation is None else activation(value)

        walk.step(call, maps, run if call.name in names else None)
    return made, walk.outputs(maps)


def _draw(answer: Any, output: Output, generator: Any) -> np.ndarray:
    """Draws an answer at each position from what a network predicts."""
    value = ops.convert_to_numpy(answer).astype("float64")
    if output.distribution == "normal":
        return generator.normal(size=value.shape)
    noise = generator.uniform(_SMALL, 1 - _SMALL, value.shape)
    if output.is_probability:
        value = np.clip(value, _SMALL, 1 - _SMALL)
    if output.distribution == "softmax":
        logits = np.log(value) if output.is_probability else value
        return np.argmax(logits - np.log(-np.log(noise)), axis=-1)
    if not output.is_probability:
        return (np.log(noise) - np.log1p(-noise) < value).astype("float64")
    return (noise < value).astype("float64")


def _loss(
    answers: Sequence[Any],
    outputs: Sequence[Output],
    generator: Any,
    drawn: Any = None,
) -> Any:
    """Sums the negative log-likelihood of drawn answers over positions."""
    total = 0.0
    for index, (answer, output) in enumerate(
        zip(answers, outputs, strict=True)
    ):
        labels = drawn[index] if drawn else _draw(answer, output, generator)
        answer = ops.cast(answer, "float32")
        if output.distribution == "normal":
            loss = answer * ops.cast(labels, "float32")
        elif output.distribution == "softmax":
            loss = ops.sparse_categorical_crossentropy(
                ops.cast(labels, "int32"),
                answer,
                from_logits=not output.is_probability,
            )
        else:
            loss = ops.binary_crossentropy(
                ops.cast(labels, "float32"),
                answer,
                from_logits=not output.is_probability,
            )
        total = total + ops.sum(loss)
    return total
