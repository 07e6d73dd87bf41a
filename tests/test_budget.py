import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_cakes.budget import Bound
from keras_cakes.budget import Costs
from keras_cakes.budget import as_number
from keras_cakes.budget import floor_bound
from keras_cakes.budget import least_text
from keras_cakes.budget import parse_budget
from keras_cakes.budget import parse_floor


@given(st.integers(1, 10**15), st.floats(1e-6, 1))
def test_a_share_is_the_largest_that_divides_out(plain, share):
    most = parse_budget({"macs": share}, {"macs": Fraction(plain)})["macs"]
    largest = math.floor(most)
    assert largest / plain <= share < (largest + 1) / plain


@given(st.integers(1, 10**15), st.data())
def test_the_share_of_a_cost_allows_it(plain, data):
    cost = data.draw(st.integers(1, plain))
    budget = {"macs": cost / plain}
    assert cost <= parse_budget(budget, {"macs": Fraction(plain)})["macs"]


@given(st.integers(1, 512), st.data())
def test_the_floor_that_a_layer_has_is_kept(filters, data):
    counts = data.draw(st.integers(0, filters))
    taps = 27 * counts + 3 * (filters - counts)
    bound = floor_bound("a", taps / (27 * filters), [27, 3], filters)
    assert bound.excess({"a": [counts, filters - counts]}) <= 0
    if counts:
        assert bound.excess({"a": [counts - 1, filters - counts + 1]}) > 0


def test_amounts():
    plain = {"macs": Fraction(10**9), "latency": None}
    assert parse_budget({}, plain) == {}
    budget = {"macs": np.int64(5), "latency": 2.5}
    assert parse_budget(budget, plain) == {"macs": 5, "latency": 2.5}
    assert parse_budget({"macs": 1}, plain)["macs"] >= 10**9


@pytest.mark.parametrize(
    "amount", [0, -0.5, math.nan, math.inf, True, "1", None]
)
def test_an_amount_is_a_positive_number(amount):
    with pytest.raises(ValueError, match=r"`budget\['macs'\]`.*positive numb"):
        parse_budget({"macs": amount}, {"macs": Fraction(9)})


def test_messages():
    with pytest.raises(ValueError, match="map kinds of cost.*budget=5"):
        parse_budget(5, {"macs": Fraction(9)})
    with pytest.raises(ValueError, match=r"known, \['macs'\]. Rec.*'time'"):
        parse_budget({"time": 1}, {"macs": Fraction(9)})
    with pytest.raises(ValueError, match="none is known: the sizes"):
        parse_budget({"macs": 1}, {})
    with pytest.raises(ValueError, match="amount above 1.*latency.*: 0.5"):
        parse_budget({"latency": 0.5}, {"latency": None})


def test_floors():
    assert parse_floor(0.0, ["a"]) == {}
    assert parse_floor(1, ["a", "b"]) == {"a": 1.0, "b": 1.0}
    assert parse_floor({"b": 0.5, "a": 0}, ["a", "b"]) == {"b": 0.5}
    for floor in (-0.1, 1.1, "half", None, True, math.nan):
        with pytest.raises(ValueError, match="`floor` is expected.*0 to 1"):
            parse_floor(floor, ["a"])
        with pytest.raises(ValueError, match=r"`floor\['a'\]` is expected"):
            parse_floor({"a": floor}, ["a"])
    with pytest.raises(ValueError, match=r"search layers, \['a'\].*\['b'\]"):
        parse_floor({"b": 0.5}, ["a"])


def test_costs_are_exact():
    costs = Costs("latency", Fraction(0.1), {"a": (Fraction(0.2), Fraction(3))})
    assert costs.total({"a": [1, 1]}) == Fraction(0.1) + Fraction(0.2) + 3
    bound = Bound(costs, Fraction(3))
    assert bound.excess({"a": np.array([1, 1])}) > 0
    assert bound.excess({"a": np.array([2, 0])}) < 0


def test_the_least_is_rounded_up():
    assert least_text(Fraction(7), Fraction(9)) == "7 (0.7778)"
    assert least_text(Fraction(1, 3), None) == "0.333334"
    assert as_number(Fraction(7)) == 7
    assert as_number(Fraction(1, 4)) == 0.25
