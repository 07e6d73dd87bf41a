"""Builds the configurations that a search has to beat."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_cakes._errors import whole
from keras_cakes.cost.counting import count_cost
from keras_cakes.cost.table import Cost
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.kernels.sub_kernels import kernel_set as resolve_kernel_set
from keras_cakes.kernels.sub_kernels import uniform_counts
from keras_cakes.models.rewriting.graph import as_functional
from keras_cakes.models.rewriting.replace import replaceable_layers
from keras_cakes.search.budget import parse_budget


def uniform_configuration(
    model: keras.Model,
    kernel_set: Any,
    *,
    budget: Mapping[str, float] | None = None,
    layers: Any = None,
) -> Configuration:
    """Mixes sub-kernels equally in every layer: the paper's manual setting.

    Without a budget the channels are split evenly. With one the mixture is
    tilted towards small or large sub-kernels until it has the given cost; it
    is the average of the draws of `random_configuration`.

    Args:
        model: The functional Keras model that is replaced.
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        budget: See `random_configuration`; met up to rounding to whole
            channels. `None` for an even split.
        layers: See `replaceable_layers`.

    Returns:
        A `Configuration` for `replace`.

    Raises:
        ValueError: If the kernel set does not fit a layer, or as
            `random_configuration`.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((16, 16, 16, 1), width=8, depth=2)
        >>> half = uniform_configuration(
        ...     model, "1d2d3d", budget={"macs": 0.5}
        ... )
        >>> half["encoder0_conv1"].counts
        {'3x3x3': 2, '1x3x3': 1, '3x1x3': 1, '3x3x1': 1, '3x1x1': 1, \
'1x3x1': 1, '1x1x3': 1}
    """
    if budget is None:
        model = as_functional(model)
        found = map(model.get_layer, replaceable_layers(model, layers))
        return Configuration(
            {
                layer.name: uniform_counts(
                    layer.filters,
                    resolve_kernel_set(kernel_set, layer.kernel_size),
                )
                for layer in found
            }
        )
    space = _Space(model, kernel_set, layers, budget)
    return space.configuration(
        [
            _rounded(filters * odds)
            for filters, odds in zip(space.filters, space.odds, strict=True)
        ]
    )


def even_configuration(
    model: keras.Model,
    kernel_set: Any,
    budget: Mapping[str, float],
    layers: Any = None,
) -> Configuration:
    """Calls `uniform_configuration`, under its earlier name."""
    return uniform_configuration(
        model, kernel_set, budget=budget, layers=layers
    )


def random_configuration(
    model: keras.Model,
    kernel_set: Any,
    budget: Mapping[str, float],
    seed: int = 0,
    layers: Any = None,
) -> Configuration:
    """Draws a random configuration of a given cost.

    Every channel draws its sub-kernel independently. The odds of a sub-kernel
    fall or rise with its number of taps, by the amount that makes the
    expected cost the wanted one; the nearest in cost of 200 draws is returned.

    Args:
        model: The functional Keras model that is replaced.
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        budget: The wanted cost of the whole network: a mapping of `"macs"`
            or `"params"` to a number. Up to 1 it is a share of the cost
            of `model`, above 1 an amount. The cost may be slightly above or
            below it.
        seed: Integer; the same seed gives the same configuration.
        layers: See `replaceable_layers`.

    Returns:
        A `Configuration` for `replace`.

    Raises:
        ValueError: If `budget` is not such a mapping, or lies outside the costs
            that the kernel set can reach.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((16, 16, 16, 1), width=8, depth=2)
        >>> chance = random_configuration(model, "1d2d3d", {"macs": 0.5})
        >>> found = kc.count_cost(kc.replace(model, chance))
        >>> round(found.macs / kc.count_cost(model).macs, 2)
        0.5
    """
    whole("seed", seed, least=0)
    space = _Space(model, kernel_set, layers, budget)
    generator = np.random.default_rng(seed)
    draws = [
        [
            np.bincount(
                generator.choice(len(odds), size=filters, p=odds),
                minlength=len(odds),
            )
            for filters, odds in zip(space.filters, space.odds, strict=True)
        ]
        for _ in range(200)
    ]
    return space.configuration(
        min(draws, key=lambda draw: abs(space.total(draw) - space.wanted))
    )


class _Space:
    """Finds the odds of sub-kernels that give a model a wanted cost.

    Attributes:
        filters: Output channels of each replaced layer.
        odds: For each replaced layer the share of each sub-kernel.
        wanted: The cost of the network with these shares.
    """

    def __init__(
        self,
        model: keras.Model,
        kernel_set: Any,
        layers: Any,
        budget: Mapping[str, float],
    ):
        model = as_functional(model)
        self.names = replaceable_layers(model, layers)
        cost = count_cost(model)
        kind, self.wanted = _wanted(budget, cost)
        self.fixed = getattr(cost, kind)
        self.filters, self.kernels = [], []
        self._taps, self._per_tap = [], []
        for name in self.names:
            layer = model.get_layer(name)
            members = resolve_kernel_set(kernel_set, layer.kernel_size)
            self.filters.append(layer.filters)
            self.kernels.append(members)
            self._taps.append(np.array([k.taps for k in members], float))
            taps = math.prod(layer.kernel.shape[:3]) * layer.filters
            self._per_tap.append(
                cost.of([name]).macs // taps
                if kind == "macs"
                else layer.kernel.shape[-2]
            )
            self.fixed -= self._per_tap[-1] * taps
        least, most = (
            self.total(
                [
                    filters * (taps == pick(taps)) / (taps == pick(taps)).sum()
                    for filters, taps in zip(
                        self.filters, self._taps, strict=True
                    )
                ]
            )
            for pick in (np.min, np.max)
        )
        if not least * 0.999 <= self.wanted <= most * 1.001:
            raise ValueError(
                f"`budget[{kind!r}]` is expected to lie between "
                f"{least:.0f} and {most:.0f}, what the kernel set "
                f"{kernel_set!r} can cost. Received: {budget[kind]}"
            )
        self.odds = self._odds_of_cost()

    def total(self, counts: Any) -> float:
        """Adds up the cost of given channels of each sub-kernel."""
        return self.fixed + sum(
            price * float(np.sum(taps * count))
            for price, taps, count in zip(
                self._per_tap, self._taps, counts, strict=True
            )
        )

    def configuration(self, counts: Any) -> Configuration:
        """Builds the configuration of given channels of each sub-kernel."""
        return Configuration(
            {
                name: {
                    str(kernel): int(count)
                    for kernel, count in zip(members, number, strict=True)
                }
                for name, members, number in zip(
                    self.names, self.kernels, counts, strict=True
                )
            }
        )

    def _odds_of_cost(self) -> list[np.ndarray]:
        """Bisects the tilt of the odds until the expected cost fits."""
        low, high = -20.0, 20.0
        for _ in range(100):
            tilt = (low + high) / 2
            odds = [_tilted(taps, tilt) for taps in self._taps]
            expected = self.total(
                [f * o for f, o in zip(self.filters, odds, strict=True)]
            )
            low, high = (tilt, high) if expected < self.wanted else (low, tilt)
        return odds


def _tilted(taps: np.ndarray, tilt: float) -> np.ndarray:
    weights = np.exp(tilt * (taps - (taps.max() if tilt > 0 else taps.min())))
    return weights / weights.sum()


def _rounded(counts: np.ndarray) -> np.ndarray:
    """Rounds to integers of the same sum; the largest rests go up."""
    whole = np.floor(counts).astype(int)
    rest = round(float(counts.sum())) - whole.sum()
    # A tie goes to the first, whatever the last bits say.
    order = np.argsort(-(counts - whole).round(9), kind="stable")
    whole[order[:rest]] += 1
    return whole


def _wanted(budget: Any, cost: Cost) -> tuple[str, int]:
    """Reads the kind of cost and its amount."""
    plain = {"macs": cost.macs, "params": cost.params}
    amounts = parse_budget(budget, plain)
    if len(amounts) != 1:
        raise ValueError(
            "`budget` is expected to name one kind of cost, 'macs' or "
            f"'params'. Received: budget={budget}"
        )
    return next(iter(amounts.items()))
