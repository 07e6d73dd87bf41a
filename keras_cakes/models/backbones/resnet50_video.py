"""Builds ResNet-50 for clips, as in the paper's video networks."""

from collections.abc import Iterator
from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes.models.backbones.convolution import apply_convolution
from keras_cakes.models.backbones.convolution import build_with
from keras_cakes.models.backbones.parts import check_head
from keras_cakes.models.backbones.parts import normalize
from keras_cakes.models.backbones.parts import video_head

# Blocks and bottleneck channels of each stage.
_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
_EXPANSION = 4
# The layers of a block that may halve the side, one of them at a time.
_STRIDED = ("reduce", "mixed")
_UNSTRIDED = dict.fromkeys(_STRIDED, (1, 1, 1))


def resnet50_video(
    input_shape: tuple[int | None, ...] = (8, 224, 224, 3),
    classes: int = 174,
    *,
    convolution: Any = "3d",
    dropout: float = 0.3,
    strided: str = "mixed",
    name: str = "resnet50_video",
) -> keras.Model:
    """Builds the ResNet-50 for clips that the paper searches.

    The 3x3x3 convolution of each of the 16 bottleneck blocks is what
    `convolution` replaces; the stem (1x7x7), the 1x1x1 convolutions and the
    head stay as they are. Time is never strided nor pooled: each frame has
    logits of its own, whose mean is the output.

    Args:
        input_shape: `(time, height, width, channels)`; sizes may be `None`.
        classes: Number of classes.
        convolution: The replaceable convolutions; see `unet3d`. `"3d"`,
            `"2d"` and `"p3d"` are the paper's C3D, C2D and P3D, and
            `Configuration.presets` names those that the authors published.
        dropout: Share of the features that the head drops in training.
        strided: The layer of a stage's first block that halves the side:
            `"mixed"`, as in the paper and PyTorch's ResNet-50, or
            `"reduce"`, as in `keras.applications.ResNet50`, for a start from
            its weights (see `keras_cakes.inflate`).
        name: Name of the model.

    Returns:
        A functional model from clips `(batch, time, height, width,
        channels)` to float32 logits `(batch, classes)`. The layers that
        `convolution` replaces are named `stage{1-4}_block{0-5}_mixed`.

    Raises:
        ValueError: If `convolution` or `strided` is not one of those listed.

    Reference:

    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798), Table 3

    Examples:
        >>> model = resnet50_video((2, 32, 32, 3), classes=5)
        >>> model.output_shape
        (None, 5)
    """
    check_head(classes, dropout)
    choose("strided", strided, _STRIDED)

    def build(apply):
        clip = keras.Input(input_shape, name="clip")
        x = apply_convolution(
            clip,
            64,
            (1, 7, 7),
            "stem_conv",
            (1, 2, 2),
            kernel_initializer=_he_fan_out(),
        )
        x = normalize(x, "batch", "stem_norm")
        x = keras.layers.ReLU(name="stem_relu")(x)
        # Behind a ReLU no value is below zero, so zeros pad a maximum.
        x = keras.layers.ZeroPadding3D((0, 1, 1), name="stem_pool_pad")(x)
        x = keras.layers.MaxPooling3D((1, 3, 3), (1, 2, 2), name="stem_pool")(x)
        for stage, block, prefix in resnet50_blocks():
            stride = 2 if stage > 1 and block == 0 else 1
            strides = {**_UNSTRIDED, strided: (1, stride, stride)}
            filters = _STAGES[stage - 1][1]
            x = _bottleneck(x, filters, strides, prefix, apply)
        return keras.Model(clip, video_head(x, classes, dropout), name=name)

    return build_with(build, convolution)


def resnet50_blocks() -> Iterator[tuple[int, int, str]]:
    """Yields stage (from 1), block (from 0) and prefix of its layers."""
    for stage, (blocks, _) in enumerate(_STAGES, start=1):
        for block in range(blocks):
            yield stage, block, f"stage{stage}_block{block}"


def _bottleneck(x, filters, strides, name, apply):
    wide = _EXPANSION * filters
    shortcut = x
    if x.shape[-1] != wide:
        shortcut = _convolve(
            x, wide, 1, f"{name}_shortcut", max(strides.values())
        )
        shortcut = normalize(shortcut, "batch", f"{name}_shortcut_norm")
    y = _convolve(x, filters, 1, f"{name}_reduce", strides["reduce"])
    y = normalize(y, "batch", f"{name}_reduce_norm")
    y = keras.layers.ReLU(name=f"{name}_reduce_relu")(y)
    y = _convolve(y, filters, 3, f"{name}_mixed", strides["mixed"], apply)
    y = normalize(y, "batch", f"{name}_mixed_norm")
    y = keras.layers.ReLU(name=f"{name}_mixed_relu")(y)
    y = _convolve(y, wide, 1, f"{name}_expand")
    y = normalize(y, "batch", f"{name}_expand_norm")
    y = keras.layers.Add(name=f"{name}_add")([shortcut, y])
    return keras.layers.ReLU(name=f"{name}_relu")(y)


def _convolve(x, filters, size, name, strides=1, apply=apply_convolution):
    return apply(
        x, filters, size, name, strides, kernel_initializer=_he_fan_out()
    )


def _he_fan_out():
    return keras.initializers.VarianceScaling(
        scale=2.0, mode="fan_out", distribution="untruncated_normal"
    )
