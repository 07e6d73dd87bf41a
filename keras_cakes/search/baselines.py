"""Builds the configurations that a search has to beat."""

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
from keras_cakes.search.channel_costs import count_channel_costs


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
                    layer.filters, kernel_set, kernel_size=layer.kernel_size
                )
                for layer in found
            }
        )
    mixture = _Mixture(model, kernel_set, budget, layers)
    return mixture.configuration(
        {
            name: _rounded(mixture.filters[name] * odds)
            for name, odds in mixture.odds().items()
        }
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
    *,
    budget: Mapping[str, float],
    seed: int = 0,
    layers: Any = None,
) -> Configuration:
    """Draws a random configuration of a given cost.

    Every channel draws its sub-kernel independently. The odds rise or fall
    with the taps of a sub-kernel, so that the expected cost is the budget. Of
    200 draws the one of nearest cost is returned.

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
        >>> chance = random_configuration(
        ...     model, "1d2d3d", budget={"macs": 0.5}
        ... )
        >>> found = kc.count_cost(kc.replace(model, chance))
        >>> round(found.macs / kc.count_cost(model).macs, 2)
        0.5
    """
    whole("seed", seed, least=0)
    mixture = _Mixture(model, kernel_set, budget, layers)
    odds = mixture.odds()
    generator = np.random.default_rng(seed)
    draws = [
        {
            name: np.bincount(
                generator.choice(len(share), mixture.filters[name], p=share),
                minlength=len(share),
            )
            for name, share in odds.items()
        }
        for _ in range(200)
    ]
    return mixture.configuration(
        min(draws, key=lambda draw: abs(mixture.total(draw) - mixture.wanted))
    )


class _Mixture:
    """Mixes the sub-kernels of a model so that it has a given cost.

    Args:
        model: See `random_configuration`, as for the other arguments.
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        budget: One kind of cost and its amount.
        layers: See `replaceable_layers`.
    """

    def __init__(
        self,
        model: keras.Model,
        kernel_set: Any,
        budget: Mapping[str, float],
        layers: Any,
    ):
        model = as_functional(model)
        cost = count_cost(model)
        kind, self.wanted = _wanted(budget, cost)
        found = map(model.get_layer, replaceable_layers(model, layers))
        self.filters = {layer.name: layer.filters for layer in found}
        self.kernels = {
            name: resolve_kernel_set(
                kernel_set, model.get_layer(name).kernel_size
            )
            for name in self.filters
        }
        channels, fixed = count_channel_costs(model, self.kernels)
        self.fixed = fixed[kind]
        self.prices = {
            name: np.array(costs[kind], float)
            for name, costs in channels.items()
        }
        least, most = (
            self.fixed
            + sum(
                filters * pick(self.prices[name])
                for name, filters in self.filters.items()
            )
            for pick in (np.min, np.max)
        )
        if not least * 0.999 <= self.wanted <= most * 1.001:
            raise ValueError(
                f"`budget[{kind!r}]` is expected to lie between "
                f"{least:.0f} and {most:.0f}, the costs that the kernel set "
                f"{kernel_set!r} can reach. Received: {budget[kind]}"
            )

    def odds(self) -> dict[str, np.ndarray]:
        """Bisects the tilt of the odds until the expected cost fits."""
        low, high = -20.0, 20.0
        for _ in range(100):
            tilt = (low + high) / 2
            odds = {
                name: _tilted(np.array([k.taps for k in kernels], float), tilt)
                for name, kernels in self.kernels.items()
            }
            expected = self.total(
                {name: odds[name] * n for name, n in self.filters.items()}
            )
            low, high = (tilt, high) if expected < self.wanted else (low, tilt)
        return odds

    def total(self, counts: Mapping[str, np.ndarray]) -> float:
        """Adds up the cost of given channels of each sub-kernel."""
        return self.fixed + sum(
            float(prices @ counts[name]) for name, prices in self.prices.items()
        )

    def configuration(self, counts: Mapping[str, np.ndarray]) -> Configuration:
        """Builds the configuration of given channels of each sub-kernel."""
        return Configuration(
            {
                name: {
                    str(kernel): int(count)
                    for kernel, count in zip(kernels, counts[name], strict=True)
                }
                for name, kernels in self.kernels.items()
            }
        )


def _tilted(taps: np.ndarray, tilt: float) -> np.ndarray:
    """Returns shares that rise with the taps by `tilt`, or fall if negative."""
    weights = np.exp(tilt * (taps - (taps.max() if tilt > 0 else taps.min())))
    return weights / weights.sum()


def _rounded(counts: np.ndarray) -> np.ndarray:
    """Rounds to integers of the same sum; the largest fractions go up."""
    floors = np.floor(counts).astype(int)
    rest = round(float(counts.sum())) - floors.sum()
    # Rounded, so that noise in the last bits decides no tie.
    order = np.argsort(-(counts - floors).round(9), kind="stable")
    floors[order[:rest]] += 1
    return floors


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
