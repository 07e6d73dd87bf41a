"""Convolves with sub-kernels as if they were embedded in the full kernel.

For every stride, padding, dilation and data format, each result equals the
result of the full kernel with the sub-kernel at its centre and zeros
elsewhere. Only the time differs.
"""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from keras import ops

from keras_cakes.kernels.sub_kernels import SubKernel


class Geometry(NamedTuple):
    """Holds the arguments of a convolution that all sub-kernels share."""

    kernel_size: tuple[int, int, int]
    strides: tuple[int, int, int]
    padding: str
    dilation_rate: tuple[int, int, int]
    data_format: str

    @property
    def channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def spatial(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the three spatial sizes of a batched input shape."""
        start = 1 if self.data_format == "channels_last" else 2
        return tuple(shape[start : start + 3])

    def convolve(
        self,
        inputs: Any,
        kernel: Any,
        *,
        padding: str = "",
        form: str = "conv3d",
    ) -> Any:
        """Convolves `inputs` with `kernel`.

        Args:
            inputs: A batched feature map.
            kernel: Weights of shape `(depth, height, width, in, out)`.
            padding: `"valid"` or `"same"`; by default the layer's.
            form: `"conv2d"` runs a flat kernel in 2D, where sizes and data
                format allow it.
        """
        padding = padding or self.padding
        if form == "conv2d" and self._can_fold(inputs.shape, kernel.shape):
            return self._convolve_folded(inputs, kernel, padding)
        return ops.conv(
            inputs,
            kernel,
            strides=list(self.strides),
            padding=padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )

    def _can_fold(
        self, shape: Sequence[int | None], kernel: Sequence[int]
    ) -> bool:
        # Without strides the folded axes keep their sizes. TensorFlow has no
        # gradient of dilated 2D convolutions on a CPU.
        return (
            self.data_format == "channels_last"
            and None not in shape[1:4]
            and (kernel[0] == 1 or kernel[1] == kernel[2] == 1)
            and self.strides == self.dilation_rate == (1, 1, 1)
        )

    def _convolve_folded(self, inputs: Any, kernel: Any, padding: str) -> Any:
        """Folds frames into the batch, or height and width into one axis."""
        _, depth, height, width, channels = inputs.shape
        by_frame = kernel.shape[0] == 1
        outputs = ops.conv(
            ops.reshape(
                inputs,
                (-1, height, width, channels)
                if by_frame
                else (-1, depth, height * width, channels),
            ),
            kernel[0] if by_frame else kernel[:, :, 0],
            padding=padding,
            data_format="channels_last",
        )
        if by_frame:
            height, width = outputs.shape[1:3]
        else:
            depth = outputs.shape[1]
        return ops.reshape(
            outputs, (-1, depth, height, width, kernel.shape[-1])
        )


def embed(
    kernel: Any, sub_kernel: SubKernel, *, kernel_size: Sequence[int]
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
    inputs: Any,
    kernel: Any,
    *,
    sub_kernel: SubKernel,
    geometry: Geometry,
    form: str = "conv3d",
) -> Any:
    """Convolves with a small kernel as if it were embedded in the full one.

    With `strides=2, padding="same"` a convolution of size 1 samples beside the
    centre of the full kernel. The input is then padded or cropped to move
    the samples to the centre.
    """
    if tuple(sub_kernel) == geometry.kernel_size:
        return geometry.convolve(inputs, kernel, form=form)
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
        # A margin depends on a size that is unknown before the batch comes.
        return geometry.convolve(
            inputs,
            embed(kernel, sub_kernel, kernel_size=geometry.kernel_size),
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
        return geometry.convolve(inputs, kernel, form=form)
    inputs = _pad_or_crop(inputs, known, geometry.data_format)
    return geometry.convolve(inputs, kernel, padding="valid", form=form)


def _same_margins(size: int, dilation: int) -> tuple[int, int]:
    """Returns the zeros that `"same"` adds before and after, unstrided."""
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
    """Returns the zeros to add before and after one axis; negative: crop."""
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
    """Adds zeros where a margin is positive, and crops where negative."""
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
