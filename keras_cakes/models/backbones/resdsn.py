"""Builds a network in the manner of 3D ResDSN."""

from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes.models.backbones.convolution import apply_convolution
from keras_cakes.models.backbones.convolution import build_with
from keras_cakes.models.backbones.parts import NORMALIZATIONS
from keras_cakes.models.backbones.parts import check_volume
from keras_cakes.models.backbones.parts import normalize

_LEVELS = 4


def resdsn(
    input_shape: tuple[int | None, ...] = (96, 96, 96, 1),
    classes: int = 3,
    *,
    convolution: Any = "3d",
    width: int = 32,
    normalization: str = "batch",
    deep_supervision: bool = False,
    name: str = "resdsn",
) -> keras.Model:
    """Builds a network in the manner of 3D ResDSN.

    **Inferred, not published**: no definition of the layers was found that
    gives the cost that the paper prints for its second backbone (10.03 M
    parameters, 192.07 G). This regular network comes to 10.01 M and 191.2 G:
    four levels of 3x3x3 convolutions with normalization and ReLU, pooled on
    the way down, transposed convolutions and added skips on the way up.

    All 3x3x3 convolutions but the first and the last are what `convolution`
    replaces.

    Args:
        input_shape: `(depth, height, width, channels)`, each spatial size a
            multiple of 8 or `None`.
        classes: Number of classes, background included.
        convolution: The replaceable convolutions; see `unet3d`.
        width: Channels at full resolution; each level below has twice as
            many.
        normalization: `"batch"` or `"instance"`.
        deep_supervision: Whether to return the auxiliary logits of the two
            decoder levels below full resolution too, for training.
        name: Name of the model.

    Returns:
        A functional model from images `(batch, depth, height, width,
        channels)` to float32 logits `(batch, depth, height, width,
        classes)`; with `deep_supervision` a list of three, full resolution
        first, each enlarged to full resolution. The layers that
        `convolution` replaces are named `encoder{0-3}_conv{1,2}` and
        `decoder{0-3}_conv{1-3}`.

    Raises:
        ValueError: If an argument is not one of those listed.

    Reference:

    - [Zhu et al., 2018](https://arxiv.org/abs/1712.00201) (ResDSN)
    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798)

    Examples:
        >>> model = resdsn((16, 16, 16, 1), width=2)
        >>> model.output_shape
        (None, 16, 16, 16, 3)
    """
    whole("classes", classes, least=1)
    whole("width", width, least=1)
    choose("normalization", normalization, NORMALIZATIONS)
    check_volume(input_shape, factor=2 ** (_LEVELS - 1))

    def build(apply):
        def convolve(x, filters, name, apply=apply):
            x = apply(x, filters, 3, name)
            x = normalize(x, normalization, f"{name}_norm")
            return keras.layers.ReLU(name=f"{name}_relu")(x)

        image = keras.Input(input_shape, name="image")
        x, skips, auxiliary = image, [], []
        for level in range(_LEVELS):
            filters = width << level
            for number in (1, 2):
                # The first convolution stays as it is.
                is_stem = level == 0 and number == 1
                x = convolve(
                    x,
                    filters,
                    f"encoder{level}_conv{number}",
                    apply_convolution if is_stem else apply,
                )
            if level < _LEVELS - 1:
                skips.append(x)
                x = keras.layers.MaxPooling3D(2, name=f"encoder{level}_pool")(x)
        for level in reversed(range(1, _LEVELS)):
            filters = width << level
            for number, wide in ((1, filters), (2, filters), (3, filters // 2)):
                x = convolve(x, wide, f"decoder{level}_conv{number}")
            if deep_supervision and level < _LEVELS - 1:
                auxiliary.append(_logits(x, classes, level))
            x = _double(x, filters // 2, f"decoder{level}_up", normalization)
            skip = apply_convolution(
                skips[level - 1], filters // 2, 1, f"decoder{level}_skip"
            )
            x = keras.layers.Add(name=f"decoder{level}_add")([x, skip])
        for number in (1, 2, 3):
            # The last convolution stays as it is.
            x = convolve(
                x,
                width,
                f"decoder0_conv{number}",
                apply_convolution if number == 3 else apply,
            )
        outputs = [_logits(x, classes, 0), *reversed(auxiliary)]
        if not deep_supervision:
            outputs = outputs[0]
        return keras.Model(image, outputs, name=name)

    return build_with(build, convolution)


def _double(x, filters, name, normalization):
    x = keras.layers.Conv3DTranspose(
        filters,
        3,
        strides=2,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    x = normalize(x, normalization, f"{name}_norm")
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _logits(x, classes, level):
    # Logits in float32: a softmax over half precision loses classes.
    x = keras.layers.Conv3D(classes, 1, dtype="float32", name=f"logits{level}")(
        x
    )
    if level:
        x = keras.layers.UpSampling3D(2**level, name=f"logits{level}_up")(x)
    return x
