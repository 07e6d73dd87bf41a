"""Reads path weights and other scores of candidates."""

import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_cakes._errors import shortened
from keras_cakes.search.supernet import Supernet


def path_weights(
    supernet: Supernet,
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Returns the path weights of every search layer.

    Returns:
        For each layer the names of its candidates, in canonical order, and
        a float32 array of shape `(candidates, filters)`: the magnitude of
        the normalization scale behind each candidate.
    """
    return {
        layer.name: (
            tuple(str(kernel) for kernel in layer.kernel_set),
            keras.ops.convert_to_numpy(layer.path_weights),
        )
        for layer in supernet.search_layers
    }


def scores_of(supernet: Supernet, score: Any) -> dict[str, np.ndarray]:
    """Reads the argument `score` of `derive`.

    Returns:
        For each search layer a float64 array `(candidates, filters)`.

    Raises:
        ValueError: If `score` is neither `"path_weights"` nor a mapping of
            all search layers to finite arrays of that shape.
    """
    layers = supernet.search_layers
    is_own = isinstance(score, str) and score == "path_weights"
    if is_own:
        score = {n: values for n, (_, values) in path_weights(supernet).items()}
        if all(np.ptp(values) == 0 for values in score.values()):
            warnings.warn(
                "`supernet` is expected to be trained; its path weights are "
                "all equal, so that nothing tells one sub-kernel from "
                f"another. Received: supernet={supernet.name!r}",
                stacklevel=3,
            )
    names = [layer.name for layer in layers]
    if not isinstance(score, Mapping) or set(score) != set(names):
        given = list(score) if isinstance(score, Mapping) else score
        raise ValueError(
            "`score` is expected to be 'path_weights' or to map each search "
            f"layer, {names}, to an array. Received: {shortened(given)}"
        )
    tables = {}
    for layer in layers:
        shape = (len(layer.kernel_set), layer.filters)
        try:
            table = np.asarray(score[layer.name], "float64")
            received = f"shape {table.shape}"
        except (TypeError, ValueError):
            table = np.empty(())
            received = shortened(score[layer.name])
        if table.shape != shape:
            raise ValueError(
                f"`score[{layer.name!r}]` is expected to be numbers of shape "
                f"(candidates, filters), {shape}. Received: {received}"
            )
        if not np.isfinite(table).all():
            fault = (
                "Path weights are expected to be finite; the search has "
                "diverged."
                if is_own
                else "`score` is expected to hold finite numbers."
            )
            raise ValueError(
                f"{fault} Received: layer {layer.name!r} with "
                f"{np.count_nonzero(~np.isfinite(table))} of "
                f"{table.size} not finite"
            )
        tables[layer.name] = table
    return tables


def path_weight_rows(supernet: Supernet) -> list[dict[str, Any]]:
    """Lists the path weights as rows of a table.

    Returns:
        For each candidate of each channel `layer`, `sub_kernel`, `channel`,
        its path `weight` and its number of `draws`.
    """
    rows = []
    weights = path_weights(supernet)
    for layer in supernet.search_layers:
        kernels, values = weights[layer.name]
        draws = layer.draw_counts()
        for index, kernel in enumerate(kernels):
            for channel in range(layer.filters):
                rows.append(
                    {
                        "layer": layer.name,
                        "sub_kernel": kernel,
                        "channel": channel,
                        "weight": float(values[index, channel]),
                        "draws": int(draws[index, channel]),
                    }
                )
    return rows
