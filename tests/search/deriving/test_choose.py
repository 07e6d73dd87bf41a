import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.search.budget import Bound
from keras_cakes.search.budget import CostTable
from keras_cakes.search.budget import Limits
from keras_cakes.search.budget import floor_bound
from keras_cakes.search.deriving.choose import choose
from keras_cakes.search.deriving.choose import counts_of
from keras_cakes.search.deriving.choose import least_counts
from keras_cakes.search.deriving.choose import total_cost
from keras_cakes.search.deriving.choose import total_score
from keras_cakes.search.deriving.free import DERIVE_RULES
from keras_cakes.search.deriving.program import best_counts
from keras_cakes.search.deriving.program import cheapest_counts
from keras_cakes.search.deriving.program import tightened

TAPS = (27, 9, 3)


def _counts(filters, multiple):
    """Every allowed number of channels of each candidate."""
    blocks, rest = divmod(filters, multiple)
    for counts in itertools.product(range(blocks + 1), repeat=len(TAPS)):
        if sum(counts) == blocks:
            for holder in range(len(TAPS) if rest else 1):
                whole = multiple * np.array(counts)
                whole[holder] += rest
                yield whole


def _best(table, counts, rule):
    """The largest score with these counts, by trying all."""
    if rule == "layer":
        return sum(
            sum(sorted(row, reverse=True)[:n])
            for row, n in zip(table, counts, strict=True)
        )
    kinds = np.repeat(np.arange(len(TAPS)), counts)
    return max(
        table[list(order), np.arange(len(order))].sum()
        for order in set(itertools.permutations(kinds))
    )


def _is_kept(bound, counts):
    return total_cost(bound.table, counts) <= bound.most


def _choose(tables, rule, multiple, budgets=(), floors=None):
    """As `choose`; `None` where it says that nothing is possible."""
    limits = Limits({}, budgets, floors or {})
    try:
        return choose(tables, rule, multiple, limits)
    except ValueError as error:
        assert "`budget" in str(error)
        return None


def _by_trying_all(tables, rule, multiple, bounds):
    choices = {
        name: [
            (counts, _best(table, counts, rule))
            for counts in _counts(table.shape[1], multiple)
        ]
        for name, table in tables.items()
    }
    best = None
    for choice in itertools.product(*choices.values()):
        counts = {n: c for n, (c, _) in zip(tables, choice, strict=True)}
        if all(_is_kept(bound, counts) for bound in bounds):
            score = sum(score for _, score in choice)
            best = score if best is None else max(best, score)
    return best


def _costs(generator, kind, names, largest=50):
    return CostTable(
        kind,
        5,
        {
            name: tuple(generator.integers(1, largest, len(TAPS)).tolist())
            for name in names
        },
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**31),
    st.sampled_from(DERIVE_RULES),
    st.sampled_from([1, 2]),
    st.floats(0, 1),
    st.sampled_from([0.0, 0.25, 0.5]),
    st.sampled_from([50, 10**12]),
)
def test_no_other_choice_within_bounds_scores_more(
    seed, rule, multiple, tightness, floor, largest
):
    generator = np.random.default_rng(seed)
    filters = {"first": 4, "second": 5}
    tables = {
        name: generator.normal(size=(len(TAPS), number))
        * 10.0 ** (seed % 5 - 2)
        for name, number in filters.items()
    }
    floors = {
        name: floor_bound(name, floor, TAPS, number)
        for name, number in filters.items()
        if floor
    }
    budgets = []
    for kind in ("macs", "latency"):
        costs = _costs(generator, kind, tables, largest)
        least = total_cost(
            costs, least_counts(costs, filters, multiple, floors)
        )
        most = 5 + sum(n * max(costs.of_layers[k]) for k, n in filters.items())
        amount = least + int((most - least) * tightness)
        budgets.append(Bound(costs, amount, amount))
    bounds = [*budgets, *floors.values()]
    wanted = _by_trying_all(tables, rule, multiple, bounds)
    chosen = _choose(tables, rule, multiple, budgets, floors)
    if wanted is None:
        assert chosen is None
        return
    counts = counts_of(chosen, tables)
    assert all(_is_kept(bound, counts) for bound in bounds)
    for name, number in filters.items():
        assert counts[name].tolist() in [
            c.tolist() for c in _counts(number, multiple)
        ]
    spread = sum(np.ptp(t) * t.shape[1] for t in tables.values())
    found = total_score(tables, chosen, rule, multiple)
    assert found == pytest.approx(wanted, abs=1e-3 * spread)
    again = _choose(tables, rule, multiple, budgets, floors)
    for name, indices in chosen.items():
        np.testing.assert_array_equal(again[name], indices)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.sampled_from([1, 2, 3]), st.floats(0.1, 0.9))
