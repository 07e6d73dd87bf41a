"""Derives a configuration from a supernet: scores, limits, choice."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_cakes.kernels.configuration import Configuration
from keras_cakes.search.budget import Searched
from keras_cakes.search.budget import read_limits
from keras_cakes.search.deriving.choose import choose
from keras_cakes.search.scores.path_weights import scores_of
from keras_cakes.search.supernet import Supernet


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
    one integer program over all layers finds the largest total score, to
    within 1/10,000 of the possible gain.

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
            channels, for example 8 or 16 for a processor that computes that
            many at once; channels are sorted then. If the filters of a layer
            are no multiple, one sub-kernel has the rest.
        budget: The largest cost of the derived network: a mapping of
            `"params"`, `"macs"` (of one sample) or, if the supernet was made
            with `cost="latency"` or a table, `"latency"` (milliseconds) to a
            number. Up to 1 it is a share of the cost of the network with full
            kernels, above 1 an amount. All given kinds are kept.
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
        ValueError: If an argument is not a listed value, a score is not
            finite, or every choice costs more than `budget`; the message
            states the least possible cost.

    Warns:
        UserWarning: If the path weights are used and are untrained. If the
            integer program takes longer than a minute: the best choice so far
            is returned, and the warning states its largest possible loss.

    Reference:

    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798), Eq. 9
    - [the authors' code](https://github.com/yucornetto/CAKES)

    Examples:
        >>> import keras
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
    searched: Searched, chosen: Mapping[str, np.ndarray]
) -> Configuration:
    """Builds the configuration of the chosen candidates of each layer."""
    return Configuration(
        {
            layer.name: [
                str(layer.kernel_set[index]) for index in chosen[layer.name]
            ]
            for layer in searched.search_layers
        }
    )
