"""Measures a table of the time of sub-kernels, to search and derive with."""

import os
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes.cost.time.measurements import Measurements
from keras_cakes.cost.time.pieces import Pieces
from keras_cakes.cost.time.timing import check_measurement
from keras_cakes.cost.time.timing import describe_device
from keras_cakes.cost.time.timing import phase_function
from keras_cakes.cost.time.timing import restored
from keras_cakes.cost.time.timing import time_alternately
from keras_cakes.cost.tracing import Shape
from keras_cakes.cost.tracing import batch_shapes
from keras_cakes.cost.tracing import trace_batch
from keras_cakes.kernels.assignment import Assignment
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import kernel_set as resolve_kernel_set
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.plans.device import PHASES
from keras_cakes.layers.plans.rule import default_plan


class LatencyTable:
    """Measures the time of each sub-kernel in each layer of a network.

    The table measures boxes of channels, for several numbers of channels, at
    the sizes that the layers read. The time of a configuration is added up
    from the boxes in the predicted plans of its layers:

    `time of the plain network + scale * sum over layers of (time of the
    boxes - time of the plain layer)`

    A layer takes longer in a network than alone, where its input is still in
    the cache. `scale` corrects for this: the prediction for the network of
    the fastest sub-kernels equals the measured time of that network.

    Args:
        model: The functional model with plain `Conv3D` layers.
        layers: Names of the layers that may be replaced.
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        batch_shape: Shape of the model's input, batch included; by default
            one sample of the sizes that the model was built with.
        phase: `"inference"` or `"training"`, see `measure_latency`.
        file: Path of a small JSON file that keeps measured times, by device;
            tables of other networks may share it.
        repeats: Timed runs of each piece; the network is run twice as often.
        verbose: 1 to show the progress, 0 for silence.

    Raises:
        ValueError: If sizes are not known or `file` holds no latencies.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=1)
        >>> names = kc.replaceable_layers(model)
        >>> table = kc.cost.LatencyTable(
        ...     model, names, kernel_set="2d", repeats=2, verbose=0
        ... )
        >>> table.predict({}) == table.network_ms
        True
    """

    def __init__(
        self,
        model: keras.Model,
        layers: Sequence[str],
        *,
        kernel_set: Any = "1d2d3d",
        batch_shape: Any = None,
        phase: str = "inference",
        file: "str | os.PathLike[str] | None" = None,
        repeats: int = 7,
        verbose: int = 1,
    ):
        choose("phase", phase, PHASES)
        check_measurement((phase,), repeats)
        self.phase = phase
        self.kernel_set = kernel_set
        self.device = describe_device()
        self.scale = 1.0
        self._layers = {name: model.get_layer(name) for name in layers}
        for name in self._layers:
            self.sizes(name)
        self._pieces = Pieces(
            self._layers,
            _input_shapes(model, self._layers, batch_shape),
            phase,
            Measurements("latency", self.device, file),
            repeats,
        )
        progress = keras.utils.Progbar(
            len(self._layers) + 1, verbose=int(verbose)
        )
        self._plain = {}
        for number, name in enumerate(self._layers, start=1):
            self._plain[name] = self._pieces.plain_ms(name)
            for size in self.sizes(name):
                for channels in self._pieces.grid(name):
                    self._pieces.piece_ms(name, size, channels)
            self._pieces.save()
            progress.update(number)
        self.network_ms, self.scale = self._measure_network(
            model, batch_shape, 2 * repeats
        )
        progress.update(len(self._layers) + 1, finalize=True)

    def _measure_network(
        self, model: keras.Model, batch_shape: Any, repeats: int
    ) -> tuple[float, float]:
        """Times the plain network and the network of fastest sub-kernels.

        Returns:
            The milliseconds of the plain network, and the scale.
        """
        fastest = {}
        for name in self._layers:
            times = self.channel_ms(name)
            fastest[name] = str(self.sizes(name)[times.index(min(times))])

        def substitute(layer: Any) -> Any:
            config = layer.get_config()
            if layer.name not in fastest:
                return type(layer).from_config(config)
            kernel = fastest[layer.name]
            return CakesConv3D.from_config({**config, "sub_kernels": kernel})

        least = keras.models.clone_model(model, clone_function=substitute)
        shapes = batch_shapes(model, batch_shape)
        with restored(model.non_trainable_variables):
            plain, short = time_alternately(
                {
                    network: phase_function(network, shapes, self.phase)
                    for network in (model, least)
                },
                repeats=repeats,
            ).values()
        plain_ms = plain.median_ms
        saved = plain_ms * (1 - short.ratio_to(plain))
        expected = sum(
            self._plain[name] - self.layer_ms(name, kernel)
            for name, kernel in fastest.items()
        )
        # A scale can be measured only if sub-kernels save time.
        is_known = saved > 0 and expected > 0.02 * plain_ms
        return plain_ms, saved / expected if is_known else 1.0

    def sizes(self, name: str) -> tuple[SubKernel, ...]:
        """Lists the sub-kernels of a layer, in canonical order."""
        return resolve_kernel_set(
            self.kernel_set, self._layer(name).kernel_size
        )

    def _layer(self, name: str) -> Any:
        return self._layers[choose("name", name, tuple(self._layers))]

    def channel_ms(self, name: str) -> list[float]:
        """Returns the time of one channel of each sub-kernel.

        It is the share of one channel in a layer of that sub-kernel alone;
        sub-kernels are in canonical order.
        """
        filters = self._layer(name).filters
        return [
            self.scale
            * max(self._pieces.box_ms(name, size, filters), 1e-6)
            / filters
            for size in self.sizes(name)
        ]

    @property
    def fixed_ms(self) -> float:
        """Returns the time of the network outside the layers of the table."""
        searched = self.scale * sum(self._plain.values())
        return max(self.network_ms - searched, 0.0)

    def layer_ms(self, name: str, sub_kernels: Any) -> float:
        """Predicts the time of one layer alone, in milliseconds.

        Args:
            name: Name of the layer.
            sub_kernels: See `CakesConv3D`.
        """
        layer = self._layer(name)
        assignment = Assignment.resolve(
            sub_kernels, layer.filters, kernel_size=layer.kernel_size
        )
        channels = list(assignment.channel_kernels)
        plan = default_plan(
            channels,
            self._pieces.in_channels(name),
            positions=self._pieces.positions(name),
            phase=self.phase,
        )
        time = self._pieces.plan_ms(name, plan, channels)
        self._pieces.save()
        return time

    def predict(self, configuration: Mapping[str, Any]) -> float:
        """Predicts the time of a network, in milliseconds.

        Args:
            configuration: The sub-kernels of replaced layers; other layers
                stay plain.

        Raises:
            ValueError: If `configuration` names a layer that the table does
                not have.
        """
        unknown = sorted(set(configuration) - set(self._layers))
        if unknown:
            raise ValueError(
                "`configuration` is expected to name layers of the table, "
                f"{list(self._layers)}. Received: {unknown}"
            )
        return self.network_ms + self.scale * sum(
            self.layer_ms(name, sub_kernels) - self._plain[name]
            for name, sub_kernels in configuration.items()
        )


def _input_shapes(
    model: keras.Model, layers: Mapping[str, Any], batch_shape: Any
) -> dict[str, Shape]:
    """Finds the shape that each layer reads."""
    wanted = {id(layer): name for name, layer in layers.items()}
    return {
        wanted[id(call.layer)]: call.inputs[0]
        for call in trace_batch(model, batch_shape)
        if id(call.layer) in wanted
    }
