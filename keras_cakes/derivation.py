"""From path weights to a configuration."""

import math
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from keras_cakes.configuration import Configuration
from keras_cakes.selection import RULES
from keras_cakes.selection import select
from keras_cakes.supernet import Supernet

# Of a cost relative to the largest; path weights are of the order of 1.
_HIGHEST_PRICE = 1e9
_HALVINGS = 60
_STEP = 1.05


def path_weights(
    supernet: Supernet,
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """The path weights of every search layer.

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


def derive(
    supernet: Supernet,
    rule: str = "channel",
    channel_multiple: int = 1,
    cost: str | None = None,
    limit: float | None = None,
) -> Configuration:
    """Chooses a sub-kernel for every channel by the path weights.

    Args:
        supernet: A trained supernet.
        rule: `"channel"`: the candidate of largest path weight of each
            channel (Eq. 9 of the paper). `"layer"`: the `filters` largest
            path weights of the whole layer, as the authors' code does; only
            how many each candidate keeps matters, so channels are sorted.
        channel_multiple: Round the channels of each sub-kernel to a multiple
            of this, such as the 8 or 16 channels that a processor computes
            at once, so that as little path weight as possible is lost.
            Channels are sorted then; where a layer's filters are no
            multiple, one sub-kernel has the rest.
        cost: What `limit` is of: `"params"`, `"macs"`, or, if the supernet
            was made with `cost="latency"` or a table, `"latency"`.
        limit: The most that the derived network may cost: parameters,
            multiply-adds of one sample, or milliseconds. Path weights are
            then weighed against costs, with one price for all layers.

    Returns:
        A `Configuration` whose counts add up to `filters` in each layer.
        Ties go to the candidate that is first in canonical order, then to
        the channel of lower index.

    Raises:
        ValueError: If an argument is not one of those listed, a path weight
            is not finite, or no choice costs as little as `limit`.

    Reference:

    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798), Eq. 9
    - [the authors' code](https://github.com/yucornetto/CAKES)
    """
    if rule not in RULES:
        raise ValueError(
            f"`rule` is expected to be one of {RULES}. Received: rule={rule!r}"
        )
    if type(channel_multiple) is not int or channel_multiple < 1:
        raise ValueError(
            "`channel_multiple` is expected to be a positive integer. "
            f"Received: channel_multiple={channel_multiple!r}"
        )
    kernels, weights = {}, {}
    for name, (names, values) in path_weights(supernet).items():
        if not np.isfinite(values).all():
            raise ValueError(
                "Path weights are expected to be finite; the search has "
                f"diverged. Received: layer {name!r} with "
                f"{np.count_nonzero(~np.isfinite(values))} of "
                f"{values.size} not finite"
            )
        kernels[name], weights[name] = names, values
    if limit is None and cost is None:
        chosen = _select_all(weights, rule, channel_multiple)
    else:
        prices = _prices(supernet, cost, limit)
        chosen = _select_within(weights, prices, rule, channel_multiple)
    return Configuration(
        {
            name: [kernels[name][index] for index in indices]
            for name, indices in chosen.items()
        }
    )


class _Prices(NamedTuple):
    """What a channel of each candidate costs, and what may be spent."""

    cost: str
    of_layers: dict[str, np.ndarray]
    fixed: float
    limit: float

    def total(self, chosen: Mapping[str, np.ndarray]) -> float:
        return self.fixed + sum(
            float(self.of_layers[name][indices].sum())
            for name, indices in chosen.items()
        )


def _prices(supernet: Supernet, cost: Any, limit: Any) -> _Prices:
    fixed_cost = supernet.fixed_cost or {}
    known = sorted(fixed_cost)
    if cost not in known or limit is None:
        raise ValueError(
            "`cost` and `limit` are expected together, `cost` being one that "
            f"the supernet knows, {known}. Received: cost={cost!r}, "
            f"limit={limit!r}"
        )
    of_layers = {
        name: np.asarray(costs[cost], "float64")
        for name, costs in (supernet.channel_costs or {}).items()
    }
    return _Prices(cost, of_layers, fixed_cost[cost], limit)


def _select_all(
    weights: Mapping[str, np.ndarray], rule: str, multiple: int
) -> dict[str, np.ndarray]:
    return {
        name: select(value, rule, multiple) for name, value in weights.items()
    }


def _select_within(
    weights: dict[str, np.ndarray], prices: _Prices, rule: str, multiple: int
) -> dict[str, np.ndarray]:
    """The selection at the lowest price of cost that keeps the limit."""
    unit = max(float(costs.max()) for costs in prices.of_layers.values())

    def at(price: float, multiple: int) -> dict[str, np.ndarray]:
        left = {
            name: value - price * prices.of_layers[name][:, None] / unit
            for name, value in weights.items()
        }
        return _select_all(left, rule, multiple)

    chosen = at(0.0, multiple)
    if prices.total(chosen) <= prices.limit:
        return chosen
    least = prices.total(at(_HIGHEST_PRICE, multiple))
    if least > prices.limit:
        raise ValueError(
            f"`limit` is expected to be at least {least:g} {prices.cost}, what "
            "the cheapest choice costs. Received: "
            f"limit={prices.limit:g}"
        )
    # Single channels are quick to choose and show where the price lies.
    low, high = 1 / _HIGHEST_PRICE, _HIGHEST_PRICE
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        fits = prices.total(at(middle, 1)) <= prices.limit
        low, high = (low, middle) if fits else (middle, high)
    # Whole blocks cost a little more or less.
    price = high
    while prices.total(chosen := at(price, multiple)) > prices.limit:
        price *= _STEP
    return chosen


def path_weight_rows(supernet: Supernet) -> list[dict[str, Any]]:
    """The path weights as rows of a table.

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
