"""The integer program of blocks of channels, as a solver takes it."""

import dataclasses
import math
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from typing import Any
from typing import NamedTuple

import numpy as np

from keras_cakes.budget import Bound

# How `milp` says that its time was over.
_STOPPED = 1


@dataclasses.dataclass(frozen=True)
class Columns:
    """The part of the program that belongs to one layer.

    Its variables are integers `blocks` of each candidate and `has_rest` of
    each candidate, and perhaps shares of candidates in channels.

    Args:
        candidates: Number of candidates.
        filters: Number of channels.
        objective: What each variable adds to what is to be least.
        matrix: What their equations multiply them by.
        right: The right sides of the equations.
        shift: The largest score less what the objective says of it.
    """

    candidates: int
    filters: int
    objective: np.ndarray
    matrix: Any
    right: np.ndarray
    shift: float = 0.0

    @property
    def integers(self) -> int:
        """Number of integer variables, which come first."""
        return 2 * self.candidates


class Solution(NamedTuple):
    """What the solver found.

    Args:
        counts: For each layer integers of shape `(candidates,)`, or `None`
            if there are none, or none were found in time.
        is_stopped: Whether the time was over.
        dual_bound: The objective is proven to be no less, where known.
    """

    counts: dict[str, np.ndarray] | None
    is_stopped: bool
    dual_bound: float | None


def with_scores(table: np.ndarray, rule: str, multiple: int) -> Columns:
    """The columns of a layer whose total score is to be largest.

    Scores are counted from the least, so that a relative gap means a share
    of what can be gained.

    Args:
        table: Array of shape `(candidates, filters)`.
        rule: See `keras_cakes.selection.select`.
        multiple: As above.
    """
    import scipy.sparse

    candidates, filters = table.shape
    blocks, rest = divmod(filters, multiple)
    if rule == "channel":
        unit, worst = 1, table.min(axis=0)
        gains = table - worst
        shift = float(worst.sum())
    else:
        # The largest of a row are taken first, as many as any count is a
        # multiple of at once.
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
    return Columns(
        candidates,
        filters,
        np.concatenate([np.zeros(2 * candidates), -gains.ravel()]),
        scipy.sparse.bmat(rows),
        np.array(right, "float64"),
        shift,
    )


def without_scores(costs: np.ndarray, filters: int, multiple: int) -> Columns:
    """The columns of a layer whose cost is to be least.

    Args:
        costs: What a channel of each candidate costs.
        filters: Number of channels.
        multiple: Candidates have whole blocks of so many channels.
    """
    import scipy.sparse

    candidates = len(costs)
    blocks, rest = divmod(filters, multiple)
    return Columns(
        candidates,
        filters,
        np.concatenate([multiple * costs, rest * costs]),
        scipy.sparse.kron(scipy.sparse.identity(2), np.ones((1, candidates))),
        np.array([blocks, rest > 0], "float64"),
    )


def solve(
    layers: Mapping[str, Columns],
    multiple: int,
    bounds: Sequence[Bound],
    most: Sequence[Fraction],
    gap: float = 0.0,
    seconds: float = 60.0,
) -> Solution:
    """Solves the program of all layers.

    Args:
        layers: The columns of each layer.
        multiple: The number of channels in a block.
        bounds: What else is bounded, besides the layers' own equations.
        most: By how much; a solver keeps to it up to its tolerance.
        gap: Relative gap at which the solver may stop.
        seconds: When the solver is stopped.
    """
    import scipy.optimize
    import scipy.sparse

    columns = list(layers.values())
    matrix = scipy.sparse.block_diag([c.matrix for c in columns])
    equal = np.concatenate([c.right for c in columns])
    rows = [bound_row(bound, layers, multiple) for bound in bounds]
    tops = []
    for i, (bound, amount) in enumerate(zip(bounds, most, strict=True)):
        scale = np.abs(rows[i]).max() or 1.0
        rows[i] /= scale
        tops.append(float(amount - bound.costs.fixed) / scale)
    matrix = scipy.sparse.vstack(
        [matrix, *(scipy.sparse.csr_array(row[None]) for row in rows)]
    )
    objective = np.concatenate([c.objective for c in columns])
    unit = np.abs(objective).max() or 1.0
    integrality = np.concatenate(
        [np.arange(len(c.objective)) < c.integers for c in columns]
    )
    upper = np.concatenate(
        [
            np.where(np.arange(len(c.objective)) < c.candidates, c.filters, 1)
            for c in columns
        ]
    )
    result = scipy.optimize.milp(
        objective / unit,
        constraints=scipy.optimize.LinearConstraint(
            scipy.sparse.csc_array(matrix),
            np.concatenate([equal, np.full(len(rows), -np.inf)]),
            np.concatenate([equal, tops]),
        ),
        integrality=integrality.astype(int),
        bounds=scipy.optimize.Bounds(0, upper),
        options={"mip_rel_gap": gap, "time_limit": seconds},
    )
    bound = result.mip_dual_bound
    return Solution(
        None if result.x is None else _counts(layers, multiple, result.x),
        result.status == _STOPPED,
        None if bound is None else unit * bound,
    )


def _counts(
    layers: Mapping[str, Columns], multiple: int, values: np.ndarray
) -> dict[str, np.ndarray]:
    counts, start = {}, 0
    for name, c in layers.items():
        whole = values[start : start + c.integers].round().astype(int)
        blocks, has_rest = whole.reshape(2, c.candidates)
        counts[name] = multiple * blocks + c.filters % multiple * has_rest
        start += len(c.objective)
    return counts


def bound_row(
    bound: Bound, layers: Mapping[str, Columns], multiple: int
) -> np.ndarray:
    """What each variable adds to what is bounded."""
    parts = []
    for name, c in layers.items():
        part = np.zeros(len(c.objective))
        if name in bound.costs.of_layers:
            costs = np.array(bound.costs.of_layers[name], "float64")
            part[: c.integers] = np.concatenate(
                [multiple * costs, c.filters % multiple * costs]
            )
        parts.append(part)
    return np.concatenate(parts)
