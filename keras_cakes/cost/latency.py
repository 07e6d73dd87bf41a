"""Time of sub-kernels, measured once: a table to search and derive with."""

import json
import math
import os
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes.assignment import Assignment
from keras_cakes.cost.inputs import split_batch
from keras_cakes.cost.inputs import symbolic_inputs
from keras_cakes.cost.timing import describe_device
from keras_cakes.cost.timing import measure_latency
from keras_cakes.cost.timing import phase_function
from keras_cakes.cost.timing import time_alternately
from keras_cakes.cost.tracing import Shape
from keras_cakes.cost.tracing import members
from keras_cakes.cost.tracing import trace_calls
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.planning import default_plan
from keras_cakes.measurements import Measurements
from keras_cakes.sub_kernels import SubKernel
from keras_cakes.sub_kernels import kernel_set as resolve_kernel_set

# Times are measured at these numbers of channels and those of the layer, and
# interpolated between them; fewer channels than a block cost a whole block.
_CHANNELS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_BLOCK = 8


class LatencyTable:
    """Measured time of each sub-kernel in each layer of a network.

    What a box of channels takes is measured for several numbers of channels
    at the size that the layer sees; a configuration's time is put together
    from that, by the plans that its layers would have:

    `time of the plain network + sum over layers of (time of the boxes
    - time of the plain layer)`

    Args:
        model: The functional model with plain `Conv3D` layers.
        layers: Names of the layers that may be replaced.
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        batch_shape: Shape of the model's input, batch included; by default
            one sample of the sizes that the model was built with.
        phase: `"inference"` or `"training"`, see `measure_latency`.
        file: Path of a small JSON file that remembers what was measured, by
            device, for other networks as well.
        repeats: Timed runs of each piece; the network takes twice as many.
        verbose: Whether to show the progress.

    Raises:
        ValueError: If sizes are not known or `file` holds something else.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=1)
        >>> names = kc.replaceable_layers(model)
        >>> table = kc.LatencyTable(model, names, "2d", repeats=2, verbose=0)
        >>> table.predict({}) == table.network_ms
        True
    """

    def __init__(
        self,
        model: keras.Model,
        layers: Sequence[str],
        kernel_set: Any = "1d2d3d",
        batch_shape: Any = None,
        phase: str = "inference",
        file: "str | os.PathLike[str] | None" = None,
        repeats: int = 7,
        verbose: int = 1,
    ):
        self.phase = phase
        self.kernel_set = kernel_set
        self.device = describe_device()
        self._repeats = repeats
        self._is_saved = True
        self._known = Measurements("latency", self.device, file)
        self._layers = {name: model.get_layer(name) for name in layers}
        self._shapes = _input_shapes(model, self._layers, batch_shape)
        progress = keras.utils.Progbar(
            len(self._layers) + 1, verbose=int(verbose)
        )
        self.network_ms = (
            measure_latency(model, batch_shape, (phase,), 2 * repeats)
            .timings[phase]
            .median_ms
        )
        self._overhead = self._measure_overhead()
        self._plain = {}
        for number, name in enumerate(self._layers, start=1):
            self._plain[name] = self._plain_ms(name)
            for size in self.sizes(name):
                for channels in self._grid(name):
                    self._piece_ms(name, size, channels)
            self._save()
            progress.update(number)
        progress.update(len(self._layers) + 1, finalize=True)

    def sizes(self, name: str) -> tuple[SubKernel, ...]:
        """The sub-kernels of a layer, in canonical order."""
        return resolve_kernel_set(
            self.kernel_set, self._layers[name].kernel_size
        )

    def channel_ms(self, name: str) -> list[float]:
        """What one channel of each sub-kernel takes, in canonical order.

        The share of a channel in a layer made of that sub-kernel alone.
        """
        filters = self._layers[name].filters
        return [
            max(self._box_ms(name, size, filters), 1e-6) / filters
            for size in self.sizes(name)
        ]

    @property
    def fixed_ms(self) -> float:
        """What the network takes outside the layers of the table."""
        return max(self.network_ms - sum(self._plain.values()), 0.0)

    def layer_ms(self, name: str, sub_kernels: Any) -> float:
        """Predicted time of one layer.

        Args:
            name: Name of the layer.
            sub_kernels: Anything that `CakesConv3D` takes.
        """
        layer = self._layers[name]
        assignment = Assignment.resolve(
            sub_kernels, layer.filters, layer.kernel_size
        )
        axis = _channel_axis(layer)
        shape = self._shapes[name]
        outputs = layer.compute_output_shape(shape)
        plan = default_plan(
            [SubKernel.parse(kernel) for kernel in assignment.channels],
            shape[axis] // layer.groups,
            math.prod(outputs[1:]) // outputs[axis],
            self.phase,
        )
        time = sum(
            self._box_ms(name, box.size, box.filters) for box in plan.boxes
        )
        if len(plan.boxes) > 1:
            time += self._joining_ms(name, len(plan.boxes))
        self._save()
        return time

    def predict(self, configuration: Mapping[str, Any]) -> float:
        """Predicted time of a network, in milliseconds.

        Args:
            configuration: The sub-kernels of replaced layers; layers that
                it does not name stay as they are.

        Raises:
            ValueError: If it names a layer that the table does not know.
        """
        unknown = sorted(set(configuration) - set(self._layers))
        if unknown:
            raise ValueError(
                "`configuration` is expected to name layers of the table, "
                f"{list(self._layers)}. Received: {unknown}"
            )
        return self.network_ms + sum(
            self.layer_ms(name, sub_kernels) - self._plain[name]
            for name, sub_kernels in configuration.items()
        )

    def _grid(self, name: str) -> list[int]:
        filters = self._layers[name].filters
        return sorted({n for n in _CHANNELS if n < filters} | {filters})

    def _box_ms(self, name: str, size: SubKernel, channels: int) -> float:
        """Time of one convolution, interpolated between measured ones."""
        grid = self._grid(name)
        whole = min(-(-channels // _BLOCK) * _BLOCK, grid[-1])
        after = next(n for n in grid if n >= whole)
        if after == whole or after == grid[0]:
            return self._piece_ms(name, size, after)
        before = max(n for n in grid if n < whole)
        low = self._piece_ms(name, size, before)
        high = self._piece_ms(name, size, after)
        return low + (high - low) * (whole - before) / (after - before)

    def _piece_ms(self, name: str, size: SubKernel, channels: int) -> float:
        layer, shape = self._layers[name], self._shapes[name]
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

    def _plain_ms(self, name: str) -> float:
        layer, shape = self._layers[name], self._shapes[name]
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

    def _joining_ms(self, name: str, parts: int) -> float:
        """Time to put the outputs of several boxes side by side."""
        layer = self._layers[name]
        axis = _channel_axis(layer)
        whole = list(layer.compute_output_shape(self._shapes[name]))
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
            timing = time_alternately({0: function}, self._repeats)[0]
            self._known.values[name] = timing.median_ms
            self._is_saved = False
        return max(self._known.values[name] - self._overhead, 0.0)

    def _save(self) -> None:
        if not self._is_saved:
            self._known.save()
            self._is_saved = True

    def _measure_overhead(self) -> float:
        """Time to call a compiled function that does next to nothing."""
        layer = keras.layers.Identity()
        function = phase_function(layer, [(1, 1)], self.phase)
        return time_alternately({0: function}, 20)[0].median_ms


def _input_shapes(
    model: keras.Model, layers: Mapping[str, Any], batch_shape: Any
) -> dict[str, Shape]:
    batch_size, sample = split_batch(batch_shape)
    inputs = symbolic_inputs(model, sample, batch_size)
    calls = trace_calls(model, inputs, lambda layer: not any(members(layer)))
    wanted = {id(layer): name for name, layer in layers.items()}
    return {
        wanted[id(call.layer)]: call.inputs[0]
        for call in calls
        if id(call.layer) in wanted
    }


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
    """What the time of a layer depends on, besides sub-kernel and device."""
    geometry = {**_geometry(layer), "dtype": layer.compute_dtype}
    return [shape, layer.kernel_size, *geometry.values()]


def _channel_axis(layer: Any) -> int:
    return -1 if layer.data_format == "channels_last" else 1
