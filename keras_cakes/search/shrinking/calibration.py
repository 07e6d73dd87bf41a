"""Runs a trained network on a few cases and samples what its layers compute."""

import dataclasses
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cakes._errors import shortened
from keras_cakes.models.rewriting.walk import Call
from keras_cakes.models.rewriting.walk import Maps
from keras_cakes.models.rewriting.walk import Walk
from keras_cakes.search.shrinking.affine import Affine
from keras_cakes.search.shrinking.affine import is_affine
from keras_cakes.search.shrinking.fisher import Output
from keras_cakes.search.shrinking.fisher import squared_gradients

# Share of the positions that are drawn where the answer depends on them; the
# others are drawn evenly.
_INFORMED = 0.5


@dataclasses.dataclass
class Sample:
    """Holds positions of one layer, and what the layer computes there.

    Args:
        positions: For each batch the positions, see `Affine.columns`.
        weights: For each batch the weights of the positions, as float32; all
            together add up to 1.
        information: The Fisher information of each output channel: the
            squared gradient of the log-likelihood, summed over the positions
            of a case.
        targets: For each batch what the trained layer computes there, without
            bias and activation, `(positions, outputs)`; set when it has run.
    """

    positions: list[np.ndarray]
    weights: list[np.ndarray]
    information: np.ndarray
    targets: list[np.ndarray] = dataclasses.field(default_factory=list)

    @property
    def count(self) -> int:
        """Returns the number of positions of all batches."""
        return sum(map(len, self.positions))


def read_batches(model: keras.Model, data: Any, cases: int) -> list[Any]:
    """Reads the inputs of a number of cases.

    Args:
        model: A functional Keras model.
        data: An array, or arrays in the structure of the model's inputs,
            sample first; otherwise batches: a `tf.data.Dataset` or an
            iterable of inputs or of `(inputs, targets, ...)`.
        cases: Batches are read until they hold this number of cases; the last
            one is cut.

    Returns:
        Arrays in the structure of the model's inputs, one batch after the
        other.

    Raises:
        ValueError: If there is no batch, a shape does not fit the model, or a
            value is not finite.
    """
    if hasattr(data, "shape") or isinstance(data, dict):
        batches = _cut(data)
    elif not hasattr(data, "__iter__"):
        raise ValueError(
            "`data` is expected to be arrays or an iterable of batches. "
            f"Received: data={shortened(data)}"
        )
    else:
        batches = iter(data)
    read: list[Any] = []
    count = 0
    while count < cases and (batch := next(batches, None)) is not None:
        inputs = batch[0] if isinstance(batch, tuple) else batch
        arrays = _checked(model, inputs, len(read))
        size = len(arrays[0])
        arrays = [array[: cases - count] for array in arrays]
        read.append(keras.tree.pack_sequence_as(model.input, arrays))
        count += size
    if not read:
        raise ValueError(
            "`data` is expected to hold at least one batch. "
            f"Received: data={shortened(data)}"
        )
    varies = [
        any(np.ptp(a) > 0 for a in arrays)
        for arrays in zip(*map(keras.tree.flatten, read), strict=True)
    ]
    if not any(varies):
        raise ValueError(
            "`data` is expected to be inputs that vary, as those that the "
            "model was trained with. Received: constant inputs"
        )
    return read


def _cut(data: Any) -> Iterator[Any]:
    """Cuts arrays into batches of two cases."""
    count = len(keras.tree.flatten(data)[0])
    for start in range(0, count, 2):
        yield keras.tree.map_structure(
            lambda array, start=start: array[start : start + 2], data
        )


def _checked(model: keras.Model, inputs: Any, index: int) -> list[np.ndarray]:
    """Returns the arrays of a batch in the order of the model's inputs."""
    expected = keras.tree.flatten(model.input)
    if isinstance(model.input, dict) and isinstance(inputs, dict):
        inputs = {name: inputs.get(name) for name in model.input}
    arrays = [
        ops.convert_to_numpy(array)
        for array in keras.tree.flatten(inputs)
        if array is not None
    ]
    shapes = [tuple(tensor.shape) for tensor in expected]
    fits = len(arrays) == len(shapes) and all(
        array.ndim == len(shape)
        and all(
            known in (None, size)
            for known, size in zip(shape, array.shape, strict=True)
        )
        for array, shape in zip(arrays, shapes, strict=True)
    )
    if not fits:
        raise ValueError(
            "`data` is expected to hold batches of the model's inputs, of "
            f"shape {shapes}. Received: batch {index} of shape "
            f"{[array.shape for array in arrays]}"
        )
    for array in arrays:
        if not np.isfinite(array).all():
            raise ValueError(
                "`data` is expected to hold finite numbers. Received: batch "
                f"{index} with {np.count_nonzero(~np.isfinite(array))} of "
                f"{array.size} values not finite"
            )
    return arrays


