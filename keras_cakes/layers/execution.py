"""How channels of different sub-kernels are computed.

Every function here keeps one promise: the result equals that of the full
kernel with each sub-kernel at its centre and zeros elsewhere, for every
stride, padding, dilation and data format. Only the time differs.
"""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from keras import ops

from keras_cakes.sub_kernels import SubKernel

# Convolution kernels of CPUs and GPUs compute output channels in blocks; a
# narrower convolution costs as much as a whole block.
_CHANNEL_BLOCK = 16
# What several narrow convolutions and the concatenation cost beyond their
# multiply-adds, against one wide convolution. Measured on two CPU cores.
_SEPARATE_OVERHEAD = 1.4


class Geometry(NamedTuple):
    """The arguments of a convolution that every sub-kernel shares."""

    kernel_size: tuple[int, int, int]
    strides: tuple[int, int, int]
    padding: str
    dilation_rate: tuple[int, int, int]
    data_format: str

    @property
    def channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def spatial(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The three spatial sizes of a batched input shape."""
        start = 1 if self.data_format == "channels_last" else 2
        return tuple(shape[start : start + 3])

    def convolve(self, inputs: Any, kernel: Any, padding: str = "") -> Any:
        """The full convolution of `inputs` with `kernel`."""
        return ops.conv(
            inputs,
            kernel,
            strides=list(self.strides),
            padding=padding or self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )


def embed(
    kernel: Any, sub_kernel: SubKernel, kernel_size: Sequence[int]
) -> Any:
    """Places a sub-kernel at the centre of a zero kernel of full size.

    Args:
        kernel: Weights of shape `(depth, height, width, in_channels,
            channels)` and size `sub_kernel`.
        sub_kernel: Size of `kernel`.
        kernel_size: The full size.

    Returns:
        Weights of shape `kernel_size + (in_channels, channels)`.
    """
    if tuple(sub_kernel) == tuple(kernel_size):
        return ops.convert_to_tensor(kernel)
    widths = [
        (offset, full - size - offset)
        for offset, size, full in zip(
            sub_kernel.offset_in(kernel_size),
            sub_kernel,
            kernel_size,
            strict=True,
        )
    ]
    return ops.pad(kernel, [*widths, (0, 0), (0, 0)])


def convolve_sub_kernel(
    inputs: Any, kernel: Any, sub_kernel: SubKernel, geometry: Geometry
) -> Any:
    """Convolves with a small kernel as if it were embedded in the full one.

    With `strides=2, padding="same"` the centre of a 1-wide kernel does not
    lie where a 1-wide convolution would sample, so the input is padded or
    cropped to bring it there.
    """
    if tuple(sub_kernel) == geometry.kernel_size:
        return geometry.convolve(inputs, kernel)
    margins = [
        _margins(size, full, offset, length, stride, dilation, geometry)
        for size, full, offset, length, stride, dilation in zip(
            sub_kernel,
            geometry.kernel_size,
            sub_kernel.offset_in(geometry.kernel_size),
            geometry.spatial(inputs.shape),
            geometry.strides,
            geometry.dilation_rate,
            strict=True,
        )
    ]
    known = [margin for margin in margins if margin is not None]
    if len(known) < len(margins):
        # The margin depends on a size that only the batch will tell.
        return geometry.convolve(
            inputs, embed(kernel, sub_kernel, geometry.kernel_size)
        )
    if geometry.padding == "same" and all(
        stride == 1 and margin == _same_margins(size, dilation)
        for stride, margin, size, dilation in zip(
            geometry.strides,
            margins,
            sub_kernel,
            geometry.dilation_rate,
            strict=True,
        )
    ):
        return geometry.convolve(inputs, kernel)
    inputs = _pad_or_crop(inputs, known, geometry.data_format)
    return geometry.convolve(inputs, kernel, padding="valid")


def _same_margins(size: int, dilation: int) -> tuple[int, int]:
    total = (size - 1) * dilation
    return total // 2, total - total // 2


def _margins(
    size: int,
    full: int,
    offset: int,
    length: int | None,
    stride: int,
    dilation: int,
    geometry: Geometry,
) -> tuple[int, int] | None:
    """Zeros to add (or, if negative, to crop) before and after one axis."""
    extent = (full - 1) * dilation
    if stride == 1:
        before, after = (
            _same_margins(full, dilation)
            if geometry.padding == "same"
            else (0, 0)
        )
        rest = (full - size - offset) * dilation
        return before - offset * dilation, after - rest
    if length is None:
        return None
    if geometry.padding == "same":
        outputs = -(-length // stride)
        before = max((outputs - 1) * stride + extent + 1 - length, 0) // 2
    else:
        outputs = (length - extent - 1) // stride + 1
        before = 0
    before -= offset * dilation
    needed = (outputs - 1) * stride + (size - 1) * dilation + 1
    return before, needed - length - before


def _pad_or_crop(
    inputs: Any, margins: Sequence[tuple[int, int]], data_format: str
) -> Any:
    window = [
        slice(max(-before, 0), -max(-after, 0) or None)
        for before, after in margins
    ]
    widths = [(max(before, 0), max(after, 0)) for before, after in margins]
    every = slice(None)
    if data_format == "channels_last":
        index = (every, *window, every)
        widths = [(0, 0), *widths, (0, 0)]
    else:
        index = (every, every, *window)
        widths = [(0, 0), (0, 0), *widths]
    inputs = inputs[index]
    return ops.pad(inputs, widths) if any(map(any, widths)) else inputs


def permute_channels(tensor: Any, order: Sequence[int], axis: int = -1) -> Any:
    """Reorders channels; `order[i]` is the source of channel `i`.

    The gradient of a permutation is its inverse. Left alone, a framework
    adds up a general scatter instead, which is far slower.
    """
    inverse = [0] * len(order)
    for position, source in enumerate(order):
        inverse[source] = position

    @ops.custom_gradient
    def permute(x):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return ops.take(upstream, inverse, axis=axis)

        return ops.take(x, list(order), axis=axis), gradient

    return permute(tensor)


def is_separate_faster(
    counts: Sequence[int],
    sub_kernels: Sequence[SubKernel],
    geometry: Geometry,
) -> bool:
    """Whether one convolution per sub-kernel beats one embedded kernel.

    A rule without measurement: channels are counted in whole blocks.
    """
    depth, height, width = geometry.kernel_size
    dense = depth * height * width * _blocks(sum(counts))
    separate = sum(
        kernel.taps * _blocks(count)
        for kernel, count in zip(sub_kernels, counts, strict=True)
    )
    overhead = _SEPARATE_OVERHEAD if len(counts) > 1 else 1.0
    return separate * overhead < dense


def _blocks(channels: int) -> int:
    return -(-channels // _CHANNEL_BLOCK)