def test_the_least_is_that_of_all_choices(seed, multiple, floor):
    generator = np.random.default_rng(seed)
    filters = {"first": 4, "second": 5}
    costs, other = (
        _costs(generator, kind, filters) for kind in ("macs", "params")
    )
    floors = {"second": floor_bound("second", floor, TAPS, 5)}

    def least(bounds):
        choices = itertools.product(
            *(_counts(number, multiple) for number in filters.values())
        )
        every = [dict(zip(filters, choice, strict=True)) for choice in choices]
        return min(
            (
                total_cost(costs, counts)
                for counts in every
                if all(_is_kept(bound, counts) for bound in bounds)
            ),
            default=None,
        )

    found = least_counts(costs, filters, multiple, floors)
    assert total_cost(costs, found) == least(floors.values())
    bounds = [*floors.values(), Bound(other, 120)]
    within = cheapest_counts(costs, filters, multiple, bounds).counts
    wanted = least(bounds)
    assert (within is None) == (wanted is None)
    if wanted is not None:
        assert all(_is_kept(bound, within) for bound in bounds)
        assert total_cost(costs, within) == wanted


def test_a_free_choice_that_keeps_all_bounds_is_returned():
    tables = {"a": np.ones((3, 4))}
    assert _choose(tables, "channel", 1)["a"].tolist() == [0, 0, 0, 0]
    floors = {"a": floor_bound("a", 1.0, TAPS, 4)}
    chosen = _choose(tables, "layer", 1, (), floors)
    assert chosen["a"].tolist() == [0, 0, 0, 0]


def test_equal_scores_within_a_budget():
    tables = {"a": np.ones((3, 4))}
    costs = CostTable("macs", 0, {"a": TAPS})
    for multiple in (1, 2):
        chosen = _choose(tables, "channel", multiple, [Bound(costs, 40)])
        assert total_cost(costs, counts_of(chosen, tables)) <= 40


def _beyond_a_solver():
    """One in a thousand million is below the tolerance of a solver."""
    tables = {
        "a": np.array([[2.0] * 4, [1.0] * 4]),
        "b": np.array([[1.5] * 5, [1.0] * 5]),
    }
    return tables, CostTable("latency", 0, {"a": (10**9, 1), "b": (2, 1)})


def test_costs_that_a_solver_cannot_tell_apart_are_checked():
    tables, costs = _beyond_a_solver()
    for most in (4 * 10**9 + 9, 10**9 + 11, 14, 10, 9):
        bound = Bound(costs, most)
        chosen = _choose(tables, "channel", 1, [bound])
        assert _is_kept(bound, counts_of(chosen, tables))
    assert _choose(tables, "channel", 1, [Bound(costs, 8, 8)]) is None


def test_a_solution_of_a_tightened_bound_keeps_the_bound():
    tables, costs = _beyond_a_solver()
    for most in (10, 10**9 + 8, 2 * 10**9 + 8, 3 * 10**9 + 9):
        bound = Bound(costs, most)
        # The solver alone exceeds the bound.
        found = best_counts(tables, "channel", 1, [bound]).counts
        assert not _is_kept(bound, found)
        closer = tightened(bound, 1)
        assert most - 10**4 < closer.most < most
        found = best_counts(tables, "channel", 1, [closer]).counts
        assert found is None or _is_kept(bound, found)
