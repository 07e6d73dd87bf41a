"""Measures a trained network on a few cases, to price its sub-kernels."""

import collections
import warnings
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cakes._errors import choose as one_of
from keras_cakes._errors import whole
from keras_cakes.cost.time.latency_table import LatencyTable
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import kernel_set as resolve_kernel_set
from keras_cakes.models.rewriting.graph import Graph
from keras_cakes.models.rewriting.graph import as_functional
from keras_cakes.models.rewriting.replace import replaceable_layers
from keras_cakes.models.rewriting.walk import Walk
from keras_cakes.search.channel_costs import count_channel_costs
from keras_cakes.search.shrinking.affine import Affine
from keras_cakes.search.shrinking.affine import is_affine
from keras_cakes.search.shrinking.calibration import Sample
from keras_cakes.search.shrinking.calibration import columns_of
from keras_cakes.search.shrinking.calibration import draw_samples
from keras_cakes.search.shrinking.calibration import fitted_calls
from keras_cakes.search.shrinking.calibration import read_batches
from keras_cakes.search.shrinking.calibration import run_calls
from keras_cakes.search.shrinking.fisher import DISTRIBUTIONS
from keras_cakes.search.shrinking.fisher import outputs_of
from keras_cakes.search.shrinking.fitting import normalization_behind
from keras_cakes.search.shrinking.forecast import forecast
from keras_cakes.search.shrinking.least_squares import moments_of
from keras_cakes.search.shrinking.pricing import PricedLayer
from keras_cakes.search.shrinking.pricing import price_layer
from keras_cakes.search.shrinking.reconstruction import Reconstruction

# Keeps small moments from being inverted.
_RIDGE = 1e-4


def reconstruct(
    model: keras.Model,
    data: Any,
    *,
    kernel_set: Any = "0d1d2d3d",
    layers: Any = None,
    cost: Any = None,
    output: str | None = None,
    cases: int = 16,
    positions: int = 24_000,
    seed: int = 0,
    verbose: int = 1,
) -> Reconstruction:
    """Prices every sub-kernel of a trained network.

    A channel's price of a sub-kernel is what the network's answer changes if
    the channel has it: the error that the best weights on its taps leave,
    times the Fisher information of the channel. No label is needed. Memory and
    time are logged before the work starts, at level `INFO`.

    Args:
        model: A trained functional Keras model; it stays as it is.
        data: Inputs as in training, a few cases: an array, or arrays in the
            structure of the model's inputs, sample first; otherwise batches,
            such as a `tf.data.Dataset` of inputs or of `(inputs, targets)`.
        kernel_set: Name of a kernel set or a sequence of sub-kernels. The
            default has the seven of the paper and `1x1x1`.
        layers: See `replaceable_layers`.
        cost: `"latency"` or a `keras_cakes.cost.LatencyTable` for budgets of
            measured time.
        output: What the outputs describe: `"softmax"` or `"sigmoid"` (classes,
            as logits or as probabilities) or `"normal"` (a regression).
            `None` reads it from the last activation, then from the compiled
            loss; without both, an output of one channel is a regression and
            one of several channels holds logits of a softmax.
        cases: Integer, the number of cases that are read from `data`.
        positions: Integer, the number of positions of each layer that weights
            are fitted to.
        seed: Integer, start of the random draws.
        verbose: 0 for silence, 1 for progress bars, 2 for bars without motion.

    Returns:
        A `Reconstruction`: prices, choices within budgets, fitted networks.

    Raises:
        ValueError: If an argument is not valid, `model` has nothing to
            replace, or `data` does not fit it, is not finite or is constant.
        MemoryError: If more memory is needed than is free.

    Warns:
        UserWarning: If `model` seems to be untrained, or a layer is called
            more than once and therefore stays as it is.
    """
    whole("cases", cases, least=1)
    whole("positions", positions, least=1)
    whole("seed", seed, least=0)
    one_of("verbose", verbose, (0, 1, 2))
    if output is not None:
        one_of("output", output, DISTRIBUTIONS)
    if isinstance(cost, str):
        one_of("cost", cost, ("latency",))
    model = as_functional(model)
    walk = Walk(model)
    names = _called_once(walk, replaceable_layers(model, layers))
    candidates = {
        name: resolve_kernel_set(kernel_set, model.get_layer(name).kernel_size)
        for name in names
    }
    batches = read_batches(model, data, cases)
    _warn_if_untrained(model)
    forecast(model, walk, batches, positions)
    samples = draw_samples(
        walk,
        batches,
        outputs_of(model, walk, output),
        positions=positions,
        generator=np.random.default_rng(seed),
    )
    priced = _run(model, walk, batches, samples, candidates, verbose)
    if isinstance(cost, str):
        cost = LatencyTable(model, names, kernel_set=kernel_set)
    channel_costs, fixed_cost = count_channel_costs(model, candidates, cost)
    return Reconstruction(
        model,
        [priced[name] for name in names],
        batches=batches,
        samples=samples,
        channel_costs=channel_costs,
        fixed_cost=fixed_cost,
        verbose=verbose,
    )


