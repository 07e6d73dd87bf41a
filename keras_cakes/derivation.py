"""Derives a configuration from a supernet: scores, limits, choice."""

import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_cakes._errors import shortened
from keras_cakes.budget import read_limits
from keras_cakes.choose import choose
from keras_cakes.configuration import Configuration
from keras_cakes.supernet import Supernet


def derive(
    supernet: Supernet,
    score: Any = "path_weights",
    *,
    rule: str = "channel",
    channel_multiple: int = 1,
    budget: Mapping[str, float] | None = None,
    floor: Any = 0.0,
) -> Configuration:
    """Chooses a sub-kernel for every channel by a score, within a budget.

    Without `budget` and `floor` each layer is chosen on its own. With them
    one integer program over all layers finds the largest total score that
    keeps them, to a ten-thousandth of what there is to gain.

    Args:
        supernet: A trained supernet.
        score: `"path_weights"`, or for each search layer an array of shape
            `(candidates, filters)`, candidates in canonical order; larger is
            better.
        rule: `"channel"`: the candidate of largest score of each channel
            (Eq. 9 of the paper). `"layer"`: the `filters` largest scores of
            the whole layer, as the authors' code does; only the number of
            channels of each candidate matters, so channels are sorted. With
            `rule="layer"`, `score[k, j]` may be the gain of giving candidate
            `k` its `j`-th channel; decreasing rows then express diminishing
            returns.
        channel_multiple: Each sub-kernel gets a multiple of this number of
            channels, for example 8 or 16 if a processor computes that many
            at once; the loss of score is minimal. Channels are sorted then.
            If the filters of a layer are no multiple, one sub-kernel has the
            rest.
        budget: The largest cost of the derived network: a mapping of
            `"params"`, `"macs"` (of one sample) or, if the supernet was made
            with `cost="latency"` or a table, `"latency"` (milliseconds) to a
            number. Up to 1 it is a share of the cost of the network with full
            kernels, above 1 an amount. All kinds that are given are kept.
        floor: The smallest cost of each layer, as a share of the
            multiply-adds (and so of the weights) of its largest candidate:
            a number from 0 to 1, or a mapping of layer name to one. It stops
            a layer from collapsing to its cheapest candidate.

    Returns:
        A `Configuration` whose counts add up to `filters` in each layer.
        Where each channel is chosen alone (no `budget`, `floor` or
        `channel_multiple`), ties go to the candidate that is first in
        canonical order, then to the channel of lower index.

    Raises:
        ValueError: If an argument is not one of those listed, a score is not
            finite, or every choice costs more than `budget`; the message
            states the least possible cost.

    Warns:
        UserWarning: If the path weights decide and are as they were before
            training. If the integer program takes longer than a minute; the
            best choice so far is returned then, and the warning states the
            largest possible difference to the best choice.

    Reference:

    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798), Eq. 9
    - [the authors' code](https://github.com/yucornetto/CAKES)

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((8, 8, 8, 1), width=8, depth=1)
        >>> supernet = kc.to_supernet(model, kernel_set="1d2d3d")
        >>> supernet.compile("sgd", "mse")
        >>> image = keras.random.normal((1, 8, 8, 8, 1))
        >>> _ = supernet.fit(image, supernet(image), epochs=2, verbose=0)
        >>> configuration = derive(supernet, budget={"macs": 0.5}, floor=0.2)
        >>> found = kc.count_cost(kc.replace(model, configuration))
        >>> found.macs <= 0.5 * kc.count_cost(model).macs
        True
    """
    scores = scores_of(supernet, score)
    limits = read_limits(supernet, budget, floor)
    chosen = choose(scores, rule, channel_multiple, limits)
    return configuration_of(supernet, chosen)


def configuration_of(
    supernet: Supernet, chosen: Mapping[str, np.ndarray]
) -> Configuration:
    """Builds the configuration of the chosen candidates of each layer."""
    return Configuration(
        {
            layer.name: [
                str(layer.kernel_set[index]) for index in chosen[layer.name]
            ]
            for layer in supernet.search_layers
        }
    )


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
        ValueError: If it is neither `"path_weights"` nor a mapping of all
            search layers to finite arrays of that shape.
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
            what = (
                "Path weights are expected to be finite; the search has "
                "diverged."
                if is_own
                else "`score` is expected to hold finite numbers."
            )
            raise ValueError(
                f"{what} Received: layer {layer.name!r} with "
                f"{np.count_nonzero(~np.isfinite(table))} of "
                f"{table.size} not finite"
            )
        tables[layer.name] = table
    return tables


def path_weight_rows(supernet: Supernet) -> list[dict[str, Any]]:
    """Writes the path weights as rows of a table.

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
