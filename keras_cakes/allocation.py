"""One integer program: the sub-kernels of all layers under bounds.

Its integers are the blocks of channels of each candidate of each layer; costs
depend on nothing else. Which channel has which candidate is a transport
between them, whose solution is whole where the counts are, so that its
variables need not be integers. That leaves some hundred integers for a network
of thousands of channels.
"""

import math
import warnings
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from keras_cakes.budget import Bound
from keras_cakes.budget import Costs
from keras_cakes.integer_program import Columns
from keras_cakes.integer_program import bound_row
from keras_cakes.integer_program import solve
from keras_cakes.integer_program import with_scores
from keras_cakes.integer_program import without_scores
from keras_cakes.selection import assign
from keras_cakes.selection import select
from keras_cakes.selection import weight_of

# A choice may score this share of what there is to gain less than the best
# possible. Of blocks it is the same share of the score, as far as that is no
# more than ten times as much: to prove the last of it takes minutes.
GAP = 1e-4
_MOST_GAPS = 10
SECONDS = 60.0
# Solvers keep bounds to about a millionth; how often to try a tighter one.
_TIGHTENINGS = 4
_TOLERANCE = 1e-6

Tables = Mapping[str, np.ndarray]
CountsOf = dict[str, np.ndarray]


def allocate(
    tables: Tables,
    rule: str,
    multiple: int,
    budgets: Sequence[Bound] = (),
    floors: Mapping[str, Bound] = MappingProxyType({}),
) -> dict[str, np.ndarray] | None:
    """Chooses candidates of largest total score that keep all bounds.

    Args:
        tables: For each layer scores of shape `(candidates, filters)`.
        rule: See `keras_cakes.selection.select`.
        multiple: As above.
        budgets: Bounds on costs of the whole network.
        floors: Bounds on single layers.

    Returns:
        For each layer what `select` returns, or `None` where no choice keeps
        all bounds. Where `select` itself keeps them, that; else a choice
        whose score is proven to be as near to the best possible as `GAP`. A
        `UserWarning` states what is proven instead if that takes longer than
        `SECONDS`.
    """
    direct = {name: select(t, rule, multiple) for name, t in tables.items()}
    bounds = [*budgets, *floors.values()]
    if _keep(bounds, counts_of(direct, tables)):
        return direct
    counts, is_stopped, best = _solve_within(
        tables, rule, multiple, bounds, direct
    )
    if counts is None:
        # So near to the least possible that nothing else is left.
        filters = {name: table.shape[1] for name, table in tables.items()}
        cheapest = (
            least_counts(bound.costs, filters, multiple, floors)
            for bound in budgets
        )
        counts = next((c for c in cheapest if _keep(bounds, c)), None)
    if counts is None:
        return None
    chosen = {
        name: (
            assign(table, counts[name])
            if rule == "channel" and multiple == 1
            else np.repeat(np.arange(len(table)), counts[name])
        )
        for name, table in tables.items()
    }
    if is_stopped:
        score = total_score(tables, chosen, rule, multiple)
        loss = max(best - score, 0) / max(abs(best), 1e-300)
        warnings.warn(
            f"The integer program was stopped after {SECONDS:g} s. Its choice "
            f"is proven to score at most {loss:.3%} "
            "less than the best possible.",
            stacklevel=4,
        )
    return chosen


def _solve_within(
    tables: Tables,
    rule: str,
    multiple: int,
    bounds: Sequence[Bound],
    direct: Tables,
) -> tuple[CountsOf | None, bool, float]:
    """The counts, whether the solver was stopped, the best possible score."""
    columns = {
        name: with_scores(table, rule, multiple)
        for name, table in tables.items()
    }
    shift = sum(column.shift for column in columns.values())
    gap = GAP
    if multiple > 1:
        score = total_score(tables, direct, rule, multiple)
        gap *= min(max(abs(score) / (score - shift or 1.0), 1), _MOST_GAPS)
    is_stopped, best = False, math.nan
    most = [bound.most for bound in bounds]
    for attempt in range(_TIGHTENINGS):
        result = solve(columns, multiple, bounds, most, gap, SECONDS)
        is_stopped = result.is_stopped
        if attempt == 0 and result.dual_bound is not None:
            best = shift - result.dual_bound
        if result.counts is None:
            break
        if _keep(bounds, result.counts):
            return result.counts, is_stopped, best
        for i, bound in enumerate(bounds):
            excess = bound.excess(result.counts)
            if excess > 0:
                largest = bound_row(bound, columns, multiple).max()
                margin = 4**attempt * _TOLERANCE * abs(largest)
                most[i] -= excess + Fraction(margin)
    return None, is_stopped, best


def total_score(
    tables: Tables, chosen: Tables, rule: str, multiple: int
) -> float:
    """The total score of a choice, over all layers."""
    return math.fsum(
        weight_of(table, chosen[name], rule, multiple)
        for name, table in tables.items()
    )


def counts_of(chosen: Tables, tables: Tables) -> CountsOf:
    """How many channels of each candidate a choice has, per layer."""
    return {
        name: np.bincount(indices, minlength=len(tables[name]))
        for name, indices in chosen.items()
    }


def least_counts(
    costs: Costs,
    filters: Mapping[str, int],
    multiple: int,
    floors: Mapping[str, Bound],
) -> CountsOf:
    """The cheapest counts that keep the floors.

    Args:
        costs: What is to be least.
        filters: Number of channels of each layer.
        multiple: Candidates have whole blocks of so many channels.
        floors: Bounds on single layers, each at most what the candidate of
            most taps keeps.

    Returns:
        Integers of shape `(candidates,)` for each layer.
    """
    least: CountsOf = {}
    for name, column in _cost_columns(costs, filters, multiple).items():
        if name in floors:
            bound = floors[name]
            one = solve({name: column}, multiple, [bound], [bound.most])
            least.update(one.counts or {})
        else:
            of_layer = costs.of_layers[name]
            least[name] = np.zeros(len(of_layer), int)
            least[name][of_layer.index(min(of_layer))] = filters[name]
    return least


def least_counts_within(
    costs: Costs,
    filters: Mapping[str, int],
    multiple: int,
    bounds: Sequence[Bound],
) -> CountsOf | None:
    """Counts within `GAP` of the cheapest that keep any bounds, or `None`."""
    columns = _cost_columns(costs, filters, multiple)
    most = [bound.most for bound in bounds]
    counts = solve(columns, multiple, bounds, most, GAP, SECONDS).counts
    return counts if counts and _keep(bounds, counts) else None


def _cost_columns(
    costs: Costs, filters: Mapping[str, int], multiple: int
) -> dict[str, Columns]:
    return {
        name: without_scores(np.array(of_layer, "float64"), number, multiple)
        for name, of_layer in costs.of_layers.items()
        for number in (filters[name],)
    }


def _keep(bounds: Sequence[Bound], counts: CountsOf) -> bool:
    return all(bound.excess(counts) <= 0 for bound in bounds)
