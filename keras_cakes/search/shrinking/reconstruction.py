"""Prices sub-kernels of a trained network by the error that they leave."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_cakes._errors import whole
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.models.rewriting.replace import replace
from keras_cakes.search.budget import read_limits
from keras_cakes.search.deriving.choose import choose
from keras_cakes.search.deriving.derive import configuration_of
from keras_cakes.search.deriving.pareto import FrontPoint
from keras_cakes.search.deriving.pareto import front_of
from keras_cakes.search.shrinking.calibration import Sample
from keras_cakes.search.shrinking.fitting import fit_in_order
from keras_cakes.search.shrinking.pricing import PricedLayer
from keras_cakes.search.shrinking.pricing import price_layer


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
        self._priced: dict[str, dict[str, PricedLayer]] = {}

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """Returns minus the price of each candidate, for `derive`.

        For each layer it is an array of shape `(candidates, filters)`, in
        nats per case; by the first prices the full kernel has 0.
        """
        return {layer.name: -layer.prices for layer in self.search_layers}

    def derive(
        self,
        budget: Mapping[str, float] | None = None,
        *,
        channel_multiple: int = 1,
        floor: Any = 0.0,
        rounds: int = 1,
    ) -> Configuration:
        """Chooses the sub-kernels of least total price within a budget.

        Args:
            budget: See `keras_cakes.derive`, as for the next arguments.
            channel_multiple: Channels of each sub-kernel are a multiple.
            floor: The smallest share of each layer's cost.
            rounds: Integer, how often to choose: 1 by the prices that are
                here, then by those in the network chosen before, see
                `repriced`. A second round keeps far more within a small
                budget.

        Raises:
            ValueError: As `keras_cakes.derive`.
        """
        whole("rounds", rounds, least=1)
        limits = read_limits(self, budget, floor)
        chosen = choose(self.scores, "channel", channel_multiple, limits)
        configuration = configuration_of(self, chosen)
        if rounds == 1:
            return configuration
        return self.repriced(configuration).derive(
            budget,
            channel_multiple=channel_multiple,
            floor=floor,
            rounds=rounds - 1,
        )

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
        layers = {layer.name: layer for layer in self.search_layers}
        priced = {}

        def price(name: str, moments: list[Any]) -> None:
            if name in layers:
                priced[name] = price_layer(
                    name,
                    layers[name].kernel_size,
                    layers[name].kernel_set,
                    moments=moments,
                    information=self.samples[name].information,
                    is_exact=False,
                )

        network = replace(self.model, configuration, weights="inherit")
        fit_in_order(
            network,
            self.model,
            batches=self.batches,
            samples=self.samples,
            price=price,
            verbose=self.verbose,
        )
        # Of the last network only.
        self._priced = {configuration.to_json(): priced}
        return network

    def repriced(self, configuration: Configuration) -> "Reconstruction":
        """Prices every sub-kernel again, where a smaller network is.

        The first prices know one change of the trained network at a time. In a
        network of many changes a layer reads other values, and makes up for
        what the layers before it have lost. The new prices are the errors that
        are left of what each layer reads in the network of `configuration`.
        They serve budgets close to its cost. It takes as long as `project`, or
        no time if `configuration` was projected last.

        Args:
            configuration: One that `derive` has chosen.

        Returns:
            A reconstruction of the same trained network.

        Examples:
            >>> import keras_cakes as kc
            >>> model = kc.models.unet3d((16, 16, 16, 1), width=8, depth=2)
            >>> scans = keras.random.normal((4, 16, 16, 16, 1))
            >>> kc.training.recalibrate(model, [scans])
            >>> found = kc.search.reconstruct(model, scans, verbose=0)
            >>> first = found.derive({"macs": 0.4})
            >>> second = found.repriced(first).derive({"macs": 0.4})
            >>> small = found.project(second)
        """
        name = configuration.to_json()
        if name not in self._priced:
            self.project(configuration)
        priced = self._priced[name]
        return Reconstruction(
            self.model,
            [priced[layer.name] for layer in self.search_layers],
            batches=self.batches,
            samples=self.samples,
            channel_costs=self.channel_costs,
            fixed_cost=self.fixed_cost,
            verbose=self.verbose,
        )
