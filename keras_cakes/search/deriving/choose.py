"""Chooses a sub-kernel for every channel of a network, within its limits."""

import math
import warnings
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from keras_cakes._errors import choose as one_of
from keras_cakes._errors import whole
from keras_cakes.search.budget import Bound
from keras_cakes.search.budget import CostTable
from keras_cakes.search.budget import Limits
from keras_cakes.search.budget import unit_of
from keras_cakes.search.deriving.free import DERIVE_RULES
from keras_cakes.search.deriving.free import choose_free
from keras_cakes.search.deriving.program import GAP
from keras_cakes.search.deriving.program import SECONDS
from keras_cakes.search.deriving.program import Arrays
from keras_cakes.search.deriving.program import best_counts
from keras_cakes.search.deriving.program import cheapest_counts
from keras_cakes.search.deriving.program import tightened


def choose(
    scores: Arrays, rule: str, multiple: int, limits: Limits
) -> dict[str, np.ndarray]:
    """Chooses candidates of largest total score, within budgets and floors.

    Args:
        scores: For each layer a finite array of shape `(candidates,
            filters)`.
        rule: See `keras_cakes.derive`.
        multiple: See `channel_multiple` of `keras_cakes.derive`.
        limits: The budgets and floors.

    Returns:
        For each layer the indices of `choose_free` if they keep all bounds;
        otherwise indices whose total score is proven to be within `GAP` of
        the best possible. If the proof takes longer than `SECONDS`, a
        `UserWarning` states the difference that is proven.

    Raises:
        ValueError: If `rule` or `multiple` is not valid, or no choice keeps
            the bounds.
    """
    one_of("rule", rule, DERIVE_RULES)
    multiple = whole("channel_multiple", multiple, least=1)
    bounds = [*limits.budgets, *limits.floors.values()]
    free = {
        n: choose_free(table, rule, multiple) for n, table in scores.items()
    }
    if not _exceeded(bounds, counts_of(free, scores)):
        return free
    free_score = (
        total_score(scores, free, rule, multiple) if multiple > 1 else None
    )
    solution = best_counts(
        scores, rule, multiple, bounds, free_score=free_score
    )
    best = solution.best
    exceeded = solution.counts and _exceeded(bounds, solution.counts)
    if exceeded:
        closer = [
            tightened(b, multiple) if b in exceeded else b for b in bounds
        ]
        solution = best_counts(
            scores, rule, multiple, closer, free_score=free_score
        )
    counts = solution.counts
    if counts is None or _exceeded(bounds, counts):
        # The bounds are within a tolerance of the least possible.
        filters = {name: table.shape[1] for name, table in scores.items()}
        cheapest = (
            least_counts(bound.table, filters, multiple, limits.floors)
            for bound in limits.budgets
        )
        counts = next((c for c in cheapest if not _exceeded(bounds, c)), None)
        if counts is None:
            raise _impossible(limits, filters, multiple)
    chosen = {
        name: (
            match_channels(table, counts[name])
            if rule == "channel" and multiple == 1
            else np.repeat(np.arange(len(table)), counts[name])
        )
        for name, table in scores.items()
    }
    if solution.is_stopped:
        score = total_score(scores, chosen, rule, multiple)
        loss = max(best - score, 0) / max(abs(best), 1e-300)
        warnings.warn(
            f"The integer program was stopped after {SECONDS:g} s. Its choice "
            f"is proven to score at most {loss:.3%} "
            "less than the best possible.",
            stacklevel=3,
        )
    return chosen


