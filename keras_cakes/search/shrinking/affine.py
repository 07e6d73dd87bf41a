"""Reads a layer as a matrix: what it computes at one position.

A convolution is `columns @ matrix + bias` there; the columns are the values of
its input channels under all taps.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.layers.cakes_conv3d import CakesConv3D

Array = np.ndarray


def is_affine(layer: Any) -> bool:
    """Tells whether a layer can be read as a matrix."""
    if isinstance(layer, keras.layers.Conv3DTranspose):
        # Each output then depends on one input position.
        return (
            tuple(layer.strides) == tuple(layer.kernel_size)
            and tuple(layer.dilation_rate) == (1, 1, 1)
            and layer.output_padding is None
        )
    return isinstance(layer, keras.layers.Conv3D | keras.layers.Dense)


class Affine:
    """Reads and writes the weights of a layer as a matrix.

    Outputs of a transposed convolution are its filters at each of its taps.

    Args:
        layer: A built layer that `is_affine` accepts.
    """

    def __init__(self, layer: Any):
        self.layer = layer
        self.is_dense = isinstance(layer, keras.layers.Dense)
        self.is_transposed = isinstance(layer, keras.layers.Conv3DTranspose)
        self.reads_one = self.is_dense or self.is_transposed
        self.bias = layer.bias if layer.use_bias else None
        self.channels_last = (
            self.is_dense or layer.data_format == "channels_last"
        )

    @property
    def taps(self) -> int:
        """Returns the number of taps that one output reads."""
        return 1 if self.reads_one else int(np.prod(self.layer.kernel_size))

    @property
    def columns_of_group(self) -> int:
        """Returns the number of values that one output reads."""
        return int(np.prod(self.kernel.shape[:2]))

    @property
    def kernel(self) -> Array:
        """Returns the weights, `(taps, channels / groups, outputs)`."""
        weights = ops.convert_to_numpy(self.layer.kernel).astype("float32")
        if self.is_transposed:
            # From (depth, height, width, filters, channels).
            channels_first = weights.transpose(4, 0, 1, 2, 3)
            return channels_first.reshape(1, weights.shape[4], -1)
        return weights.reshape(self.taps, *weights.shape[-2:])

    @kernel.setter
    def kernel(self, weights: Array) -> None:
        layer = self.layer
        if self.is_transposed:
            shape = tuple(layer.kernel.shape)
            weights = weights.reshape(shape[4], *shape[:4])
            layer.kernel.assign(weights.transpose(1, 2, 3, 4, 0))
        elif isinstance(layer, CakesConv3D):
            layer.assign_kernel(weights.reshape(layer.kernel.shape))
        else:
            layer.kernel.assign(weights.reshape(layer.kernel.shape))

    def groups(self) -> Iterator[tuple[slice, slice]]:
        """Yields the input channels and the outputs of each group."""
        count = getattr(self.layer, "groups", 1)
        _, channels, outputs = self.kernel.shape
        each = outputs // count
        for group in range(count):
            yield (
                slice(group * channels, (group + 1) * channels),
                slice(group * each, (group + 1) * each),
            )

    def used_taps(self) -> list[tuple[Array, Array]]:
        """Lists taps that outputs share, with those outputs, as indices."""
        if not isinstance(self.layer, CakesConv3D):
            return [(np.arange(self.taps), np.arange(self.kernel.shape[-1]))]
        channels = self.layer.channel_kernels
        return [
            (
                taps_of(sub_kernel, self.layer.kernel_size),
                np.array([own == sub_kernel for own in channels]).nonzero()[0],
            )
            for sub_kernel in self.layer.channel_counts
        ]

    def per_channel(self, outputs: Array) -> Array:
        """Averages values of outputs over the taps of a transposed layer."""
        if self.is_transposed:
            return outputs.reshape(-1, self.layer.filters).mean(axis=0)
        return outputs

    def to_array(self, feature_map: Any) -> Array:
        """Returns a feature map as an array whose channels come last."""
        array = ops.convert_to_numpy(feature_map)
        return array if self.channels_last else np.moveaxis(array, 1, -1)

    def at_positions(self, made: Array) -> Array:
        """Sums a map of the output's shape over the taps of one position."""
        if not self.is_transposed:
            return made
        sizes = [made.shape[0]]
        for size, stride in zip(
            made.shape[1:4], self.layer.strides, strict=True
        ):
            sizes += [size // stride, stride]
        return made.reshape(*sizes, -1).sum(axis=(2, 4, 6))

    def columns(self, inputs: Array, positions: Array) -> Array:
        """Gathers what the layer reads at output positions.

        Args:
            inputs: Input of the layer, channels last.
            positions: Integers `(count, 1 + spatial axes)`, sample first: of
                outputs, or of inputs if the layer is transposed.

        Returns:
            Array of shape `(count, taps, channels)`, as float32.
        """
        if self.reads_one:
            return inputs[tuple(positions.T)][:, None].astype("float32")
        layer = self.layer
        strides, rates = np.array(layer.strides), np.array(layer.dilation_rate)
        spans = (np.array(layer.kernel_size) - 1) * rates + 1
        sizes = np.array(inputs.shape[1:4])
        missing = np.zeros(3, int)
        if layer.padding == "same":
            steps = -(-sizes // strides) - 1
            missing = np.maximum(steps * strides + spans - sizes, 0)
        around = [(int(m // 2), int(m - m // 2)) for m in missing]
        padded = np.pad(inputs, [(0, 0), *around, (0, 0)])
        starts = positions[:, 1:] * strides
        places = (
            starts + np.array(tap) * rates
            for tap in np.ndindex(*layer.kernel_size)
        )
        samples = positions[:, 0]
        read = np.stack([padded[(samples, *p.T)] for p in places], axis=1)
        return read.astype("float32", copy=False)


def rows_of(taps: Array, channels: int) -> Array:
    """Returns the indices of the columns of taps, all their channels."""
    return (taps[:, None] * channels + np.arange(channels)).ravel()


def taps_of(sub_kernel: SubKernel, kernel_size: Sequence[int]) -> Array:
    """Returns the indices of the taps of a sub-kernel in the full kernel."""
    inside = np.zeros(tuple(kernel_size), bool)
    inside[sub_kernel.slices_in(kernel_size)] = True
    return inside.ravel().nonzero()[0]
