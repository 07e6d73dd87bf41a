import re

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

import keras_cakes as kc
from keras_cakes.search.budget import read_limits
from keras_cakes.search.deriving.choose import choose
from keras_cakes.search.deriving.choose import counts_of
from keras_cakes.search.deriving.choose import least_counts
from keras_cakes.search.deriving.choose import total_cost
from keras_cakes.search.deriving.derive import configuration_of


def _supernet(kernel_set, gammas):
    model = kc.models.unet3d((8, 8, 8, 1), width=len(gammas[0]), depth=1)
    supernet = kc.to_supernet(model, kernel_set=kernel_set)
    for layer in supernet.search_layers:
        layer.path_normalization.gamma.assign(np.array(gammas))
    return supernet


@pytest.mark.filterwarnings("ignore:`supernet` is expected to be trained")
@pytest.mark.parametrize(
    ("gammas", "channel", "layer"),
    [
        ([[0.9, 0.8, 0.7, 0.1], [0.6, 0.5, 0.2, 0.05]], [4, 0], [3, 1]),
        ([[0.9, -0.1, 0.5, 0.2], [0.3, 0.8, 0.05, 0.4]], [2, 2], [2, 2]),
        ([[1.0] * 4, [1.0] * 4], [4, 0], [4, 0]),
        ([[-0.9, -0.8, 0.7, 0.1], [0.6, 0.5, 0.2, 0.05]], [4, 0], [3, 1]),
    ],
)
def test_known_answers(gammas, channel, layer):
    supernet = _supernet("video_2d3d", gammas)
    for rule, expected in (("channel", channel), ("layer", layer)):
        for assignment in kc.derive(supernet, rule=rule).values():
            counts = assignment.counts
            assert [
                counts.get("3x3x3", 0),
                counts.get("1x3x3", 0),
            ] == expected


def test_channel_rule_keeps_the_place_of_each_channel():
    supernet = _supernet("video_2d3d", [[0.9, 0.1, 0.5], [0.3, 0.8, 0.6]])
    assert kc.derive(supernet)["bottom_conv1"].channels == (
        "3x3x3",
        "1x3x3",
        "1x3x3",
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["channel", "layer"]))
def test_counts_always_add_up(seed, rule):
    generator = np.random.default_rng(seed)
    gammas = generator.integers(-2, 3, (7, 5)).astype(float)
    supernet = _supernet("1d2d3d", gammas)
    for assignment in kc.derive(supernet, rule=rule).values():
        assert assignment.filters == 5


def test_path_weights():
    supernet = _supernet("video_2d3d", [[1.0, -2.0], [0.5, 0.0]])
    names, weights = kc.search.path_weights(supernet)["bottom_conv2"]
    assert names == ("3x3x3", "1x3x3")
    np.testing.assert_array_equal(weights, [[1.0, 2.0], [0.5, 0.0]])


def test_path_weights_that_are_not_finite_are_refused():
    supernet = _supernet("video_2d3d", [[1.0, np.nan], [0.5, 0.0]])
    with pytest.raises(ValueError, match="finite.*'bottom_conv1' with 1 of 4"):
        kc.derive(supernet)


@pytest.mark.parametrize("rule", ["channel", "layer"])
def test_channel_multiple(rule):
    gammas = np.random.default_rng(0).uniform(0.5, 1, (7, 12))
    supernet = _supernet("1d2d3d", gammas)
    configuration = kc.derive(supernet, rule=rule, channel_multiple=4)
    for assignment in configuration.values():
        assert assignment.is_sorted
        assert all(count % 4 == 0 for count in assignment.counts.values())


@pytest.fixture(scope="module")
def model():
    return kc.models.unet3d((8, 8, 8, 1), width=6, depth=1)


@pytest.fixture(scope="module")
def supernet(model):
    return kc.to_supernet(model, kernel_set="1d2d3d")


