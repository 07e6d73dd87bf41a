import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_cakes as kc
from keras_cakes.search.budget import cost_tables
from keras_cakes.search.budget import floor_bound
from keras_cakes.search.budget import parse_budget
from keras_cakes.search.budget import parse_floor


@given(st.integers(1, 10**15), st.floats(1e-6, 1))
def test_a_share_is_the_largest_that_divides_out(plain, share):
    largest = parse_budget({"macs": share}, {"macs": plain})["macs"]
    assert type(largest) is int
    assert largest / plain <= share < (largest + 1) / plain


@given(st.integers(1, 10**15), st.data())
def test_the_share_of_a_cost_allows_it(plain, data):
    cost = data.draw(st.integers(1, plain))
    budget = {"macs": cost / plain}
    assert cost <= parse_budget(budget, {"macs": plain})["macs"]


@given(st.integers(1, 512), st.data())
def test_the_floor_that_a_layer_has_is_kept(filters, data):
    counts = data.draw(st.integers(0, filters))
    taps = 27 * counts + 3 * (filters - counts)
    bound = floor_bound("a", taps / (27 * filters), [27, 3], filters)
    assert bound.table.of_layers == {"a": (-27, -3)}
    assert bound.most == -taps


@given(st.floats(1.001, 1e6))
def test_an_amount_of_time_is_kept_to_the_picosecond(amount):
    most = parse_budget({"latency": amount}, {"latency": 1})["latency"]
    assert most / 10**9 <= amount < (most + 1) / 10**9
    own = {"latency": most / 10**9}
    assert parse_budget(own, {"latency": None})["latency"] >= most


def test_amounts():
    plain = {"macs": 10**9, "latency": None}
    assert parse_budget({}, plain) == {}
    budget = {"macs": np.int64(5), "latency": 2.5}
    in_picoseconds = {"macs": 5, "latency": 2_500_000_000}
    assert parse_budget(budget, plain) == in_picoseconds
    assert parse_budget({"macs": 7.9}, plain) == {"macs": 7}
    assert parse_budget({"macs": 1}, plain) == {"macs": 10**9}
    assert parse_budget({"latency": 1e300}, plain)["latency"] > 10**308


@pytest.mark.parametrize(
    "amount", [0, -0.5, math.nan, math.inf, True, "1", None]
)
def test_an_amount_is_a_positive_number(amount):
    with pytest.raises(
        ValueError, match=r"`budget\['macs'\]`.*finite number above 0"
    ):
        parse_budget({"macs": amount}, {"macs": 9})


def test_a_budget_names_known_kinds_of_cost():
    with pytest.raises(ValueError, match="map kinds of cost.*budget=5"):
        parse_budget(5, {"macs": 9})
    with pytest.raises(ValueError, match=r"known, \['macs'\]. Rec.*'time'"):
        parse_budget({"time": 1}, {"macs": 9})
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


def test_costs_are_integers():
    model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=1)
    supernet = kc.to_supernet(model, "video_2d3d")
    timed = kc.Supernet(
        supernet.network,
        fixed_cost={**supernet.fixed_cost, "latency": 0.1},
        channel_costs={
            name: {**costs, "latency": [0.2, 3e-7]}
            for name, costs in supernet.channel_costs.items()
        },
    )
    tables = cost_tables(timed)
    layers = len(supernet.search_layers)
    # Milliseconds become whole picoseconds.
    assert tables["latency"].fixed == 10**8
    assert set(tables["latency"].of_layers.values()) == {(2 * 10**8, 300)}
    assert tables["latency"].plain == 10**8 + layers * 4 * 2 * 10**8
    cost = kc.count_cost(model)
    for kind in ("params", "macs"):
        assert tables[kind].plain == getattr(cost, kind)
        assert type(tables[kind].plain) is int
