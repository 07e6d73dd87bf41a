"""Builds the parts of backbones that are not convolutions."""

from typing import Any

import keras
from keras import ops

from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.layers.backends import has_several_replicas

NORMALIZATIONS = ("batch", "instance")


def normalize(inputs: Any, normalization: str, name: str) -> Any:
    """Applies batch or instance normalization."""
    if normalization == "instance":
        # One group per channel.
        return keras.layers.GroupNormalization(
            groups=-1, epsilon=1e-5, name=name
        )(inputs)
    # PyTorch's values; Keras' momentum of 0.99 lags behind in short runs. The
    # samples of one replica are too few for batch statistics.
    return keras.layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        synchronized=has_several_replicas(),
        name=name,
    )(inputs)


def video_head(x: Any, classes: int, dropout: float) -> Any:
    """Returns the mean of each frame's logits from its pooled features."""
    x = keras.layers.TimeDistributed(
        keras.layers.GlobalAveragePooling2D(), name="frame_pool"
    )(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    # Logits and their mean in float32.
    logits = keras.layers.Dense(
        classes,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
        dtype="float32",
        name="frame_logits",
    )(x)
    return ops.mean(logits, axis=1)


def check_head(classes: int, dropout: float) -> None:
    """Refuses a number of classes or a dropout that no head can have."""
    whole("classes", classes, least=1)
    number("dropout", dropout, least=0, below=1)


def check_volume(input_shape: Any, factor: int) -> None:
    """Refuses sizes that the network cannot halve at each level."""
    if len(input_shape) != 4 or any(
        size is not None and (size <= 0 or size % factor)
        for size in input_shape[:3]
    ):
        raise ValueError(
            "`input_shape` is expected to be (depth, height, width, channels)"
            f" with spatial sizes that are multiples of {factor} (or None). "
            f"Received: input_shape={tuple(input_shape)}"
        )