def _scores(supernet, seed, slope=0.0):
    """Random scores; with `slope` larger kernels score more."""
    generator = np.random.default_rng(seed)
    return {
        layer.name: generator.normal(size=(len(layer.kernel_set), 1 * 6))
        + slope * np.log([[kernel.taps] for kernel in layer.kernel_set])
        for layer in supernet.search_layers
    }


def _cost(model, configuration):
    return kc.count_cost(kc.replace(model, configuration))


BUDGETS = st.fixed_dictionaries(
    {"macs": st.floats(0.42, 1)}, optional={"params": st.floats(0.42, 1)}
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**31),
    st.floats(-1, 1),
    st.sampled_from(["channel", "layer"]),
    st.sampled_from([1, 2]),
    BUDGETS,
    st.sampled_from([0.0, 0.1, 0.15]),
)
def test_a_budget_is_never_exceeded(
    model, supernet, seed, slope, rule, multiple, budget, floor
):
    scores = _scores(supernet, seed, slope)
    limits = read_limits(supernet, budget, floor)
    chosen = choose(scores, rule, multiple, limits)
    counts = counts_of(chosen, scores)
    for kind, share in budget.items():
        table = limits.tables[kind]
        assert total_cost(table, counts) / table.plain <= share
    for layer in supernet.search_layers:
        taps = [layer.kernel_set[k].taps for k in chosen[layer.name]]
        assert len(taps) == 6
        assert sum(taps) / (6 * 27) >= floor
        counts = np.bincount(chosen[layer.name])
        assert (counts % multiple == 0).all()
    assert configuration_of(supernet, chosen) == kc.derive(
        supernet,
        scores,
        rule=rule,
        channel_multiple=multiple,
        budget=budget,
        floor=floor,
    )


@pytest.mark.parametrize("kind", ["params", "macs"])
@pytest.mark.parametrize("kernel_set", ["1d2d3d", "video_1d2d"])
def test_costs_are_those_of_the_network(model, kernel_set, kind):
    supernet = kc.to_supernet(model, kernel_set=kernel_set)
    scores = _scores(supernet, 0, slope=1)
    whole = getattr(kc.count_cost(model), kind)
    least, most = (
        getattr(_cost(model, kc.uniform_configuration(model, [kernel])), kind)
        for kernel in (
            supernet.search_layers[0].kernel_set[-1],
            supernet.search_layers[0].kernel_set[0],
        )
    )
    for part in (0.3, 0.7):
        share = (least + part * (most - least)) / whole
        configuration = kc.derive(supernet, scores, budget={kind: share})
        cost = getattr(_cost(model, configuration), kind)
        assert 0.9 * share < cost / whole <= share
        amount = {kind: int(share * whole)}
        assert configuration == kc.derive(supernet, scores, budget=amount)


def test_what_does_not_bind_changes_nothing(model, supernet):
    scores = _scores(supernet, 0)
    free = kc.derive(supernet, scores)
    cost = _cost(model, free)
    budget = {"macs": cost.macs, "params": 1.0}
    assert kc.derive(supernet, scores, budget=budget, floor=0.01) == free
    assert kc.derive(supernet, scores, budget={}) == free
    floor = {"bottom_conv1": 0}
    assert kc.derive(supernet, scores, floor=floor) == free
    cheaper = kc.derive(supernet, scores, budget={"macs": cost.macs - 1})
    assert cheaper != free


def test_floors_of_single_layers(supernet):
    names = [layer.name for layer in supernet.search_layers]
    scores = _scores(supernet, 0, slope=-9)
    found = kc.derive(supernet, scores, floor={names[0]: 1})
    assert found[names[0]].counts == {"3x3x3": 6}
    assert set(found[names[1]].kernels) <= {(3, 1, 1), (1, 3, 1), (1, 1, 3)}
    found = kc.derive(supernet, scores, floor={names[1]: 0.3})
    assert set(found[names[0]].kernels) <= {(3, 1, 1), (1, 3, 1), (1, 1, 3)}
    taps = sum(
        kc.kernels.SubKernel.parse(kernel).taps * count
        for kernel, count in found[names[1]].counts.items()
    )
    assert 0.3 <= taps / (27 * 6) <= 0.35


