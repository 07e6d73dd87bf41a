"""Choosing sub-kernels for all layers of a supernet, within a budget."""

from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from keras_cakes.allocation import allocate
from keras_cakes.allocation import counts_of
from keras_cakes.allocation import least_counts
from keras_cakes.allocation import least_counts_within
from keras_cakes.allocation import total_score
from keras_cakes.budget import Bound
from keras_cakes.budget import Costs
from keras_cakes.budget import floor_bound
from keras_cakes.budget import least_text
from keras_cakes.budget import parse_budget
from keras_cakes.budget import parse_floor
from keras_cakes.configuration import Configuration
from keras_cakes.selection import RULES
from keras_cakes.sub_kernels import SubKernel
from keras_cakes.supernet import Supernet


class Chooser:
    """Chooses a sub-kernel for every channel of a supernet, within bounds.

    Args:
        supernet: A supernet.
        scores: For each search layer a finite array of shape `(candidates,
            filters)`.
        rule: See `keras_cakes.derive`.
        channel_multiple: As above.
        floor: As above.

    Raises:
        ValueError: If `rule`, `channel_multiple` or `floor` is not valid.
    """

    def __init__(
        self,
        supernet: Supernet,
        scores: Mapping[str, np.ndarray],
        rule: str,
        channel_multiple: int,
        floor: Any,
    ):
        if rule not in RULES:
            raise ValueError(
                f"`rule` is expected to be one of {RULES}. "
                f"Received: rule={rule!r}"
            )
        if type(channel_multiple) is not int or channel_multiple < 1:
            raise ValueError(
                "`channel_multiple` is expected to be a positive integer. "
                f"Received: channel_multiple={channel_multiple!r}"
            )
        self.scores = scores
        self.rule = rule
        self.channel_multiple = channel_multiple
        self.costs = costs_of(supernet)
        layers = {layer.name: layer for layer in supernet.search_layers}
        self.kernels = {
            name: [str(kernel) for kernel in layer.kernel_set]
            for name, layer in layers.items()
        }
        self.filters = {name: layer.filters for name, layer in layers.items()}
        self.floors = {
            name: floor_bound(
                name,
                share,
                [kernel.taps for kernel in layers[name].kernel_set],
                self.filters[name],
            )
            for name, share in parse_floor(floor, layers).items()
        }

    def choose(self, budget: Any = None) -> dict[str, np.ndarray]:
        """The index of each channel's candidate, per layer.

        Raises:
            ValueError: If `budget` is not valid or no choice keeps it.
        """
        plain = {kind: costs.plain for kind, costs in self.costs.items()}
        amounts = parse_budget({} if budget is None else budget, plain)
        bounds = [Bound(self.costs[kind], amounts[kind]) for kind in amounts]
        for bound in bounds:
            self._check_possible(bound, budget)
        chosen = self.choose_within(bounds)
        if chosen is None:
            raise self._impossible_together(bounds, budget)
        return chosen

    def choose_within(
        self, bounds: Sequence[Bound]
    ) -> dict[str, np.ndarray] | None:
        """As `choose`; `None` where no choice keeps the bounds."""
        return allocate(
            self.scores, self.rule, self.channel_multiple, bounds, self.floors
        )

    def least(self, kind: str) -> Fraction:
        """What the cheapest choice costs."""
        costs = self.costs[kind]
        return costs.total(
            least_counts(
                costs, self.filters, self.channel_multiple, self.floors
            )
        )

    def _check_possible(self, bound: Bound, budget: Any) -> None:
        least = self.least(bound.costs.kind)
        if least > bound.most:
            kept = "that keeps the floors " if self.floors else ""
            raise _impossible(bound, least, kept, budget)

    def _impossible_together(
        self, bounds: Sequence[Bound], budget: Any
    ) -> ValueError:
        """Names the first kind that those before it leave too little."""
        for i, bound in enumerate(bounds):
            others = bounds[:i]
            costs = bound.costs
            counts = least_counts_within(
                costs,
                self.filters,
                self.channel_multiple,
                [*others, *self.floors.values()],
            )
            if counts is not None and costs.total(counts) > bound.most:
                kinds = " and ".join(other.costs.kind for other in others)
                kept = f"that keeps the budget of {kinds} "
                return _impossible(bound, costs.total(counts), kept, budget)
        return ValueError(
            "The kinds of `budget` are expected to be possible together. "
            f"Received: budget={budget}"
        )

    def cost(self, kind: str, chosen: Mapping[str, np.ndarray]) -> Fraction:
        """What the network of a choice costs, exactly."""
        return self.costs[kind].total(counts_of(chosen, self.scores))

    def score(self, chosen: Mapping[str, np.ndarray]) -> float:
        """The total score of a choice."""
        return total_score(
            self.scores, chosen, self.rule, self.channel_multiple
        )

    def configuration(self, chosen: Mapping[str, np.ndarray]) -> Configuration:
        """The configuration of a choice."""
        return Configuration(
            {
                name: [self.kernels[name][index] for index in indices]
                for name, indices in chosen.items()
            }
        )


def _impossible(
    bound: Bound, least: Fraction, kept: str, budget: Any
) -> ValueError:
    kind = bound.costs.kind
    return ValueError(
        f"`budget[{kind!r}]` is expected to be at least "
        f"{least_text(least, bound.costs.plain)}, what the cheapest choice "
        f"{kept}costs. Received: {budget[kind]}"
    )


def costs_of(supernet: Supernet) -> dict[str, Costs]:
    """What the configurations of a supernet cost, by kind, where known."""
    fixed_cost = supernet.fixed_cost or {}
    channel_costs = supernet.channel_costs or {}
    return {
        kind: Costs(
            kind,
            Fraction(fixed),
            {
                layer.name: tuple(
                    Fraction(cost) for cost in channel_costs[layer.name][kind]
                )
                for layer in supernet.search_layers
            },
            _plain_cost(supernet, kind, fixed, channel_costs),
        )
        for kind, fixed in fixed_cost.items()
    }


def _plain_cost(
    supernet: Supernet,
    kind: str,
    fixed: float,
    channel_costs: Mapping[str, Mapping[str, Sequence[float]]],
) -> Fraction | None:
    """What the network costs whose searched layers have full kernels."""
    total = Fraction(fixed)
    for layer in supernet.search_layers:
        costs = channel_costs[layer.name][kind]
        full = SubKernel(*layer.kernel_size)
        if full in layer.kernel_set:
            cost = Fraction(costs[layer.kernel_set.index(full)])
        elif kind in ("params", "macs"):
            # As many times one tap's as the kernel has taps.
            cost = Fraction(costs[0]) / layer.kernel_set[0].taps * full.taps
        else:
            return None
        total += layer.filters * cost
    return total
