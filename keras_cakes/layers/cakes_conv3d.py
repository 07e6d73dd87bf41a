"""`CakesConv3D`: a `Conv3D` whose channels have kernels of several sizes."""

import keras
from keras import ops

from keras_cakes.assignment import Assignment
from keras_cakes.layers.execution import convolve_sub_kernel
from keras_cakes.layers.execution import embed
from keras_cakes.layers.execution import is_separate_faster
from keras_cakes.layers.execution import permute_channels
from keras_cakes.layers.sub_kernel_conv3d import SubKernelConv3D
from keras_cakes.sub_kernels import SubKernel


@keras.saving.register_keras_serializable(package="keras_cakes")
class CakesConv3D(SubKernelConv3D):
    """3D convolution whose output channels have sub-kernels of their own.

    Output channel `o` is made by a kernel of its own size, `Y_o = W'_o * X`
    (Eqs. 6 and 7 of the paper). The output equals that of a
    `keras.layers.Conv3D` whose kernel holds each channel's sub-kernel,
    centred, and zeros elsewhere; the zeros are neither stored nor trained.
    With `strides=2, padding="same"` this centre is not where a 1-wide
    `Conv3D` would sample: the embedded kernel is the definition.

    Besides `sub_kernels`, the layer takes every argument of
    `keras.layers.Conv3D` and behaves like it. `training` changes nothing.

    Args:
        filters: Integer, the number of output channels.
        kernel_size: Integer or three integers, the size of the full kernel,
            depth (or time) first.
        strides: Integer or three integers.
        padding: `"valid"` or `"same"`.
        sub_kernels: Which sub-kernel makes which channel. One of

            - a mapping of sub-kernel to number of channels that adds up to
              `filters`, such as `{"3x3x3": 16, "1x3x3": 48}`; the channels
              are sorted in canonical order (larger volume first);
            - the name of a kernel set (`"1d"`, `"2d"`, `"1d2d3d"`,
              `"video_1d2d"`, `"video_2d3d"`, `"video_1d2d3d"`), split evenly;
            - one sub-kernel, such as `"1x3x3"`, for every channel;
            - a sequence with the sub-kernel of each channel, kept in order;
            - a sequence of `(sub_kernel, count)` runs, kept in order.
        kernel_initializer: Initializer, applied to each sub-kernel with its
            own fan.
        **kwargs: The other arguments of `keras.layers.Conv3D`
            (`data_format`, `dilation_rate`, `groups`, `activation`,
            `use_bias`, initializers, regularizers, constraints, `name`,
            `dtype`, ...). Regularizers and constraints act on each
            sub-kernel.

    Input shape:
        With `data_format="channels_last"`: `(batch, depth, height, width,
        channels)`. With `"channels_first"`: `(batch, channels, depth,
        height, width)`.

    Output shape:
        That of `keras.layers.Conv3D` with the same arguments.

    Raises:
        ValueError: If the channels do not add up to `filters`, or a
            sub-kernel is larger than `kernel_size` or even in a dimension
            where it is not full.

    Reference:

    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798)

    Examples:
        >>> import numpy as np
        >>> x = np.zeros((2, 16, 16, 16, 8), "float32")
        >>> layer = CakesConv3D(
        ...     64, 3, padding="same", sub_kernels={"3x3x3": 16, "1x3x3": 48}
        ... )
        >>> layer(x).shape
        TensorShape([2, 16, 16, 16, 64])
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1, 1),
        padding="valid",
        sub_kernels="1d2d3d",
        **kwargs,
    ):
        super().__init__(
            filters, kernel_size, strides=strides, padding=padding, **kwargs
        )
        self.assignment = Assignment.resolve(
            sub_kernels, self.filters, self.kernel_size
        )

    def build(self, input_shape):
        in_channels = self._check_input(input_shape)
        self._counts = [
            (SubKernel.parse(name), count)
            for name, count in self.assignment.counts.items()
        ]
        self.sub_kernel_weights = self._add_kernels(in_channels, self._counts)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._order = _channel_order(self.assignment)
        # Sub-kernels that share one embedded kernel keep `groups` simple.
        self._separate = self.groups == 1 and is_separate_faster(
            [count for _, count in self._counts],
            [kernel for kernel, _ in self._counts],
            self.geometry,
        )
        self.built = True

    @property
    def kernel(self):
        """The full kernel: every sub-kernel centred, zeros elsewhere.

        A tensor of shape `kernel_size + (in_channels / groups, filters)`.
        """
        if not self.built:
            raise AttributeError(
                "The layer is expected to be built before `kernel` is read. "
                f"Received: layer {self.name!r}, not built"
            )
        embedded = [
            embed(weights, sub_kernel, self.kernel_size)
            for weights, (sub_kernel, _) in zip(
                self.sub_kernel_weights, self._counts, strict=True
            )
        ]
        return self._in_channel_order(ops.concatenate(embedded, axis=-1), -1)

    def call(self, inputs):
        if self._separate:
            parts = [
                convolve_sub_kernel(inputs, weights, sub_kernel, self.geometry)
                for weights, (sub_kernel, _) in zip(
                    self.sub_kernel_weights, self._counts, strict=True
                )
            ]
            axis = self.geometry.channel_axis
            outputs = self._in_channel_order(
                ops.concatenate(parts, axis=axis), axis
            )
        else:
            outputs = self.geometry.convolve(inputs, self.kernel)
        if self.bias is not None:
            shape = [1] * (self.rank + 2)
            shape[self.geometry.channel_axis] = self.filters
            outputs = ops.add(outputs, ops.reshape(self.bias, shape))
        if self.activation is not None:
            outputs = self.activation(outputs)
        return outputs

    def _in_channel_order(self, tensor, axis):
        if self._order is None:
            return tensor
        return permute_channels(tensor, self._order, axis)

    def get_config(self):
        return {
            **super().get_config(),
            "sub_kernels": self.assignment.to_list(),
        }


def _channel_order(assignment: Assignment) -> list[int] | None:
    """For each output channel, its place among the sorted channels."""
    if assignment.is_sorted:
        return None
    starts, position = {}, 0
    for name, count in assignment.counts.items():
        starts[name] = position
        position += count
    order = []
    for name in assignment.channels:
        order.append(starts[name])
        starts[name] += 1
    return order
