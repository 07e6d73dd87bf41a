"""Solves one integer program: the sub-kernels of all layers under bounds.

The integers are the blocks of channels of each candidate of each layer; costs
depend on them alone. With `rule="channel"`, continuous variables distribute
the channels over the candidates: for whole counts this transport problem has
an integer optimum. A network of thousands of channels needs about 100 integers.
"""

import dataclasses
import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from keras_cakes.search.budget import Bound
from keras_cakes.search.budget import CostTable

# One array for each layer.
Arrays = Mapping[str, np.ndarray]

# The solver may stop at this distance from the best score, as a share of the
# possible gain. For blocks it is a share of the score, up to `_MOST_GAPS`
# times as much: proving the last difference takes minutes.
GAP = 1e-4
_MOST_GAPS = 10
SECONDS = 60.0
# The solver keeps bounds and integers to one millionth.
_TOLERANCE = 10**-6
# The status of `milp` when its time was over.
_STOPPED = 1


@dataclasses.dataclass(frozen=True)
class _Columns:
    """Holds the variables of one layer and its equations.

    Args:
        candidates: Number of candidates. Each has an integer `blocks`, then
            each an integer `has_rest`; continuous variables may follow.
        filters: Number of channels.
        objective: The coefficient of each variable in the minimized sum.
        matrix: The coefficients of the equations.
        right: The right sides of the equations.
        shift: Constant to add to minus the objective to get the score.
    """

    candidates: int
    filters: int
    objective: np.ndarray
    matrix: Any
    right: np.ndarray
    shift: float = 0.0


class Solution(NamedTuple):
    """Holds the counts that the solver found.

    Args:
        counts: For each layer integers of shape `(candidates,)`, or `None`
            if none exist or none were found in time.
        is_stopped: True if the time ran out.
        best: An upper bound of the score; not a number if unknown.
    """

    counts: dict[str, np.ndarray] | None
    is_stopped: bool
    best: float


def best_counts(
    scores: Arrays,
    rule: str,
    multiple: int,
    bounds: Sequence[Bound] = (),
    *,
    free_score: float | None = None,
    gap: float = GAP,
    seconds: float = SECONDS,
) -> Solution:
    """Finds the counts of largest total score that keep all bounds.

    Args:
        scores: For each layer an array of shape `(candidates, filters)`.
        rule: See `keras_cakes.derive`.
        multiple: Candidates have whole blocks of this number of channels.
        bounds: Bounds on the network and on single layers, which the solver
            keeps up to its tolerance; see `tightened`.
        free_score: The largest score without bounds, to make `gap` a share of
            it instead of a share of the gain.
        gap: Share of the gain at which the solver may stop.
        seconds: Time after which the solver is stopped.
    """
    columns = {
        name: _score_columns(table, rule, multiple)
        for name, table in scores.items()
    }
    if free_score is not None:
        shift = sum(column.shift for column in columns.values())
        gain = free_score - shift or 1.0
        gap *= min(max(abs(free_score) / gain, 1), _MOST_GAPS)
    return _solve(columns, multiple, bounds, gap, seconds)


def cheapest_counts(
    table: CostTable,
    filters: Mapping[str, int],
    multiple: int,
    bounds: Sequence[Bound],
    gap: float = 0.0,
) -> Solution:
    """Finds the counts of least total cost that keep all bounds.

    Args:
        table: The costs that are minimized.
        filters: The layers, each with its number of channels.
        multiple: See `best_counts`.
        bounds: See `best_counts`.
        gap: Relative gap at which the solver may stop.
    """
    import scipy.sparse

    columns = {}
    for name, number in filters.items():
        prices = table.of_layers[name]
        blocks, rest = divmod(number, multiple)
        one = np.ones((1, len(prices)))
        columns[name] = _Columns(
            len(prices),
            number,
            _integer_prices(prices, number, multiple),
            scipy.sparse.block_diag([one, one]),
            np.array([blocks, rest > 0], "float64"),
        )
    return _solve(columns, multiple, bounds, gap, SECONDS)


def tightened(bound: Bound, multiple: int) -> Bound:
    """Lowers a bound by the tolerance with which the solver keeps it.

    In units of the largest price of a block, the solver exceeds a bound by at
    most one tolerance for the sum and one for rounding each integer. A
    solution of the lowered bound, rounded, therefore keeps the bound itself.
    """
    prices = [price for row in bound.table.of_layers.values() for price in row]
    largest = multiple * max(abs(price) for price in prices)
    slack = math.ceil(_TOLERANCE * (1 + 2 * len(prices)) * largest)
    return dataclasses.replace(bound, most=bound.most - slack)