def match_channels(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Matches channels to candidates of given counts, for the largest score.

    Args:
        scores: Array of shape `(candidates, filters)`.
        counts: The number of channels of each candidate.

    Returns:
        The index of each channel's candidate.
    """
    import scipy.optimize

    kinds = np.repeat(np.arange(len(scores)), counts)
    rows, channels = scipy.optimize.linear_sum_assignment(
        scores[kinds], maximize=True
    )
    chosen = np.empty(scores.shape[1], int)
    chosen[channels] = kinds[rows]
    return chosen


def total_score(
    scores: Arrays, chosen: Arrays, rule: str, multiple: int
) -> float:
    """Adds up the score of a choice over all layers."""
    return math.fsum(
        _layer_score(table, chosen[name], rule, multiple)
        for name, table in scores.items()
    )


def _layer_score(
    scores: np.ndarray, chosen: np.ndarray, rule: str, multiple: int
) -> float:
    counts = np.bincount(chosen, minlength=len(scores))
    if rule == "layer":
        ordered = -np.sort(-scores, axis=1)
        taken = np.arange(scores.shape[1]) < counts[:, None]
        return float(ordered[taken].sum())
    if multiple > 1:
        chosen = match_channels(scores, counts)
    return float(scores[chosen, np.arange(len(chosen))].sum())


def counts_of(chosen: Arrays, scores: Arrays) -> dict[str, np.ndarray]:
    """Counts the channels of each candidate of a choice, per layer."""
    return {
        name: np.bincount(indices, minlength=len(scores[name]))
        for name, indices in chosen.items()
    }


def total_cost(table: CostTable, counts: Arrays) -> int:
    """Adds up the cost of counts of channels over all layers, exactly."""
    return table.fixed + sum(
        price * int(count)
        for name, prices in table.of_layers.items()
        for price, count in zip(prices, counts[name], strict=True)
    )


def least_counts(
    table: CostTable,
    filters: Mapping[str, int],
    multiple: int,
    floors: Mapping[str, Bound],
) -> dict[str, np.ndarray]:
    """Finds the cheapest counts that keep the floors, layer by layer.

    Args:
        table: The costs that are minimized.
        filters: Number of channels of each layer.
        multiple: Candidates have whole blocks of this number of channels.
        floors: Bounds on single layers that its largest candidate keeps.

    Returns:
        Integers of shape `(candidates,)` for each layer.
    """
    least: dict[str, np.ndarray] = {}
    for name, prices in table.of_layers.items():
        if name in floors:
            one = {name: filters[name]}
            found = cheapest_counts(table, one, multiple, [floors[name]])
            least.update(found.counts or {})
        else:
            least[name] = np.zeros(len(prices), int)
            least[name][prices.index(min(prices))] = filters[name]
    return least


def _exceeded(bounds: Sequence[Bound], counts: Arrays) -> list[Bound]:
    return [b for b in bounds if total_cost(b.table, counts) > b.most]


def _impossible(
    limits: Limits, filters: Mapping[str, int], multiple: int
) -> ValueError:
    """Names the first budget that is too low, alone or after the others."""
    for i, bound in enumerate(limits.budgets):
        table, floors = bound.table, limits.floors
        kept = "that keeps the floors " if floors else ""
        counts = least_counts(table, filters, multiple, floors)
        if i and total_cost(table, counts) <= bound.most:
            earlier = limits.budgets[:i]
            bounds = [*earlier, *floors.values()]
            found = cheapest_counts(table, filters, multiple, bounds, GAP)
            if found.counts and not _exceeded(bounds, found.counts):
                counts = found.counts
                kinds = " and ".join(other.table.kind for other in earlier)
                kept = f"that keeps the budget of {kinds} "
        least = total_cost(table, counts)
        if least > bound.most:
            # Rounded up, so that each number is itself enough.
            digits = 0 if (unit := unit_of(table.kind)) == 1 else 6
            text = f"{-(-least * 10**digits // unit) / 10**digits:.{digits}f}"
            if table.plain is not None:
                text += f" ({-(-least * 10**4 // table.plain) / 10**4:.4f})"
            return ValueError(
                f"`budget[{table.kind!r}]` is expected to be at least {text}, "
                f"what the cheapest choice {kept}costs. "
                f"Received: {bound.given}"
            )
    budget = {bound.table.kind: bound.given for bound in limits.budgets}
    return ValueError(
        "The kinds of `budget` are expected to be possible together. "
        f"Received: budget={budget}"
    )
