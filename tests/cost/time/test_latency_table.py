import json

import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.cost.time import latency_table as latency
from keras_cakes.cost.time.timing import Timing
from keras_cakes.kernels.sub_kernels import relative_costs
from keras_cakes.layers.plans.device import present_device
from keras_cakes.layers.plans.plan import Plan

TAPS = {"Conv3D": 27.0, "3x3x3": 27.0, "1x3x3": 9.0, "3x1x1": 3.0}


@pytest.fixture(scope="module")
def model():
    return kc.models.unet3d((8, 8, 8, 1), width=12, depth=1)


@pytest.fixture(scope="module")
def table(model):
    names = kc.replaceable_layers(model)
    return kc.cost.LatencyTable(
        model, names, kernel_set="video_1d2d3d", repeats=2, verbose=0
    )


def _set(table, values):
    """Puts known times in the place of measured ones."""
    pieces = table._pieces
    pieces._overhead = 0.0
    for key in list(pieces._known.values):
        parts = json.loads(key)
        pieces._known.values[key] = values(parts[1], parts[2])


def test_times_are_put_together(model, table):
    _set(table, lambda kind, channels: TAPS[kind] * channels)
    table._plain = dict.fromkeys(table._plain, 324.0)
    table.network_ms, table.scale = 1000.0, 2.0
    name = kc.replaceable_layers(model)[0]
    assert table.layer_ms(name, "1x3x3") == 108.0
    # In the network a layer takes twice as long as alone.
    assert table.channel_ms(name) == [54.0, 18.0, 6.0]
    assert table.predict({name: "1x3x3"}) == 1000.0 + 2 * (108 - 324)
    assert table.predict({}) == 1000.0
    assert table.fixed_ms == max(1000.0 - 2 * 324 * len(table._plain), 0)
    pieces, (_, kernel, _) = table._pieces, table.sizes(name)
    device = present_device("inference")
    # Between 8 and 12 channels there is nothing measured: 10 are a block and
    # a broken one.
    broken = 108.0 * device.width(10) / device.width(12)
    assert pieces.box_ms(name, kernel, 10) == pytest.approx(broken)
    # 12 filters are too few to split, so the kernels run as one full kernel
    # that is put together each time.
    merged = device.embed * 324 / pieces.positions(name)
    assert table.layer_ms(name, {"3x3x3": 6, "1x3x3": 6}) == pytest.approx(
        324 + merged
    )


def test_joining_counts_twice_in_another_order(model, table):
    name = kc.replaceable_layers(model)[0]
    full, flat, _ = table.sizes(name)
    _set(table, lambda kind, channels: float(TAPS[kind]))
    pieces = table._pieces
    plan = Plan.separate({full: 6, flat: 6})
    in_order = pieces.plan_ms(name, plan, [full] * 6 + [flat] * 6)
    in_turns = pieces.plan_ms(name, plan, [full, flat] * 6)
    assert in_turns - in_order == pieces.joining_ms(name, 2) > 0


@pytest.mark.parametrize("phase", ["inference", "training"])
def test_the_scale_is_that_of_the_fastest_network(model, phase, monkeypatch):
    names = kc.replaceable_layers(model)

    def time_alternately(functions, repeats, warm_up=2):
        whole = len(functions) == 2
        values = (100.0, 40.0) if whole else (3.0,)
        return {
            key: Timing((value,) * 3)
            for key, value in zip(functions, values, strict=False)
        }

    monkeypatch.setattr(latency, "time_alternately", time_alternately)
    before = [np.array(weight) for weight in model.weights]
    table = kc.cost.LatencyTable(
        model,
        names,
        kernel_set="video_1d2d3d",
        phase=phase,
        repeats=1,
        verbose=0,
    )
    times = {
        name: dict(zip(table.sizes(name), table.channel_ms(name), strict=True))
        for name in names
    }
    fastest = {name: str(min(t, key=t.get)) for name, t in times.items()}
    assert table.network_ms == 100.0
    assert table.scale == 1.0 or table.predict(fastest) == pytest.approx(40.0)
    for weight, kept in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_what_was_measured_is_remembered(model, tmp_path):
    file = tmp_path / "latency.json"
    names = kc.replaceable_layers(model)[:1]
    arguments = {"kernel_set": "video_1d2d", "file": file, "repeats": 1}
    first = kc.cost.LatencyTable(model, names, verbose=1, **arguments)
    text = file.read_text()
    again = kc.cost.LatencyTable(model, names, verbose=0, **arguments)
    assert file.read_text() == text
    assert again._pieces._known.values == first._pieces._known.values
    assert again.fixed_ms >= 0
    training = kc.cost.LatencyTable(
        model, names, phase="training", verbose=0, **arguments
    )
    assert training.network_ms > 0
    assert len(training._pieces._known.values) > len(
        first._pieces._known.values
    )


def _channel_times(supernet, configuration):
    """The time of a network by the cost of single channels."""
    return supernet.fixed_cost["latency"] + sum(
        count * costs
        for layer in supernet.search_layers
        for kernel, costs in zip(
            layer.kernel_set,
            supernet.channel_costs[layer.name]["latency"],
            strict=True,
        )
        for name, count in configuration[layer.name].counts.items()
        if name == str(kernel)
    )


@pytest.mark.filterwarnings("ignore:`supernet` is expected to be trained")
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
    free = float(supernet.expected_cost()["expected_latency"])
    costs = supernet.channel_costs
    least = supernet.fixed_cost["latency"] + sum(
        12 * min(costs[layer.name]["latency"])
        for layer in supernet.search_layers
    )
    plain = supernet.fixed_cost["latency"] + sum(
        12 * costs[layer.name]["latency"][0] for layer in supernet.search_layers
    )
    share = (free + least) / 2 / plain
    configuration = kc.derive(supernet, budget={"latency": share})
    assert configuration != kc.derive(supernet)
    assert _channel_times(supernet, configuration) <= share * plain
    performance = kc.to_supernet(model, "video_1d2d3d")
    assert "expected_latency" not in performance.expected_cost()


def test_layers_and_counts_that_the_table_lacks_are_refused(model, table):
    with pytest.raises(ValueError, match="name layers of the table.*'other'"):
        table.predict({"other": "1x3x3"})
    with pytest.raises(ValueError, match="add up to `filters`"):
        table.layer_ms(kc.replaceable_layers(model)[0], {"1x3x3": 1})
