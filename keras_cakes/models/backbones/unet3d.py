"""Builds a small residual 3D U-Net."""

from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes._errors import three
from keras_cakes._errors import whole
from keras_cakes.models.backbones.convolution import apply_convolution
from keras_cakes.models.backbones.convolution import build_with
from keras_cakes.models.backbones.parts import NORMALIZATIONS
from keras_cakes.models.backbones.parts import check_volume
from keras_cakes.models.backbones.parts import normalize

# Steps between levels merge 2x2x2 voxels into one, or split one into 2x2x2.
_SIZE_STEP = {
    "kernel_size": 2,
    "strides": 2,
    "use_bias": False,
    "kernel_initializer": "he_normal",
}


def unet3d(
    input_shape: tuple[int | None, ...] = (48, 64, 48, 1),
    classes: int = 3,
    *,
    convolution: Any = "3d",
    width: int = 16,
    depth: int = 3,
    normalization: str = "batch",
    stem_kernel_size: int | tuple[int, ...] = 3,
    name: str = "unet3d",
) -> keras.Model:
    """Builds a residual 3D U-Net for segmentation.

    Each of `depth` levels holds a residual block of two 3x3x3 convolutions
    on the way down and (but for the lowest) on the way up. The width doubles
    and the side halves from level to level; skips are concatenated. The
    blocks' convolutions are what `convolution` replaces; the stem, the 2x2x2
    steps down and up and the 1x1x1 layers stay as they are.

    Args:
        input_shape: `(depth, height, width, channels)`, each spatial size a
            multiple of `2 ** (depth - 1)` or `None`.
        classes: Number of classes, background included.
        convolution: The replaceable convolutions: `"3d"`, `"2d"` (1x3x3),
            `"p3d"` (1x3x3, then 3x1x1), a kernel set split evenly (a name
            such as `"1d2d3d"`, or a tuple such as `("1x3x3", "3x1x3",
            "3x3x1")`; `"2d"` is a single plane here), a `Configuration`, or
            a `SearchSpecification` (a network of search layers).
        width: Number of channels of the first level.
        depth: Number of levels.
        normalization: `"batch"` (over all replicas where the model is built
            under a `tf.distribute` strategy of several) or `"instance"`.
        stem_kernel_size: Size of the first convolution, or three sizes. With
            1 only the blocks see neighbours, and their kernels matter more.
        name: Name of the model.

    Returns:
        A functional model from images `(batch, depth, height, width,
        channels)` to float32 logits `(batch, depth, height, width,
        classes)`. Layer names follow `encoder{level}_conv{1,2}`,
        `bottom_conv{1,2}`, `decoder{level}_conv{1,2}`.

    Raises:
        ValueError: If an argument is not one of those listed.

    Examples:
        >>> model = unet3d((16, 16, 16, 1), classes=3, width=4, depth=2)
        >>> model.output_shape
        (None, 16, 16, 16, 3)
    """
    for argument, value in (
        ("classes", classes),
        ("width", width),
        ("depth", depth),
    ):
        whole(argument, value, least=1)
    choose("normalization", normalization, NORMALIZATIONS)
    three("stem_kernel_size", stem_kernel_size)
    check_volume(input_shape, factor=2 ** (depth - 1))

    def build(apply):
        def activate(x, name, index=""):
            x = normalize(x, normalization, f"{name}_norm{index}")
            return keras.layers.ReLU(name=f"{name}_relu{index}")(x)

        def block(x, filters, name):
            y = apply(x, filters, 3, f"{name}_conv1")
            y = activate(y, name, 1)
            y = apply(y, filters, 3, f"{name}_conv2")
            y = normalize(y, normalization, f"{name}_norm2")
            if x.shape[-1] != filters:
                x = apply_convolution(x, filters, 1, f"{name}_shortcut")
                x = normalize(x, normalization, f"{name}_shortcut_norm")
            y = keras.layers.Add(name=f"{name}_add")([x, y])
            return keras.layers.ReLU(name=f"{name}_relu2")(y)

        image = keras.Input(input_shape, name="image")
        x = apply_convolution(image, width, stem_kernel_size, "stem_conv")
        x = activate(x, "stem")

        # Down
        skips = []
        for level in range(depth - 1):
            x = block(x, width << level, f"encoder{level}")
            skips.append(x)
            step = f"down{level + 1}"
            x = _halve(x, width << (level + 1), f"{step}_conv")
            x = activate(x, step)
        x = block(x, width << (depth - 1), "bottom")

        # Up
        for level in reversed(range(depth - 1)):
            step = f"up{level}"
            x = _double(x, width << level, f"{step}_conv")
            x = activate(x, step)
            x = keras.layers.Concatenate(name=f"{step}_concat")(
                [x, skips[level]]
            )
            x = block(x, width << level, f"decoder{level}")

        # Logits in float32: a softmax over half precision loses classes.
        logits = keras.layers.Conv3D(
            classes, 1, dtype="float32", name="logits"
        )(x)
        return keras.Model(image, logits, name=name)

    return build_with(build, convolution)


def _halve(x, filters, name):
    return keras.layers.Conv3D(filters, name=name, **_SIZE_STEP)(x)


def _double(x, filters, name):
    return keras.layers.Conv3DTranspose(filters, name=name, **_SIZE_STEP)(x)
