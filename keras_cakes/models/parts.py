"""What backbones share besides their convolutions."""

from typing import Any

import keras
from keras import ops

from keras_cakes.layers.normalization import has_several_replicas

NORMALIZATIONS = ("batch", "instance")


def normalize(inputs: Any, normalization: str, name: str) -> Any:
    """Batch or instance normalization as backbones use it."""
    if normalization == "instance":
        # One group per channel.
        return keras.layers.GroupNormalization(
            groups=-1, epsilon=1e-5, name=name
        )(inputs)
    # Keras' defaults (0.99, 1e-3) lag behind in runs of a few hundred steps;
    # these are also PyTorch's. The few samples of one replica are a poor
    # batch.
    return keras.layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        synchronized=has_several_replicas(),
        name=name,
    )(inputs)


def video_head(x: Any, classes: int, dropout: float) -> Any:
    """Logits of each frame from its pooled features, and their mean."""
    x = keras.layers.TimeDistributed(
        keras.layers.GlobalAveragePooling2D(), name="frame_pool"
    )(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    # Logits in float32, as their mean.
    logits = keras.layers.Dense(
        classes,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
        dtype="float32",
        name="frame_logits",
    )(x)
    return ops.mean(logits, axis=1)


def check_positive(**arguments: Any) -> None:
    """Refuses what is not a positive integer, by the argument's name."""
    for name, value in arguments.items():
        if not (isinstance(value, int) and value >= 1):
            raise ValueError(
                f"`{name}` is expected to be a positive integer. "
                f"Received: {name}={value!r}"
            )


def check_kernel_size(**arguments: Any) -> None:
    """Refuses what is not a size of three axes, by the argument's name."""
    for name, value in arguments.items():
        sizes = value if isinstance(value, list | tuple) else (value,) * 3
        if len(sizes) != 3 or not all(
            isinstance(size, int) and size >= 1 for size in sizes
        ):
            raise ValueError(
                f"`{name}` is expected to be a positive integer or three of "
                f"them. Received: {name}={value!r}"
            )


def check_normalization(normalization: Any) -> None:
    """Refuses an unknown kind of normalization."""
    if normalization not in NORMALIZATIONS:
        raise ValueError(
            f"`normalization` is expected to be one of {NORMALIZATIONS}. "
            f"Received: normalization={normalization!r}"
        )


def check_volume(input_shape: Any, factor: int) -> None:
    """Refuses sizes that cannot be halved as often as a network does."""
    if len(input_shape) != 4 or any(
        size is not None and (size <= 0 or size % factor)
        for size in input_shape[:3]
    ):
        raise ValueError(
            "`input_shape` is expected to be (depth, height, width, channels)"
            f" with spatial sizes that are multiples of {factor} (or None). "
            f"Received: input_shape={tuple(input_shape)}"
        )
