import pytest

import keras_cakes as kc
from keras_cakes.runs.cost_comparison import compare_cost


def test_shares_are_those_of_what_is_replaced():
    plain = kc.models.unet3d((8, 8, 8, 1), width=4, depth=1)
    names = kc.replaceable_layers(plain)
    network = kc.replace(
        plain, kc.Configuration({name: {"3x1x1": 4} for name in names})
    )
    cost = compare_cost(network, plain)
    assert cost["macs"] == kc.count_cost(network).macs
    assert cost["replaced_macs_share"] == pytest.approx(3 / 27)
    assert cost["replaced_params_share"] == pytest.approx(3 / 27)
    assert 0 < cost["min_ms"] <= cost["median_ms"] <= cost["max_ms"]
    assert cost["threads"] >= 1
    assert compare_cost(plain, plain)["replaced_macs_share"] == 1.0
