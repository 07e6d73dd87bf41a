import numpy as np
import pytest

import keras_cakes as kc


@pytest.fixture(scope="module")
def model():
    return kc.models.unet3d((16, 16, 16, 1), width=8, depth=2)


def _random(model, budget, seed):
    return kc.random_configuration(model, "1d2d3d", budget=budget, seed=seed)


@pytest.mark.parametrize("kind", ["macs", "params"])
@pytest.mark.parametrize("share", [0.45, 0.7, 0.9])
def test_a_random_configuration_meets_its_cost(model, share, kind):
    whole = getattr(kc.count_cost(model), kind)
    first = _random(model, {kind: share}, 1)
    cost = getattr(kc.count_cost(kc.replace(model, first)), kind)
    assert cost == pytest.approx(share * whole, rel=0.01)
    amount = {kind: share * whole}
    assert first == _random(model, amount, 1)
    assert first != _random(model, amount, 2)


def test_budgets_out_of_reach_are_refused(model):
    for budget, message in (
        ({"macs": 1.0}, r"`budget\['macs'\]` .*lie between.*Received: 1.0"),
        ({"latency": 3}, r"known, \['macs', 'params'\]. Received: 'latency'"),
        ({"macs": 0.5, "params": 0.5}, "name one kind of cost.*'params': 0.5"),
        (0.5, "`budget` is expected to map.*budget=0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            kc.random_configuration(model, "1d", budget=budget)


@pytest.mark.parametrize("kind", ["macs", "params"])
@pytest.mark.parametrize("share", [0.25, 0.6])
def test_a_uniform_configuration_of_a_budget_is_alike_in_every_layer(
    share, kind
):
    model = kc.models.unet3d((16, 16, 16, 1), width=32, depth=2)
    even = kc.uniform_configuration(model, "1d2d3d", budget={kind: share})
    cost = getattr(kc.count_cost(kc.replace(model, even)), kind)
    plain = getattr(kc.count_cost(model), kind)
    assert cost / plain == pytest.approx(share, abs=0.02)
    mixtures = [
        np.array(
            [a.counts.get(str(k), 0) for k in kc.kernels.kernel_set("1d2d3d")]
        )
        / a.filters
        for a in even.values()
    ]
    assert np.ptp(mixtures, axis=0).max() < 2 / 32
    # Orientations of one size are as frequent as can be.
    assert np.ptp(mixtures[0][1:4]) <= 1 / 32
    assert np.ptp(mixtures[0][4:]) <= 1 / 32


def test_a_uniform_configuration_may_be_refused(model):
    with pytest.raises(ValueError, match="`budget\\['macs'\\]` is expected"):
        kc.uniform_configuration(model, "1d", budget={"macs": 0.9})


def test_the_earlier_name_of_a_uniform_configuration_gives_the_same(model):
    budget = {"macs": 0.5}
    earlier = kc.search.even_configuration(model, "1d2d3d", budget)
    now = kc.uniform_configuration(model, "1d2d3d", budget=budget)
    assert earlier == now != kc.uniform_configuration(model, "1d2d3d")
