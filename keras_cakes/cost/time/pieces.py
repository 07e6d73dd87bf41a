"""Measures the pieces of a layer: convolutions and joins of their outputs."""

import json
import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes.cost.time.measurements import Measurements
from keras_cakes.cost.time.timing import phase_function
from keras_cakes.cost.time.timing import time_alternately
from keras_cakes.cost.tracing import Shape
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.plans.device import present_device
from keras_cakes.layers.plans.plan import Plan

# Times are measured at these numbers of channels and at all channels of the
# layer, and interpolated between them.
_CHANNELS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


class Pieces:
    """Measures single convolutions and the joining of their outputs.

    A piece is measured when it is first asked for.

    Args:
        layers: The `Conv3D` layers by name.
        shapes: The shape of the input of each layer, batch included.
        phase: `"inference"` or `"training"`.
        known: The measured times so far; new ones are added.
        repeats: Timed runs of each piece.
    """

    def __init__(
        self,
        layers: Mapping[str, Any],
        shapes: Mapping[str, Shape],
        phase: str,
        known: Measurements,
        repeats: int,
    ):
        self.layers = layers
        self.shapes = shapes
        self.phase = phase
        self._known = known
        self._repeats = repeats
        self._is_saved = True
        self._overhead = self._measure_overhead()

    def grid(self, name: str) -> list[int]:
        """Lists the numbers of channels at which a layer is measured."""
        filters = self.layers[name].filters
        return sorted({n for n in _CHANNELS if n < filters} | {filters})

    def box_ms(self, name: str, size: SubKernel, channels: int) -> float:
        """Returns the time of one convolution, interpolated if not measured."""
        grid = self.grid(name)
        if channels in grid:
            return self.piece_ms(name, size, channels)
        # Channels are computed in blocks; a partial one is slower per channel.
        device = present_device(self.phase)
        whole = min(-(-channels // device.block) * device.block, grid[-1])
        scale = device.width(channels) / device.width(whole)
        after = next(n for n in grid if n >= whole)
        if after == whole or after == grid[0]:
            return scale * self.piece_ms(name, size, after)
        before = max(n for n in grid if n < whole)
        low = self.piece_ms(name, size, before)
        high = self.piece_ms(name, size, after)
        share = (whole - before) / (after - before)
        return scale * (low + (high - low) * share)

    def plan_ms(
        self, name: str, plan: Plan, channels: Sequence[SubKernel]
    ) -> float:
        """Adds up the time of a layer with a plan.

        Args:
            name: Name of the layer.
            plan: The plan.
            channels: The sub-kernel of each output channel.
        """
        time = sum(
            self.box_ms(name, box.size, box.filters) for box in plan.boxes
        )
        if len(plan.boxes) > 1:
            # Reordering the slices takes about as long as joining them.
            places = plan.order(channels)
            passes = 1 if places == sorted(places) else 2
            time += passes * self.joining_ms(name, len(plan.boxes))
        merged = sum(
            box.size.taps * box.filters
            for box in plan.boxes
            if box.channels != ((box.size, box.filters),)
        )
        # Embedding sub-kernels in larger kernels, by the constants of the rule.
        layer = self.layers[name]
        taps = math.prod(layer.kernel_size) * layer.filters
        cost = present_device(self.phase).embed * merged / taps
        return time + cost * self.plain_ms(name) / self.positions(name)

    def positions(self, name: str) -> int:
        """Counts the output positions of one sample."""
        layer = self.layers[name]
        outputs = layer.compute_output_shape(self.shapes[name])
        return math.prod(outputs[1:]) // layer.filters

    def in_channels(self, name: str) -> int:
        """Counts the input channels that each filter of a layer reads."""
        layer = self.layers[name]
        return self.shapes[name][_channel_axis(layer)] // layer.groups

    def piece_ms(self, name: str, size: SubKernel, channels: int) -> float:
        """Returns the time of a convolution with filters of one size."""
        if (channels, *size) == (
            self.layers[name].filters,
            *self.layers[name].kernel_size,
        ):
            return self.plain_ms(name)
        layer, shape = self.layers[name], self.shapes[name]
        return self._measured(
            [str(size), channels, *_key(layer, shape)],
            lambda: CakesConv3D(
                channels,
                layer.kernel_size,
                sub_kernels=str(size),
                use_bias=False,
                **_geometry(layer),
            ),
            shape,
        )

    def plain_ms(self, name: str) -> float:
        """Returns the time of the plain layer, without its bias."""
        layer, shape = self.layers[name], self.shapes[name]
        return self._measured(
            ["Conv3D", layer.filters, *_key(layer, shape)],
            lambda: keras.layers.Conv3D(
                layer.filters,
                layer.kernel_size,
                use_bias=False,
                **_geometry(layer),
            ),
            shape,
        )

    def joining_ms(self, name: str, parts: int) -> float:
        """Returns the time to put the outputs of boxes side by side."""
        layer = self.layers[name]
        axis = _channel_axis(layer)
        whole = list(layer.compute_output_shape(self.shapes[name]))
        share, rest = divmod(layer.filters, parts)
        shapes = []
        for part in range(parts):
            whole[axis] = share + (part < rest)
            shapes.append(tuple(whole))
        return self._measured(
            ["Concatenate", axis, shapes],
            lambda: keras.layers.Concatenate(axis=axis),
            *shapes,
        )

    def _measured(self, key: list[Any], build: Any, *shapes: Shape) -> float:
        name = json.dumps([self.phase, *key], separators=(",", ":"))
        if name not in self._known.values:
            layer = build()
            layer.build(shapes[0] if len(shapes) == 1 else shapes)
            function = phase_function(layer, shapes, self.phase)
            timing = time_alternately({0: function}, repeats=self._repeats)[0]
            self._known.values[name] = timing.median_ms
            self._is_saved = False
        return max(self._known.values[name] - self._overhead, 0.0)

    def save(self) -> None:
        """Writes the times that were measured since the last call."""
        if not self._is_saved:
            self._known.save()
            self._is_saved = True

    def _measure_overhead(self) -> float:
        """Times a compiled function that does next to nothing."""
        layer = keras.layers.Identity()
        function = phase_function(layer, [(1, 1)], self.phase)
        return time_alternately({0: function}, repeats=20)[0].median_ms


def _geometry(layer: Any) -> dict[str, Any]:
    return {
        "strides": layer.strides,
        "padding": layer.padding,
        "data_format": layer.data_format,
        "dilation_rate": layer.dilation_rate,
        "groups": layer.groups,
        "dtype": layer.dtype_policy,
    }


def _key(layer: Any, shape: Shape) -> list[Any]:
    """Names all that sets the time of a layer but sub-kernel and device."""
    geometry = {**_geometry(layer), "dtype": layer.compute_dtype}
    return [shape, layer.kernel_size, *geometry.values()]


def _channel_axis(layer: Any) -> int:
    return -1 if layer.data_format == "channels_last" else 1