def test_diminishing_returns_spread_over_candidates(supernet):
    """With the rule of layers a row is what the next channel gains."""
    rows = np.array([[9.0, 0, 0, 0, 0, 0]] + [[5.0, 4, 1, 0, 0, 0]] * 6)
    scores = {layer.name: rows for layer in supernet.search_layers}
    found = kc.derive(supernet, scores, rule="layer", budget={"macs": 0.6})
    for assignment in found.values():
        assert assignment.counts["3x3x3"] == 1
        assert max(assignment.counts.values()) == 1


def test_the_least_possible_is_stated_and_enough(model, supernet):
    scores = _scores(supernet, 1, slope=1)
    for floor, kept in ((0.0, "choice costs"), (0.2, "choice that keeps the")):
        with pytest.raises(ValueError, match=kept) as raised:
            kc.derive(supernet, scores, budget={"macs": 0.1}, floor=floor)
        amount, share = re.search(
            r"`budget\['macs'\]` is expected to be at least (\d+) \((.+)\), "
            r".* Received: 0\.1",
            str(raised.value),
        ).groups()
        for least in (int(amount), float(share)):
            found = kc.derive(
                supernet, scores, budget={"macs": least}, floor=floor
            )
            assert _cost(model, found).macs == int(amount)
        with pytest.raises(ValueError, match=f"at least {amount} "):
            kc.derive(
                supernet, scores, budget={"macs": int(amount) - 1}, floor=floor
            )


def _with_latency(supernet, times, fixed=1.0):
    """The same search, with milliseconds of a channel of each candidate."""
    return kc.Supernet(
        supernet.network,
        fixed_cost={**supernet.fixed_cost, "latency": fixed},
        channel_costs={
            name: {**costs, "latency": times}
            for name, costs in supernet.channel_costs.items()
        },
    )


def _least(table, scores):
    filters = {name: values.shape[1] for name, values in scores.items()}
    return total_cost(table, least_counts(table, filters, 1, {}))


def test_latency(supernet):
    times = [1.1, 0.3, 0.4, 0.5, 0.35, 0.3, 0.7]
    timed = _with_latency(supernet, times)
    layers = len(supernet.search_layers)
    scores = _scores(supernet, 0, slope=1)
    for budget in ({"latency": 0.5}, {"latency": 0.5 * (1 + layers * 6 * 1.1)}):
        limits = read_limits(timed, budget, 0.0)
        chosen = choose(scores, "channel", 1, limits)
        table = limits.tables["latency"]
        spent = total_cost(table, counts_of(chosen, scores))
        assert 0.97 * table.plain / 2 < spent <= table.plain / 2
    # The cheapest in multiply-adds is not the fastest.
    fastest = 1 + layers * 6 * 0.3
    least = _least(limits.tables["macs"], scores)
    with pytest.raises(ValueError, match="latency.*keeps the budget of macs"):
        kc.derive(
            _with_latency(supernet, [9.0, 0.3, 9, 9, 9, 9, 9]),
            scores,
            budget={"macs": least, "latency": fastest + 0.5},
        )
    with pytest.raises(ValueError, match=r"least \d+\.\d{6} \(.*0.01"):
        kc.derive(timed, scores, budget={"latency": 0.01})


def test_the_fastest_is_found_however_it_is_summed(supernet):
    times = [1.1, 0.1, 0.4, 0.5, 0.35, 0.3, 0.7]
    timed = _with_latency(supernet, times, fixed=0.7)
    scores = _scores(supernet, 0, 1)
    table = read_limits(timed, None, 0.0).tables["latency"]
    least = _least(table, scores)
    for more in (0, 1, 10**3, 10**5):
        budget = {"latency": (least + more) / 10**9}
        found = kc.derive(timed, scores, budget=budget)
        assert found.counts == {"1x3x3": 6 * len(supernet.search_layers)}


