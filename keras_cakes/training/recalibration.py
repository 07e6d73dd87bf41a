"""Estimates the moving statistics of batch normalizations anew."""

from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import keras

from keras_cakes._errors import expect

_RANDOM = ("rate", "stddev")


def recalibrate(model: keras.Model, batches: Iterable[Any]) -> None:
    """Estimates the moving statistics of batch normalizations anew.

    After a change of weights the statistics of a trained network no longer
    fit. They become the plain averages of the statistics of the batches;
    nothing else changes. Dropout and noise are off meanwhile.

    Args:
        model: A Keras model; its moving statistics are written, also those of
            frozen layers.
        batches: Batches of the size used in training: inputs, or tuples that
            start with inputs, such as those of a `tf.data.Dataset`.

    Raises:
        ValueError: If there is no batch.

    Examples:
        >>> import keras
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
        >>> scans = [keras.random.normal((2, 8, 8, 8, 1)) for _ in range(3)]
        >>> kc.training.recalibrate(model, scans)
    """
    normalizations = []
    settings: list[tuple[Any, str, Any]] = []
    for layer in _leaves(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            normalizations.append(layer)
            settings.append((layer, "momentum", layer.momentum))
            settings.append((layer, "trainable", layer.trainable))
            layer.trainable = True
        elif layer.__module__.startswith("keras."):
            for name in _RANDOM:
                if isinstance(getattr(layer, name, None), float):
                    settings.append((layer, name, getattr(layer, name)))
    count = 0
    try:
        for layer, name, _ in settings:
            if name in _RANDOM:
                setattr(layer, name, 0.0)
        for batch in batches:
            for layer in normalizations:
                layer.momentum = count / (count + 1)
            inputs = batch[0] if isinstance(batch, tuple) else batch
            model(inputs, training=True)
            count += 1
    finally:
        for layer, name, value in settings:
            setattr(layer, name, value)
    expect("batches", batches, count, "to hold at least one batch")


def _leaves(layer: Any) -> Iterator[Any]:
    """Yields the layers inside a model, nested ones included."""
    inside = getattr(layer, "layers", None)
    if inside is None:
        yield layer
        return
    for part in inside:
        yield from _leaves(part)
