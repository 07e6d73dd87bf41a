"""A small residual 3D U-Net."""

from typing import Any

import keras

from keras_cakes.models.convolution import apply_convolution
from keras_cakes.models.convolution import build_with

NORMALIZATIONS = ("batch", "instance")


def unet3d(
    input_shape: tuple[int | None, ...] = (48, 64, 48, 1),
    classes: int = 3,
    convolution: Any = "3d",
    width: int = 16,
    depth: int = 3,
    normalization: str = "batch",
    name: str = "unet3d",
) -> keras.Model:
    """Builds a residual 3D U-Net for segmentation.

    Each of `depth` levels holds a residual block of two 3x3x3 convolutions
    on the way down and (but for the lowest) on the way up. The width doubles
    and the side halves from level to level; skips are added. The blocks'
    convolutions are what `convolution` replaces; the 3x3x3 stem, the strided
    steps down and the 1x1x1 layers stay as they are.

    Args:
        input_shape: `(depth, height, width, channels)`, each spatial size a
            multiple of `2 ** (depth - 1)` or `None`.
        classes: Number of classes, background included.
        convolution: Which convolutions the blocks are made of: `"3d"`,
            `"2d"` (1x3x3), `"p3d"` (1x3x3, then 3x1x1), a kernel set split
            evenly (a name such as `"1d2d3d"`, or a tuple; the set of all
            three planes is `("1x3x3", "3x1x3", "3x3x1")`, since `"2d"` names
            the single plane here), a `Configuration`, or a
            `SearchSpecification` (a network of search layers).
        width: Number of channels of the first level.
        depth: Number of levels.
        normalization: `"batch"` or `"instance"`.
        name: Name of the model.

    Returns:
        A functional model from images `(batch, depth, height, width,
        channels)` to float32 logits `(batch, depth, height, width,
        classes)`. Layer names follow `encoder{level}_conv{1,2}`,
        `bottom_conv{1,2}`, `decoder{level}_conv{1,2}`.

    Raises:
        ValueError: If an argument is not one of those listed.

    Example:

    >>> model = unet3d((16, 16, 16, 1), classes=3, width=4, depth=2)
    >>> model.output_shape
    (None, 16, 16, 16, 3)
    """
    _check(input_shape, width, depth, normalization)

    def build(apply):
        def normalize(x, name):
            return _normalize(x, normalization, name)

        def block(x, filters, name):
            y = apply(x, filters, 3, f"{name}_conv1")
            y = normalize(y, f"{name}_norm1")
            y = keras.layers.ReLU(name=f"{name}_relu1")(y)
            y = apply(y, filters, 3, f"{name}_conv2")
            y = normalize(y, f"{name}_norm2")
            y = keras.layers.Add(name=f"{name}_add")([x, y])
            return keras.layers.ReLU(name=f"{name}_relu2")(y)

        image = keras.Input(input_shape, name="image")
        x = apply_convolution(image, width, 3, "stem_conv")
        x = normalize(x, "stem_norm")
        x = keras.layers.ReLU(name="stem_relu")(x)

        # Down
        skips = []
        for level in range(depth - 1):
            x = block(x, width << level, f"encoder{level}")
            skips.append(x)
            x = _downsample(x, width << (level + 1), f"down{level + 1}")
            x = normalize(x, f"down{level + 1}_norm")
            x = keras.layers.ReLU(name=f"down{level + 1}_relu")(x)
        x = block(x, width << (depth - 1), "bottom")

        # Up
        for level in reversed(range(depth - 1)):
            x = apply_convolution(x, width << level, 1, f"up{level}_conv")
            x = keras.layers.UpSampling3D(2, name=f"up{level}")(x)
            x = keras.layers.Add(name=f"up{level}_add")([x, skips[level]])
            x = normalize(x, f"up{level}_norm")
            x = keras.layers.ReLU(name=f"up{level}_relu")(x)
            x = block(x, width << level, f"decoder{level}")

        # Logits in float32: a softmax over half precision loses classes.
        logits = keras.layers.Conv3D(
            classes, 1, dtype="float32", name="logits"
        )(x)
        return keras.Model(image, logits, name=name)

    return build_with(build, convolution)


def _normalize(x, normalization, name):
    if normalization == "instance":
        # One group per channel.
        return keras.layers.GroupNormalization(
            groups=-1, epsilon=1e-5, name=name
        )(x)
    # Keras' defaults (0.99, 1e-3) lag behind in runs of a few hundred steps.
    return keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=name
    )(x)


def _downsample(x, filters, name):
    return keras.layers.Conv3D(
        filters,
        2,
        strides=2,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


def _check(input_shape, width, depth, normalization):
    if not (isinstance(depth, int) and depth >= 1):
        raise ValueError(
            "`depth` is expected to be a positive number of levels. "
            f"Received: depth={depth}"
        )
    if not (isinstance(width, int) and width >= 1):
        raise ValueError(
            "`width` is expected to be a positive number of channels. "
            f"Received: width={width}"
        )
    if normalization not in NORMALIZATIONS:
        raise ValueError(
            f"`normalization` is expected to be one of {NORMALIZATIONS}. "
            f"Received: normalization={normalization!r}"
        )
    factor = 2 ** (depth - 1)
    if len(input_shape) != 4 or any(
        size is not None and (size <= 0 or size % factor)
        for size in input_shape[:3]
    ):
        raise ValueError(
            "`input_shape` is expected to be (depth, height, width, channels)"
            f" with spatial sizes that are multiples of {factor} (or None). "
            f"Received: input_shape={tuple(input_shape)}, depth={depth}"
        )