def _called_once(walk: Walk, names: Sequence[str]) -> tuple[str, ...]:
    """Leaves out layers that are called more than once, and says so."""
    calls = fitted_calls(walk)
    shared = [name for name in names if name not in calls]
    if len(shared) == len(names):
        raise ValueError(
            "A layer to shrink is expected to be called once. Received: "
            f"layers {shared}, which are called more than once"
        )
    if shared:
        warnings.warn(
            f"Layers {shared} stay as they are: a layer to shrink is expected "
            "to be called once, and they are called more than once.",
            stacklevel=3,
        )
    return tuple(name for name in names if name in calls)


def _warn_if_untrained(model: keras.Model) -> None:
    """Warns if statistics or biases still have their first values."""
    states = [
        value
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for value in (layer.moving_mean, layer.moving_variance - 1)
    ] or [
        Affine(layer).bias
        for layer in model.layers
        if is_affine(layer) and layer.use_bias
    ]
    if states and not any(ops.convert_to_numpy(s).any() for s in states):
        warnings.warn(
            "`model` is expected to be trained: what is kept of its answers "
            "is worth no more than they are. Received: model "
            f"{model.name!r}, whose statistics and biases have their first "
            "values",
            stacklevel=3,
        )


def _run(
    model: keras.Model,
    walk: Walk,
    batches: Sequence[Any],
    samples: Mapping[str, Sample],
    candidates: Mapping[str, tuple[SubKernel, ...]],
    verbose: int,
) -> dict[str, PricedLayer]:
    """Records what each layer computes, and prices the candidates."""
    graph = Graph(model)
    calls = fitted_calls(walk)
    priced = {}
    for call, maps in run_calls(walk, batches, verbose):
        if calls.get(call.name) is not call:
            continue
        layer, sample = Affine(call.layer), samples[call.name]
        kernel = layer.kernel
        blocks = _with_targets(
            layer, kernel, columns_of(layer, call, maps, sample), sample
        )
        if call.name not in candidates:
            collections.deque(blocks, maxlen=0)
            continue
        moments = moments_of(
            layer,
            blocks,
            towards=kernel,
            count=sample.count,
            ridge=_RIDGE,
            centred=layer.bias is not None
            or normalization_behind(graph, layer) is not None,
        )
        priced[call.name] = price_layer(
            call.name,
            call.layer.kernel_size,
            candidates[call.name],
            moments=moments,
            information=sample.information,
            is_exact=True,
        )
    return priced


def _with_targets(
    layer: Affine,
    kernel: np.ndarray,
    columns: Iterable[np.ndarray],
    sample: Sample,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields columns and what the layer makes of them, which it records."""
    groups = list(layer.groups())
    rows = layer.columns_of_group
    for block, weights in zip(columns, sample.weights, strict=True):
        targets = np.concatenate(
            [
                block[..., channels].reshape(len(block), rows)
                @ kernel[..., outputs].reshape(rows, -1)
                for channels, outputs in groups
            ],
            axis=1,
        )
        sample.targets.append(targets)
        yield block, targets, weights
