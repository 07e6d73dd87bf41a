import json

import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.sub_kernels import relative_costs


@pytest.fixture(scope="module")
def model():
    return kc.models.unet3d((8, 8, 8, 1), width=12, depth=1)


@pytest.fixture(scope="module")
def table(model):
    names = kc.replaceable_layers(model)
    return kc.LatencyTable(model, names, "video_1d2d3d", repeats=2, verbose=0)


def _set(table, values):
    """Puts known times in the place of measured ones."""
    table._overhead = 0.0
    for key in list(table._known.values):
        parts = json.loads(key)
        table._known.values[key] = values(parts[1], parts[2])


def test_times_are_put_together(model, table):
    taps = {"3x3x3": 27.0, "1x3x3": 9.0, "3x1x1": 3.0}

    def time(kind, channels):
        if kind == "Concatenate":
            return 5.0
        return taps.get(kind, 30.0) * (channels if kind in taps else 12)

    _set(table, time)
    table._plain = dict.fromkeys(table._plain, 360.0)
    name = kc.replaceable_layers(model)[0]
    assert table.layer_ms(name, "1x3x3") == 108.0
    assert table.channel_ms(name) == [27.0, 9.0, 3.0]
    assert table.predict({name: "1x3x3"}) == pytest.approx(
        table.network_ms - 360 + 108
    )
    assert table.predict({}) == table.network_ms
    # 3 channels are computed, and take as long, as 8.
    assert table._box_ms(name, table.sizes(name)[1], 3) == 72.0
    # Between 8 and 12 there is nothing measured: 10 are a second block.
    assert table._box_ms(name, table.sizes(name)[1], 10) == 108.0


def test_what_was_measured_is_remembered(model, tmp_path):
    file = tmp_path / "latency.json"
    names = kc.replaceable_layers(model)[:1]
    arguments = {"kernel_set": "video_1d2d", "file": file, "repeats": 1}
    first = kc.LatencyTable(model, names, verbose=1, **arguments)
    text = file.read_text()
    again = kc.LatencyTable(model, names, verbose=0, **arguments)
    assert file.read_text() == text
    assert again._known.values == first._known.values
    assert again.fixed_ms >= 0
    training = kc.LatencyTable(
        model, names, phase="training", verbose=0, **arguments
    )
    assert training.network_ms > 0
    assert len(training._known.values) > len(first._known.values)


def test_search_with_latency_as_its_cost(model, table):
    for cost in (table, "latency"):
        supernet = kc.to_supernet(
            model, "video_1d2d3d", priority="cost", lasso=1e-3, cost=cost
        )
        assert "expected_latency" in supernet.expected_cost()
    supernet = kc.to_supernet(
        model, "video_1d2d3d", priority="cost", lasso=1e-3, cost=table
    )
    for layer in supernet.search_layers:
        assert layer.gamma_regularizer.relative_costs == pytest.approx(
            relative_costs(table.channel_ms(layer.name))
        )
        gammas = np.random.default_rng(0).uniform(0.5, 1, (3, 12))
        layer.path_normalization.gamma.assign(gammas)
    free = supernet.expected_cost()["expected_latency"]
    limit = 0.8 * float(free)
    configuration = kc.derive(supernet, cost="latency", limit=limit)
    assert configuration != kc.derive(supernet)
    performance = kc.to_supernet(model, "video_1d2d3d")
    assert "expected_latency" not in performance.expected_cost()


def test_messages(model, table):
    with pytest.raises(ValueError, match="name layers of the table.*'other'"):
        table.predict({"other": "1x3x3"})
    with pytest.raises(ValueError, match="add up to `filters`"):
        table.layer_ms(kc.replaceable_layers(model)[0], {"1x3x3": 1})
