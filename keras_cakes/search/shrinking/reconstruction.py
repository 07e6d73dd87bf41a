"""Prices sub-kernels of a trained network by the error that they leave."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_cakes.kernels.configuration import Configuration
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.models.rewriting.replace import replace
from keras_cakes.search.budget import read_limits
from keras_cakes.search.deriving.choose import choose
from keras_cakes.search.deriving.derive import configuration_of
from keras_cakes.search.deriving.pareto import FrontPoint
from keras_cakes.search.deriving.pareto import front_of
from keras_cakes.search.shrinking.calibration import Sample
from keras_cakes.search.shrinking.fitting import fit_in_order


class PricedLayer:
    """Holds the candidates of one layer and their prices.

    Args:
        name: Name of the layer.
        kernel_size: Size of its kernel.
        kernel_set: The candidates, in canonical order.
        prices: Nats per case that the network's answer changes, to second
            order, if a channel has a candidate: float64 `(candidates,
            filters)`.
    """

    def __init__(
        self,
        name: str,
        kernel_size: tuple[int, int, int],
        kernel_set: tuple[SubKernel, ...],
        *,
        prices: np.ndarray,
    ):
        self.name = name
        self.kernel_size = kernel_size
        self.kernel_set = kernel_set
        self.prices = prices
        self.filters = prices.shape[1]


class Reconstruction:
    """Chooses sub-kernels for a trained network, and fits their weights.

    `reconstruct` makes it. One reconstruction serves every budget.

    Args:
        model: The trained network.
        layers: The prices of each replaceable layer.
        batches: Inputs that weights are fitted to.
        samples: What each layer computes on them.
        channel_costs: See `Supernet`.
        fixed_cost: See `Supernet`.
        verbose: 1 for a progress bar.
    """

    def __init__(
        self,
        model: keras.Model,
        layers: Sequence[PricedLayer],
        *,
        batches: Sequence[Any],
        samples: Mapping[str, Sample],
        channel_costs: Any,
        fixed_cost: Any,
        verbose: int = 1,
    ):
        self.model = model
        self.name = model.name
        self.search_layers = tuple(layers)
        self.batches = batches
        self.samples = samples
        self.channel_costs = channel_costs
        self.fixed_cost = fixed_cost
        self.verbose = verbose

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """Returns minus the price of each candidate, for `derive`.

        For each layer it is an array of shape `(candidates, filters)`, in
        nats per case; the full kernel has 0.
        """
        return {layer.name: -layer.prices for layer in self.search_layers}

    def derive(
        self,
        budget: Mapping[str, float] | None = None,
        *,
        channel_multiple: int = 1,
        floor: Any = 0.0,
    ) -> Configuration:
        """Chooses the sub-kernels of least total price within a budget.

        Args:
            budget: See `keras_cakes.derive`, as for the other arguments.
            channel_multiple: Channels of each sub-kernel are a multiple.
            floor: The smallest share of each layer's cost.

        Raises:
            ValueError: As `keras_cakes.derive`.
        """
        limits = read_limits(self, budget, floor)
        chosen = choose(self.scores, "channel", channel_multiple, limits)
        return configuration_of(self, chosen)

    def pareto(
        self,
        cost: str = "macs",
        *,
        points: int = 10,
        channel_multiple: int = 1,
        floor: Any = 0.0,
    ) -> tuple[FrontPoint, ...]:
        """Chooses sub-kernels for a range of budgets.

        Args:
            cost: See `keras_cakes.pareto`, as for the other arguments.
            points: The number of budgets.
            channel_multiple: Channels of each sub-kernel are a multiple.
            floor: The smallest share of each layer's cost.
        """
        return front_of(
            self,
            self.scores,
            cost=cost,
            points=points,
            rule="channel",
            channel_multiple=channel_multiple,
            floor=floor,
        )

    def price(self, configuration: Configuration) -> dict[str, float]:
        """Returns the price of each layer of a configuration, in nats."""
        return {
            layer.name: float(
                sum(
                    layer.prices[layer.kernel_set.index(kernel), channel]
                    for channel, kernel in enumerate(
                        configuration[layer.name].channel_kernels
                    )
                )
            )
            for layer in self.search_layers
            if layer.name in configuration
        }

    def project(self, configuration: Configuration) -> keras.Model:
        """Builds the network of a configuration, with fitted weights.

        Layer after layer, the weights are fitted from what the new network
        hands on to what the trained network computes there. Biases and moving
        means take up the difference of means.

        Args:
            configuration: One of `derive`, or any other of this model.

        Returns:
            A functional model with the inputs and outputs of the trained one,
            not compiled.
        """
        network = replace(self.model, configuration, weights="inherit")
        fit_in_order(network, self.batches, self.samples, verbose=self.verbose)
        return network