def fitted_calls(walk: Walk) -> dict[str, Call]:
    """Lists the calls of layers whose weights are fitted, by layer.

    They are the convolutions and dense layers that are called once.
    """
    names = [call.name for call in walk.calls]
    return {
        call.name: call
        for call in walk.calls
        if is_affine(call.layer) and names.count(call.name) == 1
    }


def draw_samples(
    walk: Walk,
    batches: Sequence[Any],
    outputs: Sequence[Output],
    *,
    positions: int,
    generator: Any,
) -> dict[str, Sample]:
    """Draws positions of every layer, in proportion to their information.

    Half of them are drawn evenly. A layer of fewer positions has them all,
    weighted as they would have been drawn.

    Args:
        walk: The calls of the trained network.
        batches: See `read_batches`.
        outputs: See `outputs_of`.
        positions: The number of positions of each layer, over all batches. A
            layer of many columns has twice as many as it has columns.
        generator: A generator of NumPy.
    """
    layers = {
        name: Affine(call.layer) for name, call in fitted_calls(walk).items()
    }
    samples = {name: Sample([], [], np.zeros(())) for name in layers}
    cases = sum(len(keras.tree.flatten(batch)[0]) for batch in batches)
    for batch in batches:
        squares = squared_gradients(
            walk, batch, outputs, names=set(layers), generator=generator
        )
        share = len(keras.tree.flatten(batch)[0]) / cases
        for name, layer in layers.items():
            count = positions_of(layer, positions)
            places = layer.at_positions(layer.to_array(squares.pop(name)))
            channels = places.reshape(-1, places.shape[-1])
            sums = channels.sum(axis=0, dtype="float64")
            drawn, weights = _draw(
                channels @ (1 / np.maximum(sums, 1e-30)),
                places.shape[:-1],
                max(1, round(count * share)),
                generator,
            )
            samples[name].positions.append(drawn)
            samples[name].weights.append((weights * share).astype("float32"))
            samples[name].information = samples[name].information + sums / cases
    return samples


def positions_of(layer: Affine, positions: int) -> int:
    """Returns the number of positions of a layer; see `draw_samples`."""
    return max(positions, 2 * layer.columns_of_group)


def _draw(
    informed: np.ndarray, sizes: Sequence[int], count: int, generator: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Draws positions, some evenly and some in proportion to a number.

    Returns:
        Positions, `(count, axes)`, and their weights, which add up to 1.
    """
    share = _INFORMED if informed.any() else 0.0
    if informed.size <= count:
        flat = np.arange(informed.size)
        weights = np.full(informed.size, (1 - share) / informed.size)
        if share:
            weights += share * informed / informed.sum(dtype="float64")
    else:
        chosen = round(count * share)
        even = generator.integers(0, informed.size, count - chosen)
        edges = np.cumsum(informed, dtype="float64")
        drawn = np.searchsorted(edges, generator.uniform(0, edges[-1], chosen))
        flat = np.concatenate([even, np.minimum(drawn, informed.size - 1)])
        weights = np.full(count, 1 / count)
    return np.stack(np.unravel_index(flat, sizes), axis=1), weights


def run_calls(
    walk: Walk, batches: Sequence[Any], verbose: int
) -> Iterator[tuple[Call, list[Maps]]]:
    """Runs a network on all batches, call by call.

    Yields:
        Each call before it runs, and the feature maps of each batch.
    """
    everything = [
        walk.start(keras.tree.map_structure(ops.convert_to_tensor, batch))
        for batch in batches
    ]
    bar = keras.utils.Progbar(
        len(walk.calls), verbose=verbose, unit_name="layer"
    )
    for call in walk.calls:
        yield call, everything
        for maps in everything:
            walk.step(call, maps)
        bar.add(1)


def columns_of(
    layer: Affine, call: Call, maps: Sequence[Maps], sample: Sample
) -> Iterator[np.ndarray]:
    """Yields what a layer reads at the positions of its sample."""
    for each, positions in zip(maps, sample.positions, strict=True):
        yield layer.columns(layer.to_array(each[call.input]), positions)
