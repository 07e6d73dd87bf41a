import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

import keras_cakes as kc


def _supernet(kernel_set, gammas):
    model = kc.models.unet3d((8, 8, 8, 1), width=len(gammas[0]), depth=1)
    supernet = kc.to_supernet(model, kernel_set=kernel_set)
    for layer in supernet.search_layers:
        layer.path_normalization.gamma.assign(np.array(gammas))
    return supernet


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
        for assignment in kc.derive(supernet, rule).values():
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
    for assignment in kc.derive(supernet, rule).values():
        assert assignment.filters == 5


def test_path_weights():
    supernet = _supernet("video_2d3d", [[1.0, -2.0], [0.5, 0.0]])
    names, weights = kc.path_weights(supernet)["bottom_conv2"]
    assert names == ("3x3x3", "1x3x3")
    np.testing.assert_array_equal(weights, [[1.0, 2.0], [0.5, 0.0]])


def test_messages():
    supernet = _supernet("video_2d3d", [[1.0, np.nan], [0.5, 0.0]])
    with pytest.raises(ValueError, match="`rule` is expected.*rule='best'"):
        kc.derive(supernet, "best")
    with pytest.raises(ValueError, match="finite.*'bottom_conv1' with 1 of 4"):
        kc.derive(supernet)


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5, 0.8])
def test_random_configuration_meets_its_cost(share):
    model = kc.models.unet3d((16, 16, 16, 1), width=8, depth=2)
    whole = kc.count_cost(model)
    replaced = whole.of(kc.replaceable_layers(model)).macs
    target = int(whole.macs - (1 - share) * replaced)
    first = kc.random_configuration(model, "1d2d3d", target, seed=1)
    cost = kc.count_cost(kc.replace(model, first))
    assert cost.macs == pytest.approx(target, rel=0.01)
    assert first == kc.random_configuration(model, "1d2d3d", target, seed=1)
    assert first != kc.random_configuration(model, "1d2d3d", target, seed=2)


def test_random_configuration_message():
    model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=1)
    with pytest.raises(ValueError, match="`macs` is expected to lie between"):
        kc.random_configuration(model, "1d", macs=kc.count_cost(model).macs)


@pytest.mark.parametrize("rule", ["channel", "layer"])
def test_channel_multiple(rule):
    gammas = np.random.default_rng(0).uniform(0.5, 1, (7, 12))
    supernet = _supernet("1d2d3d", gammas)
    configuration = kc.derive(supernet, rule, channel_multiple=4)
    for assignment in configuration.values():
        assert assignment.is_sorted
        assert all(count % 4 == 0 for count in assignment.counts.values())


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("cost", ["params", "macs"])
def test_a_limit_is_kept_and_used(cost, multiple):
    gammas = np.random.default_rng(0).uniform(0.5, 1, (7, 16))
    supernet = _supernet("1d2d3d", gammas)
    model = kc.models.unet3d((8, 8, 8, 1), width=16, depth=1)
    free = kc.derive(supernet, channel_multiple=multiple)

    def cost_of(configuration):
        return getattr(kc.count_cost(kc.replace(model, configuration)), cost)

    limit = 0.7 * cost_of(free)
    bound = kc.derive(
        supernet, channel_multiple=multiple, cost=cost, limit=limit
    )
    assert 0.5 * limit < cost_of(bound) <= limit
    # A limit that binds nothing changes nothing.
    loose = kc.derive(
        supernet, channel_multiple=multiple, cost=cost, limit=cost_of(free)
    )
    assert loose == free


def test_derive_messages():
    supernet = _supernet("video_2d3d", np.ones((2, 4)))
    with pytest.raises(ValueError, match="positive integer.*multiple=0"):
        kc.derive(supernet, channel_multiple=0)
    with pytest.raises(ValueError, match="together.*'macs', 'params'.*latency"):
        kc.derive(supernet, cost="latency", limit=3)
    with pytest.raises(ValueError, match="together.*limit=None"):
        kc.derive(supernet, cost="macs")
    with pytest.raises(ValueError, match="at least .* macs, what the cheapest"):
        kc.derive(supernet, cost="macs", limit=10)
