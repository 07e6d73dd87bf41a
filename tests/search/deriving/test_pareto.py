import numpy as np
import pytest

import keras_cakes as kc


@pytest.fixture(scope="module")
def model():
    return kc.models.unet3d((8, 8, 8, 1), width=6, depth=1)


@pytest.fixture(scope="module")
def supernet(model):
    return kc.to_supernet(model, kernel_set="1d2d3d")


@pytest.fixture(scope="module")
def scores(supernet):
    generator = np.random.default_rng(0)
    taps = [[k.taps] for k in supernet.search_layers[0].kernel_set]
    return {
        layer.name: generator.normal(size=(7, 6)) + np.log(taps)
        for layer in supernet.search_layers
    }


@pytest.mark.parametrize("rule", ["channel", "layer"])
@pytest.mark.parametrize("cost", ["macs", "params"])
def test_scores_rise_with_costs(model, supernet, scores, cost, rule):
    front = kc.pareto(supernet, scores, cost=cost, points=6, rule=rule)
    costs = [point.cost for point in front]
    assert len(front) == 6
    assert costs == sorted(set(costs))
    assert np.all(np.diff([point.score for point in front]) > 0)
    whole = getattr(kc.count_cost(model), cost)
    for point in front:
        network = kc.replace(model, point.configuration)
        assert point.cost == getattr(kc.count_cost(network), cost)
        assert point.share == point.cost / whole
    cheapest, dearest = front[0], front[-1]
    assert set(cheapest.configuration.counts) <= {"3x1x1", "1x3x1", "1x1x3"}
    assert dearest.configuration == kc.derive(supernet, scores, rule=rule)


def test_a_point_is_what_its_share_gives(supernet, scores):
    for point in kc.pareto(supernet, scores, points=4)[:-1]:
        again = kc.derive(supernet, scores, budget={"macs": point.share})
        assert again == point.configuration


def test_what_costs_more_and_scores_no_more_is_left_out(supernet):
    flat = {layer.name: np.ones((7, 6)) for layer in supernet.search_layers}
    (point,) = kc.pareto(supernet, flat, points=5)
    assert set(point.configuration.counts) <= {"3x1x1", "1x3x1", "1x1x3"}
    assert point.score == 6 * len(flat)


def test_blocks_and_floors(supernet, scores):
    front = kc.pareto(supernet, scores, points=3, channel_multiple=2, floor=0.2)
    for point in front:
        for assignment in point.configuration.values():
            counts = assignment.counts
            assert all(count % 2 == 0 for count in counts.values())
            taps = sum(
                kc.kernels.SubKernel.parse(k).taps * n
                for k, n in counts.items()
            )
            assert taps >= 0.2 * 6 * 27


def test_scores_and_costs_of_a_front_are_keywords(supernet, scores):
    for function in (kc.pareto, kc.derive):
        with pytest.raises(TypeError, match="positional argument"):
            function(supernet, scores, "macs")


def test_a_front_refuses_costs_it_does_not_know(model, supernet, scores):
    with pytest.raises(ValueError, match="`points`.*at least 2.*points=1"):
        kc.pareto(supernet, scores, points=1)
    with pytest.raises(ValueError, match=r"\['macs', 'params'\].*cost='time'"):
        kc.pareto(supernet, scores, cost="time")
    plain = kc.to_supernet(model, "2d")
    timed = kc.Supernet(
        plain.network,
        fixed_cost={"latency": 1.0},
        channel_costs={
            layer.name: {"latency": [1.0, 2.0, 3.0]}
            for layer in plain.search_layers
        },
    )
    with (
        pytest.warns(UserWarning, match="expected to be trained"),
        pytest.raises(ValueError, match="full kernels.*cost='latency'"),
    ):
        kc.pareto(timed, cost="latency")
