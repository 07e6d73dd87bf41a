import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.allocation import allocate
from keras_cakes.allocation import counts_of
from keras_cakes.allocation import least_counts
from keras_cakes.allocation import least_counts_within
from keras_cakes.allocation import total_score
from keras_cakes.budget import Bound
from keras_cakes.budget import Costs
from keras_cakes.budget import floor_bound
from keras_cakes.selection import RULES

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
        if all(bound.excess(counts) <= 0 for bound in bounds):
            score = sum(score for _, score in choice)
            best = score if best is None else max(best, score)
    return best


def _costs(generator, kind, names, is_whole):
    return Costs(
        kind,
        Fraction(5),
        {
            name: tuple(
                Fraction(int(t) if is_whole else float(t) / 7)
                for t in generator.integers(1, 50, len(TAPS))
            )
            for name in names
        },
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**31),
    st.sampled_from(RULES),
    st.sampled_from([1, 2]),
    st.floats(0, 1),
    st.sampled_from([0.0, 0.25, 0.5]),
    st.booleans(),
)
def test_no_other_choice_within_bounds_scores_more(
    seed, rule, multiple, tightness, floor, is_whole
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
        costs = _costs(generator, kind, tables, is_whole)
        least = costs.total(least_counts(costs, filters, multiple, floors))
        most = 5 + sum(n * max(costs.of_layers[k]) for k, n in filters.items())
        amount = least + (most - least) * Fraction(tightness)
        budgets.append(Bound(costs, amount))
    bounds = [*budgets, *floors.values()]
    wanted = _by_trying_all(tables, rule, multiple, bounds)
    chosen = allocate(tables, rule, multiple, budgets, floors)
    if wanted is None:
        assert chosen is None
        return
    counts = counts_of(chosen, tables)
    assert all(bound.excess(counts) <= 0 for bound in bounds)
    for name, number in filters.items():
        assert counts[name].tolist() in [
            c.tolist() for c in _counts(number, multiple)
        ]
    spread = sum(np.ptp(t) * t.shape[1] for t in tables.values())
    found = total_score(tables, chosen, rule, multiple)
    assert found == pytest.approx(wanted, abs=1e-3 * spread)
    again = allocate(tables, rule, multiple, budgets, floors)
    for name, indices in chosen.items():
        np.testing.assert_array_equal(again[name], indices)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.sampled_from([1, 2, 3]), st.floats(0.1, 0.9))
def test_the_least_is_that_of_all_choices(seed, multiple, floor):
    generator = np.random.default_rng(seed)
    filters = {"first": 4, "second": 5}
    costs, other = (
        _costs(generator, kind, filters, True) for kind in ("macs", "params")
    )
    floors = {"second": floor_bound("second", floor, TAPS, 5)}

    def least(bounds):
        choices = itertools.product(
            *(_counts(number, multiple) for number in filters.values())
        )
        every = [dict(zip(filters, choice, strict=True)) for choice in choices]
        return min(
            (
                costs.total(counts)
                for counts in every
                if all(bound.excess(counts) <= 0 for bound in bounds)
            ),
            default=None,
        )

    found = least_counts(costs, filters, multiple, floors)
    assert costs.total(found) == least(floors.values())
    bounds = [*floors.values(), Bound(other, Fraction(120))]
    within = least_counts_within(costs, filters, multiple, bounds)
    wanted = least(bounds)
    assert (within is None) == (wanted is None)
    if wanted is not None:
        assert wanted <= costs.total(within) <= wanted * Fraction(1001, 1000)


def test_what_is_kept_without_a_program_is_what_is_selected():
    tables = {"a": np.ones((3, 4))}
    assert allocate(tables, "channel", 1)["a"].tolist() == [0, 0, 0, 0]
    floors = {"a": floor_bound("a", 1.0, TAPS, 4)}
    chosen = allocate(tables, "layer", 1, (), floors)
    assert chosen["a"].tolist() == [0, 0, 0, 0]


def test_equal_scores_within_a_budget():
    tables = {"a": np.ones((3, 4))}
    costs = Costs("macs", Fraction(0), {"a": tuple(map(Fraction, TAPS))})
    for multiple in (1, 2):
        chosen = allocate(
            tables, "channel", multiple, [Bound(costs, Fraction(40))]
        )
        assert costs.total(counts_of(chosen, tables)) <= 40


def test_what_a_solver_cannot_tell_apart_is_checked():
    """One in a thousand million is below the tolerance of a solver."""
    tables = {
        "a": np.array([[2.0] * 4, [1.0] * 4]),
        "b": np.array([[1.5] * 5, [1.0] * 5]),
    }
    of_layers = {
        "a": (Fraction(10**9), Fraction(1)),
        "b": (Fraction(2), Fraction(1)),
    }
    costs = Costs("latency", Fraction(0), of_layers)
    for most in (4 * 10**9 + 9, 10**9 + 11, 14, 10, 9):
        bound = Bound(costs, Fraction(most))
        chosen = allocate(tables, "channel", 1, [bound])
        assert bound.excess(counts_of(chosen, tables)) <= 0
    assert allocate(tables, "channel", 1, [Bound(costs, Fraction(8))]) is None
