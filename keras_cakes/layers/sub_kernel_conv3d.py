"""Defines the base of the layers that are made of sub-kernels."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes._errors import three
from keras_cakes._errors import whole
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.layers.convolving import Geometry


class SubKernelConv3D(keras.layers.Conv3D):
    """Replaces the one kernel of `keras.layers.Conv3D` by sub-kernels.

    Constructor, checks and shapes are those of `keras.layers.Conv3D`.
    """

    @property
    def geometry(self) -> Geometry:
        """Returns kernel size, strides, padding, dilation and data format."""
        return Geometry(
            self.kernel_size,
            self.strides,
            self.padding,
            self.dilation_rate,
            self.data_format,
        )

    def _add_kernels(
        self,
        input_shape: Sequence[int | None],
        counts: Sequence[tuple[SubKernel, int]],
    ) -> list[Any]:
        """Adds one variable per sub-kernel, with its number of channels.

        Sets `in_channels`, the channels that a kernel reads, and `positions`,
        the places of a kernel in one input, `None` where sizes are unknown.

        Raises:
            ValueError: If the input does not fit the layer.
        """
        axis = self.geometry.channel_axis
        channels = input_shape[axis]
        if channels is None or channels % self.groups:
            raise ValueError(
                "The number of input channels is expected to be known and "
                f"divisible by `groups`. Received: groups={self.groups}, "
                f"input_shape={tuple(input_shape)} (layer {self.name!r})"
            )
        self.input_spec = keras.layers.InputSpec(
            min_ndim=self.rank + 2, axes={axis: channels}
        )
        # Refuses inputs smaller than the kernel before weights exist.
        sizes = list(self.compute_output_shape(input_shape))
        del sizes[axis], sizes[0]
        self.positions = None if None in sizes else math.prod(sizes)
        self.in_channels = channels // self.groups
        # Each kernel is a weight of its own, so that initializers see the
        # fan of the sub-kernel and not that of the full one.
        return [
            self.add_weight(
                name=f"kernel_{sub_kernel}",
                shape=(*sub_kernel, self.in_channels, count),
                initializer=_distinct(self.kernel_initializer, index),
                regularizer=self.kernel_regularizer,
                constraint=self.kernel_constraint,
            )
            for index, (sub_kernel, count) in enumerate(counts)
        ]

    def enable_lora(self, *args, **kwargs):
        raise ValueError(_LORA + f"layer {self.name!r}")

    # `Conv3D` stores one kernel and one bias; these layers store every
    # variable, as any other layer.
    def save_own_variables(self, store):
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        keras.layers.Layer.load_own_variables(self, store)


def check_arguments(filters: Any, kernel_size: Any, **others: Any) -> None:
    """Refuses arguments that Keras misreads or that need one dense kernel."""
    if others.get("lora_rank"):
        raise ValueError(_LORA + f"lora_rank={others['lora_rank']}")
    # Keras takes `True` for a size, and answers a word with a TypeError.
    whole("filters", filters, least=1)
    three("kernel_size", kernel_size)
    three("strides", others["strides"])
    three("dilation_rate", others["dilation_rate"])
    whole("groups", others["groups"], least=1)


_LORA = (
    "LoRA is expected on layers with one dense kernel, which a layer of "
    "sub-kernels does not have. Received: "
)


def _distinct(initializer: Any, index: int) -> Any:
    """Copies an initializer with a seed of its own.

    A Keras initializer returns the same numbers at each call, so kernels with
    equally many weights, such as 3x1x1 and 1x1x3, would start equal.
    """
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    if isinstance(config.get("seed"), int):
        config["seed"] += index
    return type(initializer).from_config(config)
