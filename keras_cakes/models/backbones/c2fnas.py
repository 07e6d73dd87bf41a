"""Builds the C2FNAS layout, as in the paper's networks for volumes."""

from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes.layers.upsampling import TrilinearUpSampling3D
from keras_cakes.models.backbones.convolution import apply_convolution
from keras_cakes.models.backbones.convolution import build_with
from keras_cakes.models.backbones.parts import NORMALIZATIONS
from keras_cakes.models.backbones.parts import check_volume
from keras_cakes.models.backbones.parts import normalize

# Cell, level (which gives side and width) and the cells that it reads: sides of
# a finer level are halved, of a coarser level doubled.
_CELLS = (
    ("encoder1", 1, ("stem",)),
    ("encoder2", 1, ("encoder1", "stem")),
    ("encoder3", 2, ("encoder2",)),
    ("encoder4", 2, ("encoder3",)),
    ("encoder5", 3, ("encoder4",)),
    ("encoder6", 4, ("encoder5",)),
    ("decoder1", 3, ("encoder6", "encoder5")),
    ("decoder2", 3, ("decoder1",)),
    ("decoder3", 2, ("decoder2", "encoder4")),
    ("decoder4", 1, ("decoder3", "encoder2")),
    ("decoder5", 1, ("decoder4",)),
    ("decoder6", 1, ("decoder5", "decoder4")),
)
_LEVELS = 4


def c2fnas(
    input_shape: tuple[int | None, ...] = (96, 96, 96, 1),
    classes: int = 3,
    *,
    convolution: Any = "3d",
    width: int = 32,
    normalization: str = "batch",
    name: str = "c2fnas",
) -> keras.Model:
    """Builds the network for volumes that the paper searches.

    Twelve cells on four levels below the stem. For each input, a cell has a
    step that brings it to the cell's level and width, and a 3x3x3 core; the
    cores are added and a 1x1x1 convolution follows. The 17 cores are what
    `convolution` replaces; stem and end (the first two and the last 3x3x3
    convolutions) and the steps stay as they are. Each convolution of a cell
    is preceded by a ReLU and followed by a normalization.

    Cells and widths follow C2FNAS. Choices that its text leaves open were made
    to match the paper's numbers of parameters and multiply-adds. To search or
    replace a network built with `"3d"`, choose the cores:
    `layers=lambda layer: "_core" in layer.name`.

    Args:
        input_shape: `(depth, height, width, channels)`, each spatial size a
            multiple of 16 or `None`.
        classes: Number of classes, background included.
        convolution: The replaceable convolutions; see `unet3d`.
        width: Channels of the stem at full resolution; level `l` has `width
            * 2 ** l`.
        normalization: `"batch"` (over all replicas where the model is built
            under a `tf.distribute` strategy of several) or `"instance"`.
        name: Name of the model.

    Returns:
        A functional model from images `(batch, depth, height, width,
        channels)` to float32 logits `(batch, depth, height, width,
        classes)`. The layers that `convolution` replaces are named
        `encoder{1-6}_core{1,2}` and `decoder{1-6}_core{1,2}`.

    Raises:
        ValueError: If an argument is not one of those listed.

    Reference:

    - [Yu et al., 2020](https://arxiv.org/abs/1912.09628) (C2FNAS)
    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798), Table 1

    Examples:
        >>> model = c2fnas((16, 16, 16, 1), width=2)
        >>> model.output_shape
        (None, 16, 16, 16, 3)
    """
    whole("classes", classes, least=1)
    whole("width", width, least=1)
    choose("normalization", normalization, NORMALIZATIONS)
    check_volume(input_shape, factor=2**_LEVELS)

    def build(apply):
        def convolve(x, filters, size, name, strides=1, by=apply_convolution):
            x = by(x, filters, size, name, strides)
            return normalize(x, normalization, f"{name}_norm")

        def step(x, filters, size, name, **arguments):
            """Applies ReLU, convolution and normalization."""
            x = keras.layers.ReLU(name=f"{name}_relu")(x)
            return convolve(x, filters, size, name, **arguments)

        image = keras.Input(input_shape, name="image")
        x = convolve(image, width, 3, "stem1_conv")
        x = keras.layers.ReLU(name="stem1_relu")(x)
        x = convolve(x, 2 * width, 3, "stem2_conv", 2)
        outputs = {"stem": keras.layers.ReLU(name="stem2_relu")(x)}
        levels = {"stem": 1}
        for cell, level, sources in _CELLS:
            filters = width << level
            cores = []
            for number, source in enumerate(sources, start=1):
                x = outputs[source]
                pre = f"{cell}_pre{number}"
                if levels[source] < level:
                    x = step(x, filters, 3, pre, strides=2)
                else:
                    if levels[source] > level:
                        x = TrilinearUpSampling3D(name=f"{pre}_up")(x)
                    x = step(x, filters, 1, pre)
                core = f"{cell}_core{number}"
                cores.append(step(x, filters, 3, core, by=apply))
            x = cores[0]
            if len(cores) > 1:
                x = keras.layers.Add(name=f"{cell}_add")(cores)
            outputs[cell] = step(x, filters, 1, f"{cell}_post")
            levels[cell] = level

        x = step(outputs["decoder6"], width, 3, "end1_conv")
        x = TrilinearUpSampling3D(name="end_up")(x)
        x = step(x, width, 3, "end2_conv")
        # Logits in float32: a softmax over half precision loses classes.
        logits = keras.layers.Conv3D(
            classes, 1, use_bias=False, dtype="float32", name="logits"
        )(x)
        return keras.Model(image, logits, name=name)

    return build_with(build, convolution)
