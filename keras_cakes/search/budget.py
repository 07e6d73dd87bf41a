"""Reads budgets and floors as bounds on integer costs.

Costs are integers, so sums and comparisons are exact. A measured time is
counted in picoseconds: a channel of a small layer takes 1 to 10 nanoseconds.
"""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Protocol

from keras_cakes._errors import number
from keras_cakes._errors import shortened
from keras_cakes.kernels.sub_kernels import SubKernel

# Kinds of cost that are integers as they stand.
_COUNTED = ("params", "macs")


class Searched(Protocol):
    """Lists candidates and their costs: a supernet, or a reconstruction.

    `search_layers` have a `name`, a `kernel_set`, a `kernel_size` and a number
    of `filters`. For the costs see `Supernet`.
    """

    channel_costs: Mapping[str, Mapping[str, Sequence[float]]] | None
    fixed_cost: Mapping[str, float] | None

    @property
    def search_layers(self) -> Sequence[Any]:
        """Lists the layers whose candidates are chosen."""


@dataclasses.dataclass(frozen=True)
class CostTable:
    """Lists the cost of one channel of every candidate of every layer.

    Args:
        kind: `"params"`, `"macs"` or `"latency"`.
        fixed: Cost of everything that is not searched.
        of_layers: For each layer the cost of one channel of each candidate.
        plain: Cost of the network with full kernels; `None` if unknown.
    """

    kind: str
    fixed: int
    of_layers: Mapping[str, tuple[int, ...]]
    plain: int | None = None


@dataclasses.dataclass(frozen=True)
class Bound:
    """Limits the total cost of a network, or of one of its layers.

    Args:
        table: The costs that are added up.
        most: The largest sum that is allowed.
        given: The number that the caller gave, for messages.
    """

    table: CostTable
    most: int
    given: Any = None


@dataclasses.dataclass(frozen=True)
class Limits:
    """Holds everything that bounds a choice of sub-kernels.

    Args:
        tables: The costs that are known, by kind.
        budgets: Bounds on the whole network.
        floors: Bounds on single layers, by name.
    """

    tables: Mapping[str, CostTable]
    budgets: Sequence[Bound]
    floors: Mapping[str, Bound]


def read_limits(searched: Searched, budget: Any, floor: Any) -> Limits:
    """Reads the arguments `budget` and `floor` of `derive`.

    Raises:
        ValueError: If one of them is not valid.
    """
    layers = {layer.name: layer for layer in searched.search_layers}
    floors = {
        name: floor_bound(
            name,
            share,
            [kernel.taps for kernel in layers[name].kernel_set],
            layers[name].filters,
        )
        for name, share in parse_floor(floor, layers).items()
    }
    tables = cost_tables(searched)
    plain = {kind: table.plain for kind, table in tables.items()}
    budget = {} if budget is None else budget
    budgets = [
        Bound(tables[kind], most, budget[kind])
        for kind, most in parse_budget(budget, plain).items()
    ]
    return Limits(tables, budgets, floors)


def cost_tables(searched: Searched) -> dict[str, CostTable]:
    """Builds the cost table of each kind that a supernet knows."""
    channel_costs = searched.channel_costs or {}
    layers = searched.search_layers
    tables = {}
    for kind, cost in (searched.fixed_cost or {}).items():
        fixed = round(cost * unit_of(kind))
        of_layers = {
            layer.name: tuple(
                round(cost * unit_of(kind))
                for cost in channel_costs[layer.name][kind]
            )
            for layer in layers
        }
        full = [
            _full_cost(layer, kind, of_layers[layer.name]) for layer in layers
        ]
        known = [cost for cost in full if cost is not None]
        plain = fixed + sum(known) if len(known) == len(full) else None
        tables[kind] = CostTable(kind, fixed, of_layers, plain)
    return tables


def _full_cost(layer: Any, kind: str, costs: Sequence[int]) -> int | None:
    """Returns the cost of a layer with full kernels, `None` if unknown."""
    full = SubKernel(*layer.kernel_size)
    if full in layer.kernel_set:
        return layer.filters * costs[layer.kernel_set.index(full)]
    if kind in _COUNTED:
        # Proportional to the taps of a kernel.
        return layer.filters * full.taps * costs[0] // layer.kernel_set[0].taps
    return None


def unit_of(kind: str) -> int:
    """Returns the integer that stands for one parameter, MAC or millisecond."""
    return 1 if kind in _COUNTED else 10**9


def parse_budget(
    budget: Any, plain: Mapping[str, int | None]
) -> dict[str, int]:
    """Reads a budget.

    Args:
        budget: Mapping of a kind of cost to a number. Up to 1 it is a share
            of the cost of the plain network; a larger one is an amount.
        plain: Cost of the plain network, by kind; `None` if unknown.

    Returns:
        The largest cost of each kind. A share becomes the largest cost whose
        ratio to the plain network rounds to at most that share.

    Raises:
        ValueError: If `budget` is not such a mapping, names another kind, or
            is a share of an unknown cost.

    Examples:
        >>> parse_budget({"macs": 0.5}, {"macs": 900})
        {'macs': 450}
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
        number(f"budget[{kind!r}]", amount, above=0)
        whole = unit_of(kind) if amount > 1 else plain[kind]
        if whole is None:
            raise ValueError(
                f"`budget[{kind!r}]` is expected to be an amount above 1: the "
                "kernel sets lack the full kernel, so that the "
                f"{kind} of the plain network is not known. "
                f"Received: {float(amount)}"
            )
        amounts[kind] = _largest(float(amount), whole)
    return amounts


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
        floors = {name: (f"floor[{name!r}]", floor[name]) for name in floor}
    else:
        floors = {name: ("floor", floor) for name in names}
    found = {
        name: number(argument, value, least=0, most=1)
        for name, (argument, value) in floors.items()
    }
    return {name: value for name, value in found.items() if value > 0}


def floor_bound(
    name: str, floor: float, taps: Sequence[int], filters: int
) -> Bound:
    """Writes a floor as a bound: minus the taps of a layer have a maximum.

    The parameters and the multiply-adds of a channel are proportional to its
    taps, so a share of the taps is a share of both.
    """
    costs = {name: tuple(-count for count in taps)}
    most = _largest(-floor, filters * max(taps))
    return Bound(CostTable(f"floor of {name}", 0, costs), most)


def _largest(limit: float, whole: int) -> int:
    """Returns the largest integer whose ratio to `whole` is at most `limit`.

    The ratio is the rounded one that a caller computes, so a network's own
    share, passed back as a budget, is satisfied by that network.
    """
    numerator, denominator = limit.as_integer_ratio()
    largest = numerator * whole // denominator + 1
    while largest / whole > limit:
        largest -= 1
    return largest