def test_a_stopped_program_says_what_is_proven(supernet, monkeypatch):
    scores = _scores(supernet, 0, slope=1)
    budget = {"macs": 0.6}
    best = kc.derive(supernet, scores, budget=budget)
    milp = scipy.optimize.milp

    def stopped(*args, **kwargs):
        result = milp(*args, **kwargs)
        result.status = 1
        return result

    monkeypatch.setattr(scipy.optimize, "milp", stopped)
    with pytest.warns(UserWarning, match=r"60 s.*at most 0\.0\d\d% less"):
        assert kc.derive(supernet, scores, budget=budget) == best

    def nothing(*args, **kwargs):
        result = stopped(*args, **kwargs)
        result.x = None
        return result

    monkeypatch.setattr(scipy.optimize, "milp", nothing)
    with pytest.warns(UserWarning, match=r"at most \d\d\.\d{3}% less"):
        found = kc.derive(supernet, scores, budget=budget)
    assert set(found.counts) <= {"3x1x1", "1x3x1", "1x1x3"}


@pytest.mark.filterwarnings("ignore:`supernet` is expected to be trained")
def test_derive_refuses_arguments_that_do_not_fit(model, supernet):
    names = [layer.name for layer in supernet.search_layers]
    whole = {name: np.zeros((7, 6)) for name in names}
    for arguments, message in (
        ({"rule": "best"}, "`rule` is expected.*rule='best'"),
        ({"channel_multiple": 0}, "integer of at least 1.*multiple=0"),
        ({"score": "size"}, "`score`.*'path_weights'.*Received: 'size'"),
        ({"score": {"a": 1}}, r"`score` .*bottom_conv1.* Received: \['a'\]"),
        (
            {"score": {**whole, "bottom_conv1": np.zeros((7, 5))}},
            r"`score\['bottom_conv1'\]`.*\(7, 6\)\..*Received: shape \(7, 5\)",
        ),
        (
            {"score": {**whole, "bottom_conv1": "high"}},
            r"`score\['bottom_conv1'\]`.*numbers.*Received: 'high'",
        ),
        (
            {"score": {**whole, "bottom_conv1": np.full((7, 6), np.inf)}},
            "`score`.*finite.*'bottom_conv1' with 42 of 42",
        ),
        ({"budget": 0.5}, "`budget` is expected to map.*budget=0.5"),
        (
            {"budget": {"latency": 3}},
            r"kinds of cost that are known, \['macs', 'params'\].*'latency'",
        ),
        ({"budget": {"macs": -1}}, r"`budget\['macs'\]`.*above 0.*=-1"),
        ({"floor": 2}, "`floor` is expected.*0 to 1. Received: floor=2"),
        ({"floor": {"a": 0.5}}, r"`floor` .*search layers.*\['a'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            kc.derive(supernet, **arguments)
    unknown = kc.Supernet(supernet.network)
    with pytest.raises(ValueError, match="no kind of cost, since none is"):
        kc.derive(unknown, budget={"macs": 0.5})
    flat = _with_latency(kc.to_supernet(model, "video_1d2d"), [0.3, 0.2])
    with pytest.raises(ValueError, match="lack the full kernel.*latency.*0.5"):
        kc.derive(flat, budget={"latency": 0.5})
    assert kc.derive(flat, budget={"latency": 4.9}).counts["1x3x3"]


def test_an_untrained_supernet_chooses_by_nothing_and_says_so():
    model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=1)
    supernet = kc.to_supernet(model, kernel_set="1d")
    message = "expected to be trained.*Received: supernet='unet3d_supernet'"
    with pytest.warns(UserWarning, match=message):
        kc.derive(supernet)
    # A score of one's own tells them apart.
    weights = {n: v for n, (_, v) in kc.search.path_weights(supernet).items()}
    kc.derive(supernet, weights)
