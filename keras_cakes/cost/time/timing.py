"""Measures the time of layers and networks."""

import contextlib
import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes._errors import expect
from keras_cakes._errors import whole
from keras_cakes.cost.tracing import batch_shapes
from keras_cakes.cost.tracing import trace_batch
from keras_cakes.layers.backends import expect_tensorflow
from keras_cakes.layers.plans.device import PHASES
from keras_cakes.layers.plans.device import processor


@dataclasses.dataclass(frozen=True)
class Timing:
    """Holds the times of repeated runs, in milliseconds."""

    times_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Returns the median."""
        return statistics.median(self.times_ms)

    @property
    def min_ms(self) -> float:
        """Returns the shortest time."""
        return min(self.times_ms)

    @property
    def max_ms(self) -> float:
        """Returns the longest time."""
        return max(self.times_ms)

    def __str__(self) -> str:
        return (
            f"{self.median_ms:.1f} ms ({self.min_ms:.1f} to {self.max_ms:.1f})"
        )

    def ratio_to(self, other: "Timing") -> float:
        """Returns the median ratio of runs that were made side by side."""
        pairs = zip(self.times_ms, other.times_ms, strict=True)
        return statistics.median(a / b for a, b in pairs)


def time_alternately(
    functions: Mapping[Any, Callable[[], Any]],
    *,
    repeats: int = 10,
    warm_up: int = 2,
) -> dict[Any, Timing]:
    """Times functions in turns, so that noise affects all of them alike.

    Args:
        functions: The functions, by name.
        repeats: Timed runs of each.
        warm_up: Runs of each before the timed ones.
    """
    import tensorflow as tf

    times: dict[Any, list[float]] = {name: [] for name in functions}
    for repeat in range(warm_up + repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            # Accelerators return before they have finished.
            tf.test.experimental.sync_devices()
            if repeat >= warm_up:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: Timing(tuple(values)) for name, values in times.items()}


def phase_function(
    layer: keras.Layer, batch_shapes: Sequence[Sequence[int]], phase: str
) -> Callable[[], Any]:
    """Compiles a pass of a layer or network over random inputs.

    Args:
        layer: A layer or model.
        batch_shapes: The shapes of its inputs, batch included.
        phase: `"inference"`: the forward pass. `"training"`: the forward
            pass and the gradients of half the sum of squares of the outputs,
            with respect to inputs and trained weights. No optimizer runs, so
            weights do not change.
    """
    expect_tensorflow("Measuring time")
    import tensorflow as tf

    def call(inputs, training):
        structure = inputs[0] if len(inputs) == 1 else inputs
        return layer(structure, training=training)

    @tf.function
    def infer(inputs):
        return call(inputs, False)

    @tf.function
    def train(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = keras.tree.flatten(call(inputs, True))
        return tape.gradient(
            outputs, [*inputs, *layer.trainable_variables], outputs
        )

    inputs = [
        tf.random.stateless_normal(shape, (index, 1))
        for index, shape in enumerate(batch_shapes)
    ]
    function = {"inference": infer, "training": train}[phase]
    traced = function.get_concrete_function(inputs)
    return lambda: traced(inputs)


@dataclasses.dataclass(frozen=True)
class Latency:
    """Holds the measured time of a layer or network.

    Prints as a table.

    Args:
        timings: For each phase the times of the whole.
        device: Processor, threads and software.
        per_layer: For each layer with weights, by name, its times with
            random inputs, measured alone; empty if not asked for. They need
            not add up to the whole.
    """

    timings: dict[str, Timing]
    device: str
    per_layer: dict[str, dict[str, Timing]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def inference(self) -> Timing:
        """Returns the times of the forward pass."""
        return self.timings["inference"]

    @property
    def training(self) -> Timing:
        """Returns the times of the forward and backward pass."""
        return self.timings["training"]

    def __str__(self) -> str:
        rows = {"total": self.timings, **self.per_layer}
        width = max(map(len, rows))
        lines = [self.device, " ".join(["".ljust(width), *self.timings])]
        for name, timings in rows.items():
            times = "; ".join(map(str, timings.values()))
            lines.append(f"{name.ljust(width)} {times}")
        return "\n".join(lines)


def measure_latency(
    model: keras.Layer,
    batch_shape: Any = None,
    *,
    phases: Sequence[str] = ("inference",),
    repeats: int = 20,
    per_layer: bool = False,
) -> Latency:
    """Measures the time of a layer or network on the present device.

    Args:
        model: A built layer or model.
        batch_shape: Shape of the input, batch included, or a list of shapes
            for several inputs. By default one sample of the sizes that the
            model was built with.
        phases: `"inference"`: the compiled forward pass. `"training"`: the
            forward pass and all gradients, without the optimizer. Weights
            and statistics are the same afterwards.
        repeats: Timed runs, after two that warm up.
        per_layer: True to measure each layer with weights on its own too.

    Returns:
        A `Latency`: for each phase a `Timing` with `median_ms`, `min_ms`
        and `max_ms`.

    Raises:
        ValueError: If sizes are not known.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=2)
        >>> kc.measure_latency(model, repeats=3).inference.median_ms > 0
        True
    """
    check_measurement(phases, repeats)
    if isinstance(model, keras.Model):
        shapes = batch_shapes(model, batch_shape)
    elif batch_shape is None:
        raise ValueError(
            "`batch_shape` is expected for a layer that is not a model. "
            f"Received: layer {model.name!r}"
        )
    else:
        shapes = [tuple(batch_shape)]
    rows = {}
    with restored(model.non_trainable_variables):
        timings = {
            phase: _time(model, shapes, phase, repeats) for phase in phases
        }
        for call in trace_batch(model, batch_shape) if per_layer else []:
            if call.layer.weights and call.name not in rows:
                rows[call.name] = {
                    phase: _time(call.layer, call.inputs, phase, repeats)
                    for phase in phases
                }
    return Latency(timings, describe_device(), rows)


def check_measurement(phases: Sequence[str], repeats: int) -> None:
    """Refuses unknown phases and a number of repeats below 1."""
    fits = isinstance(phases, list | tuple) and set(phases) <= set(PHASES)
    expect("phases", phases, fits and phases, f"to hold some of {PHASES}")
    whole("repeats", repeats, least=1)


@contextlib.contextmanager
def restored(variables: Sequence[Any]) -> Iterator[None]:
    """Restores the values of variables at the end, also after an error."""
    before = [keras.ops.copy(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def _time(layer: Any, shapes: Any, phase: str, repeats: int) -> Timing:
    function = phase_function(layer, shapes, phase)
    return time_alternately({0: function}, repeats=repeats)[0]


def describe_device() -> str:
    """Describes the processor, threads and software of a measurement."""
    import tensorflow as tf

    accelerators = tf.config.list_logical_devices("GPU")
    if accelerators:
        details = tf.config.experimental.get_device_details(
            tf.config.list_physical_devices("GPU")[0]
        )
        name = details.get("device_name", "GPU")
    else:
        name = f"{_processor()}, {_threads()} threads"
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default")
    return f"{name}, TensorFlow {tf.__version__}, oneDNN {onednn}"


def _threads() -> int:
    import tensorflow as tf

    chosen = tf.config.threading.get_intra_op_parallelism_threads()
    return chosen or len(os.sched_getaffinity(0))


def _processor() -> str:
    name, flags = processor()
    return " ".join([name, *[f for f in ("avx512f", "avx2") if f in flags][:1]])
