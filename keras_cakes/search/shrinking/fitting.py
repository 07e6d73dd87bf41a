"""Fits the weights of a smaller network, layer after layer."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_cakes.models.rewriting.graph import Graph
from keras_cakes.models.rewriting.walk import Walk
from keras_cakes.search.shrinking.affine import Affine
from keras_cakes.search.shrinking.affine import rows_of
from keras_cakes.search.shrinking.calibration import Sample
from keras_cakes.search.shrinking.calibration import columns_of
from keras_cakes.search.shrinking.calibration import fitted_calls
from keras_cakes.search.shrinking.calibration import run_calls
from keras_cakes.search.shrinking.least_squares import moments_of

# Pull of a fit towards the weights that the layer had.
_RIDGE = 1e-3


def fit_in_order(
    network: keras.Model,
    model: keras.Model,
    *,
    batches: Sequence[Any],
    samples: Mapping[str, Sample],
    price: Callable[[str, list[Any]], None] | None = None,
    verbose: int = 1,
) -> None:
    """Fits every layer to what the trained network computes in its place.

    Each layer reads what the layers before it, already fitted, hand on. So it
    makes up for their errors as far as it can.

    Args:
        network: A network with the weights of the trained one; they are
            written.
        model: The trained network; fits are drawn to its weights.
        batches: Inputs of the network.
        samples: What each layer of the trained network computes on them.
        price: Called for each layer with its name and the moments that it is
            fitted by.
        verbose: 1 for a progress bar.
    """
    walk, graph = Walk(network), Graph(network)
    calls = fitted_calls(walk)
    for call, maps in run_calls(walk, batches, verbose):
        if calls.get(call.name) is not call:
            continue
        layer, sample = Affine(call.layer), samples[call.name]
        normalization = normalization_behind(graph, layer)
        # A mean of each tap cannot be made up for by a mean of each filter.
        is_centred = not layer.is_transposed and (
            layer.bias is not None or normalization is not None
        )
        moments = moments_of(
            layer,
            zip(
                columns_of(layer, call, maps, sample),
                sample.targets,
                sample.weights,
                strict=True,
            ),
            towards=Affine(model.get_layer(call.name)).kernel,
            count=sample.count,
            ridge=_RIDGE,
            centred=is_centred,
        )
        if price is not None:
            price(call.name, moments)
        fitted = np.zeros_like(layer.kernel)
        shift = np.zeros(fitted.shape[-1])
        for own, (channels, outputs) in zip(
            moments, layer.groups(), strict=True
        ):
            width = channels.stop - channels.start
            for taps, used in layer.used_taps():
                used = used[(used >= outputs.start) & (used < outputs.stop)]
                if not len(used):
                    continue
                rows = rows_of(taps, width)
                weights = own.fit(rows, used - outputs.start)
                fitted[np.ix_(taps, np.arange(width), used)] = weights.reshape(
                    len(taps), width, -1
                )
                shift[used] = (
                    own.column_means[rows] @ weights
                    - own.target_means[used - outputs.start]
                )
        layer.kernel = fitted
        shift = layer.per_channel(shift)
        if layer.bias is not None:
            layer.bias.assign(layer.bias - shift)
        elif isinstance(normalization, keras.layers.BatchNormalization):
            mean = normalization.moving_mean
            mean.assign(mean + shift)


def normalization_behind(graph: Graph, layer: Affine) -> Any | None:
    """Returns the normalization of channels that only this layer feeds."""
    if layer.is_dense:
        return None
    return graph.normalization_behind(layer.layer.name)