def _score_columns(table: np.ndarray, rule: str, multiple: int) -> _Columns:
    """Builds the columns of a layer whose score is maximized.

    The least score counts as zero, so a relative gap is a share of the gain.
    """
    import scipy.sparse

    candidates, filters = table.shape
    blocks, rest = divmod(filters, multiple)
    if rule == "channel":
        unit, worst = 1, table.min(axis=0)
        gains = table - worst
        shift = float(worst.sum())
    else:
        # The largest scores of a row are taken first. One variable stands for
        # the largest number of channels that divides every possible count.
        unit = math.gcd(filters, multiple)
        ordered = -np.sort(-table, axis=1) - table.min()
        gains = ordered.reshape(candidates, -1, unit).sum(axis=2)
        shift = float(table.min() * filters)
    each = scipy.sparse.identity(candidates)
    shares = gains.shape[1]
    of_candidate = scipy.sparse.kron(each, np.ones((1, shares)))
    ones = np.ones((1, candidates))
    rows = [
        [ones, None, None],
        [None, ones, None],
        [-multiple // unit * each, -rest // unit * each, of_candidate],
    ]
    right = [blocks, int(rest > 0)] + [0] * candidates
    if rule == "channel":
        one_each = scipy.sparse.kron(ones, scipy.sparse.identity(filters))
        rows.append([None, None, one_each])
        right += [1] * filters
    return _Columns(
        candidates,
        filters,
        np.concatenate([np.zeros(2 * candidates), -gains.ravel()]),
        scipy.sparse.bmat(rows),
        np.array(right, "float64"),
        shift,
    )


def _solve(
    layers: Mapping[str, _Columns],
    multiple: int,
    bounds: Sequence[Bound],
    gap: float,
    seconds: float,
) -> Solution:
    """Solves the program of all layers."""
    import scipy.optimize
    import scipy.sparse

    columns = list(layers.values())
    matrices = [scipy.sparse.block_diag([c.matrix for c in columns])]
    equal = np.concatenate([c.right for c in columns])
    tops = []
    for bound in bounds:
        row = _bound_row(bound, layers, multiple)
        scale = np.abs(row).max() or 1.0
        matrices.append(scipy.sparse.csr_array(row[None] / scale))
        tops.append((bound.most - bound.table.fixed) / scale)
    objective = np.concatenate([c.objective for c in columns])
    unit = np.abs(objective).max() or 1.0
    is_integer, upper = [], []
    for c in columns:
        shares = len(c.objective) - 2 * c.candidates
        is_integer += [1] * 2 * c.candidates + [0] * shares
        upper += [c.filters] * c.candidates + [1] * (c.candidates + shares)
    result = scipy.optimize.milp(
        objective / unit,
        constraints=scipy.optimize.LinearConstraint(
            scipy.sparse.csc_array(scipy.sparse.vstack(matrices)),
            np.concatenate([equal, np.full(len(tops), -np.inf)]),
            np.concatenate([equal, tops]),
        ),
        integrality=is_integer,
        bounds=scipy.optimize.Bounds(0, upper),
        options={"mip_rel_gap": gap, "time_limit": seconds},
    )
    dual = result.mip_dual_bound
    return Solution(
        None if result.x is None else _counts(layers, multiple, result.x),
        result.status == _STOPPED,
        math.nan
        if dual is None
        else sum(c.shift for c in columns) - unit * dual,
    )


def _counts(
    layers: Mapping[str, _Columns], multiple: int, values: np.ndarray
) -> dict[str, np.ndarray]:
    """Reads the counts from the values of all variables."""
    counts, start = {}, 0
    for name, c in layers.items():
        whole = values[start : start + 2 * c.candidates].round().astype(int)
        blocks, has_rest = whole.reshape(2, c.candidates)
        counts[name] = multiple * blocks + c.filters % multiple * has_rest
        start += len(c.objective)
    return counts


def _bound_row(
    bound: Bound, layers: Mapping[str, _Columns], multiple: int
) -> np.ndarray:
    """Returns the coefficient of each variable in the sum of a bound."""
    parts = []
    for name, c in layers.items():
        part = np.zeros(len(c.objective))
        if name in bound.table.of_layers:
            prices = bound.table.of_layers[name]
            part[: 2 * c.candidates] = _integer_prices(
                prices, c.filters, multiple
            )
        parts.append(part)
    return np.concatenate(parts)


def _integer_prices(
    prices: Sequence[int], filters: int, multiple: int
) -> np.ndarray:
    """Returns the price of a block, then of the rest, of each candidate."""
    each = np.array(prices, "float64")
    return np.concatenate([multiple * each, filters % multiple * each])
