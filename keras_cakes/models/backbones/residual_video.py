"""A small residual network for clips of few pixels."""

from typing import Any

import keras

from keras_cakes._errors import three
from keras_cakes._errors import whole
from keras_cakes.models.backbones.convolution import apply_convolution
from keras_cakes.models.backbones.convolution import build_with
from keras_cakes.models.backbones.parts import check_head
from keras_cakes.models.backbones.parts import normalize
from keras_cakes.models.backbones.parts import video_head


def residual_video(
    input_shape: tuple[int | None, ...] = (16, 16, 16, 1),
    classes: int = 5,
    *,
    convolution: Any = "3d",
    width: int = 16,
    stages: int = 3,
    blocks: int = 1,
    dropout: float = 0.3,
    stem_kernel_size: int | tuple[int, ...] = (1, 3, 3),
    name: str = "residual_video",
) -> keras.Model:
    """Builds a residual network of basic blocks for clips.

    It serves where a ResNet-50 is too large: small frames, small data sets,
    embedded devices. Each stage halves the side and doubles the channels.
    As in `resnet50_video`, time is never strided nor pooled, and the output is
    the mean of each frame's logits: without kernels that span time, the order
    of the frames cannot matter.

    Args:
        input_shape: `(time, height, width, channels)`; sizes may be `None`.
        classes: Number of classes.
        convolution: The replaceable convolutions; see `unet3d`.
        width: Channels of the first stage.
        stages: Number of stages.
        blocks: Blocks in each stage, of two convolutions each.
        dropout: Share of the features that the head drops in training.
        stem_kernel_size: Size of the first convolution, or sizes of time,
            height and width.
        name: Name of the model.

    Returns:
        A functional model from clips `(batch, time, height, width,
        channels)` to float32 logits `(batch, classes)`. The layers that
        `convolution` replaces are named `stage{1-}_block{0-}_conv{1,2}`.

    Raises:
        ValueError: If `convolution` is not one of those listed, a number is
            not positive or a size not one of three axes.

    Reference:

    - [He et al., 2015](https://arxiv.org/abs/1512.03385), basic blocks

    Examples:
        >>> model = residual_video((8, 16, 16, 1), 5, width=4)
        >>> model.output_shape
        (None, 5)
    """
    check_head(classes, dropout)
    for argument, value in (
        ("width", width),
        ("stages", stages),
        ("blocks", blocks),
    ):
        whole(argument, value, least=1)
    three("stem_kernel_size", stem_kernel_size)

    def build(apply):
        clip = keras.Input(input_shape, name="clip")
        x = apply_convolution(clip, width, stem_kernel_size, "stem_conv")
        x = normalize(x, "batch", "stem_norm")
        x = keras.layers.ReLU(name="stem_relu")(x)
        for stage in range(stages):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = _block(
                    x,
                    width << stage,
                    (1, stride, stride),
                    f"stage{stage + 1}_block{block}",
                    apply,
                )
        return keras.Model(clip, video_head(x, classes, dropout), name=name)

    return build_with(build, convolution)


def _block(x, filters, strides, name, apply):
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = apply_convolution(x, filters, 1, f"{name}_shortcut", strides)
        shortcut = normalize(shortcut, "batch", f"{name}_shortcut_norm")
    y = apply(x, filters, 3, f"{name}_conv1", strides)
    y = normalize(y, "batch", f"{name}_norm1")
    y = keras.layers.ReLU(name=f"{name}_relu1")(y)
    y = apply(y, filters, 3, f"{name}_conv2")
    y = normalize(y, "batch", f"{name}_norm2")
    y = keras.layers.Add(name=f"{name}_add")([shortcut, y])
    return keras.layers.ReLU(name=f"{name}_relu2")(y)
