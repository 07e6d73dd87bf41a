"""Parameters, multiply-adds and measured time of a network."""

import dataclasses
import math
import statistics
import time
from collections.abc import Iterator
from typing import Any

import keras

from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)
_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """The cost of one layer.

    Args:
        name: Name of the layer.
        kind: Class of the layer.
        params: Weights, with the scale and offset of normalizations and
            without their moving statistics.
        macs: Multiply-adds for one sample; convolutions and dense layers.
    """

    name: str
    kind: str
    params: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of a network for one input sample; prints as a table."""

    per_layer: tuple[LayerCost, ...]

    @property
    def params(self) -> int:
        """Trained numbers: weights, scales and offsets."""
        return sum(row.params for row in self.per_layer)

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions and dense layers (forward)."""
        return sum(row.macs for row in self.per_layer)

    def of(self, names: Any) -> "Cost":
        """The part of the cost that layers of these names make up."""
        chosen = set(names)
        return Cost(tuple(r for r in self.per_layer if r.name in chosen))

    def to_dict(self) -> dict[str, Any]:
        """Totals and rows as plain JSON values."""
        return {
            "params": self.params,
            "macs": self.macs,
            "per_layer": [dataclasses.asdict(row) for row in self.per_layer],
        }

    def __str__(self) -> str:
        rows = [
            (row.name, row.kind, f"{row.params:,}", f"{row.macs:,}")
            for row in self.per_layer
        ]
        table = [("layer", "kind", "params", "MACs"), *rows]
        table.append(("total", "", f"{self.params:,}", f"{self.macs:,}"))
        widths = [max(len(line[i]) for line in table) for i in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  "
            f"{c:>{widths[2]}}  {d:>{widths[3]}}"
            for a, b, c, d in table
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def count_cost(model: keras.Model) -> Cost:
    """Counts parameters and multiply-adds of a network, layer by layer.

    One multiply-add per weight and output position, as in the paper's
    "FLOPs"; biases, normalization, activations and pooling are not counted.
    The cost is that of one sample. Nothing is run.

    A search network is counted as a whole: a cost-priority layer with all
    its candidates, a performance-priority layer with all that it stores but
    the multiply-adds of the one full kernel it runs.

    Args:
        model: A built Keras model with known spatial sizes.

    Returns:
        A `Cost` with `.params`, `.macs` and `.per_layer`.

    Raises:
        ValueError: If a size that the count needs is not known, or a layer
            is called more than once.

    Examples:
        >>> import keras
        >>> image = keras.Input((8, 8, 8, 2))
        >>> model = keras.Model(image, keras.layers.Conv3D(4, 3)(image))
        >>> count_cost(model).params, count_cost(model).macs
        (220, 46656)
    """
    return Cost(tuple(_layer_costs(model)))


def _layer_costs(model: keras.Model) -> Iterator[LayerCost]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layer_costs(layer)
            continue
        params = _count_params(layer)
        macs = _count_macs(layer)
        if params or macs:
            yield LayerCost(layer.name, type(layer).__name__, params, macs)


def _count_params(layer: Any) -> int:
    return sum(
        math.prod(variable.shape)
        for variable in layer.variables
        if "float" in variable.dtype
        and variable.name not in ("moving_mean", "moving_variance")
    )


def _count_macs(layer: Any) -> int:
    if isinstance(layer, keras.layers.Dense):
        kernel = math.prod(layer.kernel.shape)
        return kernel * math.prod(_known(layer, layer.input.shape[1:-1]))
    if isinstance(layer, _TRANSPOSED):
        # Each input position is multiplied with the whole kernel.
        return math.prod(layer.kernel.shape) * _positions(layer, layer.input)
    if not isinstance(layer, _CONVOLUTIONS):
        return 0
    if isinstance(layer, CakesConv3D):
        weights = sum(math.prod(k.shape) for k in layer.sub_kernel_weights)
    elif isinstance(layer, CakesSearchConv3D) and layer.priority == "cost":
        weights = sum(math.prod(k.shape) for k in layer.candidates)
    else:
        weights = math.prod(layer.kernel.shape)
    return weights * output_positions(layer)


def output_positions(layer: Any) -> int:
    """Number of output positions of a convolution, for one sample.

    Raises:
        ValueError: If a spatial size is not known.
    """
    return _positions(layer, layer.output)


def _positions(layer: Any, tensor: Any) -> int:
    shape = tensor.shape[1:]
    last = layer.data_format == "channels_last"
    return math.prod(_known(layer, shape[:-1] if last else shape[1:]))


def _known(layer: Any, sizes: Any) -> tuple[int, ...]:
    if None in sizes:
        raise ValueError(
            "Multiply-adds can be counted where spatial sizes are known; "
            "build the model with a full input shape. Received: layer "
            f"{layer.name!r} with sizes {tuple(sizes)}"
        )
    return tuple(sizes)


def measure_forward(
    model: keras.Model, batch_size: int = 1, repeats: int = 20
) -> dict[str, float]:
    """Measures the time of a compiled forward pass on the present device.

    Args:
        model: A built Keras model with known input sizes.
        batch_size: Samples per pass.
        repeats: Number of timed passes, after two that warm up.

    Returns:
        `median_ms`, `min_ms` and `max_ms`.
    """
    import tensorflow as tf

    forward = tf.function(
        lambda *inputs: model(
            inputs[0] if len(inputs) == 1 else list(inputs), training=False
        )
    )
    inputs = [
        tf.random.stateless_normal((batch_size, *tensor.shape[1:]), (0, 1))
        for tensor in model.inputs
    ]
    times = []
    for repeat in range(repeats + 2):
        start = time.perf_counter()
        tf.nest.map_structure(lambda t: t.numpy(), forward(*inputs))
        if repeat >= 2:
            times.append(1e3 * (time.perf_counter() - start))
    return {
        "median_ms": statistics.median(times),
        "min_ms": min(times),
        "max_ms": max(times),
    }
