"""What a derived network may cost, and how little a layer may keep."""

import dataclasses
import math
import numbers
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from keras_cakes._errors import shortened

# For each layer the number of channels of each candidate.
Counts = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Costs:
    """One kind of cost of every configuration of a network, exactly.

    Args:
        kind: `"params"`, `"macs"` or `"latency"`.
        fixed: Cost of everything that is not searched.
        of_layers: For each layer what one channel of each candidate costs.
        plain: Cost of the network with its full kernels; `None` where that
            is not known.
    """

    kind: str
    fixed: Fraction
    of_layers: Mapping[str, tuple[Fraction, ...]]
    plain: Fraction | None = None

    def total(self, counts: Counts) -> Fraction:
        """The cost of so many channels of each candidate of each layer."""
        return self.fixed + sum(
            cost * int(count)
            for name, costs in self.of_layers.items()
            for cost, count in zip(costs, counts[name], strict=True)
        )


@dataclasses.dataclass(frozen=True)
class Bound:
    """The most that a network may cost."""

    costs: Costs
    most: Fraction

    def excess(self, counts: Counts) -> Fraction:
        """By how much the counts cost more, exactly; not positive if not."""
        return self.costs.total(counts) - self.most


def parse_budget(
    budget: Any, plain: Mapping[str, Fraction | None]
) -> dict[str, Fraction]:
    """Reads a budget.

    Args:
        budget: Mapping of a kind of cost to a number. Up to 1 it is a share
            of what the plain network costs; a larger one is an amount.
        plain: What the plain network costs, by kind; `None` where that is
            not known.

    Returns:
        The amount of each kind. For a share it is the largest one that,
        divided by the plain network's, is no more than the share in floats.

    Raises:
        ValueError: If `budget` is not such a mapping, names another kind, or
            is a share of what is not known.

    Examples:
        >>> amounts = parse_budget({"macs": 0.5}, {"macs": Fraction(900)})
        >>> int(amounts["macs"])
        450
    """
    if not isinstance(budget, Mapping):
        raise ValueError(
            "`budget` is expected to map kinds of cost to numbers, such as "
            f"{{'macs': 0.5}}. Received: budget={shortened(budget)}"
        )
    amounts = {}
    for kind, amount in budget.items():
        if kind not in plain:
            known = (
                f"kinds of cost that are known, {sorted(plain)}"
                if plain
                else "no kind of cost, since none is known: the sizes of the "
                "model's inputs are not fixed"
            )
            raise ValueError(
                f"`budget` is expected to name {known}. Received: {kind!r}"
            )
        if not _is_number(amount) or amount <= 0:
            raise ValueError(
                f"`budget[{kind!r}]` is expected to be a positive number: up "
                "to 1 a share of what the plain network costs, above 1 an "
                f"amount. Received: {shortened(amount)}"
            )
        amounts[kind] = (
            Fraction(amount)
            if amount > 1
            else _share(kind, float(amount), plain[kind])
        )
    return amounts


def _share(kind: str, share: float, plain: Fraction | None) -> Fraction:
    if plain is None:
        raise ValueError(
            f"`budget[{kind!r}]` is expected to be an amount above 1: the "
            "kernel sets lack the full kernel, so that the "
            f"{kind} of the plain network is not known. Received: {share}"
        )
    return (Fraction(share) + _half_step(share)) * plain


def parse_floor(floor: Any, names: Iterable[str]) -> dict[str, float]:
    """Reads the least share of its largest cost that each layer keeps.

    Args:
        floor: A number from 0 to 1, or a mapping of layer name to one;
            layers that it does not name have none.
        names: The names of the layers.

    Returns:
        The floor of each layer that has one above 0.

    Raises:
        ValueError: If `floor` is neither, or names another layer.

    Examples:
        >>> parse_floor({"conv1": 0.25}, ["conv1", "conv2"])
        {'conv1': 0.25}
    """
    names = list(names)
    if isinstance(floor, Mapping):
        unknown = [name for name in floor if name not in names]
        if unknown:
            raise ValueError(
                f"`floor` is expected to name search layers, {names}. "
                f"Received: {shortened(unknown)}"
            )
        floors = {f"floor[{name!r}]": value for name, value in floor.items()}
        names = list(floor)
    else:
        floors = {"floor": floor}
    for argument, value in floors.items():
        if not _is_number(value) or not 0 <= value <= 1:
            raise ValueError(
                f"`{argument}` is expected to be a number from 0 to 1. "
                f"Received: {shortened(value)}"
            )
    values = list(floors.values())
    if not isinstance(floor, Mapping):
        values *= len(names)
    return {
        name: float(value)
        for name, value in zip(names, values, strict=True)
        if value > 0
    }


def floor_bound(
    name: str, floor: float, taps: Sequence[int], filters: int
) -> Bound:
    """A floor as a bound: minus the taps of a layer are at most minus that.

    Parameters and multiply-adds of a layer's channel are both as many times
    its taps, so that a share of the taps is a share of either.
    """
    least = (Fraction(floor) - _half_step(floor)) * filters * max(taps)
    costs = {name: tuple(Fraction(-count) for count in taps)}
    return Bound(Costs(f"floor of {name}", Fraction(0), costs), -least)


def as_number(value: Fraction) -> int | float:
    """The integer that a cost is, or else the nearest float."""
    return int(value) if value.denominator == 1 else float(value)


def least_text(least: Fraction, plain: Fraction | None) -> str:
    """The least cost, rounded up so that it is itself enough."""
    if least.denominator == 1:
        amount = str(int(least))
    else:
        amount = f"{math.ceil(least * 10**6) / 10**6:.6f}"
    if plain is None:
        return amount
    return f"{amount} ({math.ceil(least / plain * 10**4) / 10**4:.4f})"


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool | np.bool_)
        and math.isfinite(value)
    )


def _half_step(share: float) -> Fraction:
    # What lies this near to a float is the float when it is divided out, so
    # that the share that a network has is a budget that it keeps.
    return Fraction(math.ulp(share)) / 2
