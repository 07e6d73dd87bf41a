import keras
import numpy as np
import pytest

import keras_cakes as kc


def _trained(convolution="3d"):
    model = kc.models.unet3d(
        (16, 16, 16, 1), width=4, depth=2, convolution=convolution
    )
    model.compile(keras.optimizers.Adam(0.01), kc.training.DiceCrossEntropy())
    return model


@pytest.mark.tensorflow
def test_a_trained_network_becomes_a_smaller_trained_one(tmp_path):
    model = _trained()
    generator = np.random.default_rng(0)
    scans = generator.normal(size=(8, 16, 16, 16, 1)).astype("float32")
    for axis in (1, 2, 3):
        scans += np.roll(scans, 1, axis)
    labels = np.digitize(scans[..., 0], [-1, 1])
    model.fit(scans, labels, epochs=15, batch_size=2, verbose=0)
    kc.training.recalibrate(model, [scans])
    before = model.get_weights()
    small = kc.shrink(model, scans, budget={"macs": 0.5}, verbose=0)
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert kc.count_cost(small).macs <= 0.5 * kc.count_cost(model).macs
    assert [x.name for x in small.layers] == [x.name for x in model.layers]
    assert not small.compiled and model.compiled
    chance = kc.replace(
        model,
        kc.random_configuration(model, "1d2d3d", budget={"macs": 0.5}),
        weights="inherit",
    )
    expected = model.predict(scans, verbose=0).argmax(-1)
    agree, by_chance = (
        (network.predict(scans, verbose=0).argmax(-1) == expected).mean()
        for network in (small, chance)
    )
    assert agree > 0.85 and 1 - agree < 0.5 * (1 - by_chance)
    small.save(tmp_path / "small.keras")
    loaded = keras.saving.load_model(tmp_path / "small.keras")
    np.testing.assert_array_equal(loaded(scans[:1]), small(scans[:1]))
    small.compile("adam", kc.training.DiceCrossEntropy())
    small.fit(scans, labels, verbose=0)


def test_arguments_reach_the_choice():
    model = _trained()
    model.get_layer("stem_norm").moving_mean.assign([1.0, 2, 3, 4])
    scans = np.random.default_rng(0).normal(size=(3, 16, 16, 16, 1))
    small = kc.shrink(
        model,
        scans.astype("float32"),
        budget={"params": 0.9},
        kernel_set=["3x3x3", "1x1x1"],
        layers=["encoder0_conv1", "bottom_conv1"],
        channel_multiple=2,
        floor=0.3,
        cases=2,
        verbose=0,
    )
    assert kc.count_cost(small).params <= 0.9 * kc.count_cost(model).params
    cakes = [x for x in small.layers if isinstance(x, kc.CakesConv3D)]
    assert {x.name for x in cakes} == {"encoder0_conv1", "bottom_conv1"}
    for layer in cakes:
        assert set(layer.assignment.counts) <= {"3x3x3", "1x1x1"}
        assert all(count % 2 == 0 for count in layer.assignment.counts.values())
        assert layer.assignment.counts["3x3x3"] >= 0.26 * layer.filters


@pytest.mark.tensorflow
def test_a_budget_of_time_is_measured():
    """An amount in milliseconds, since a share of little time is noise."""
    model = _trained()
    model.get_layer("stem_norm").moving_mean.assign([1.0, 2, 3, 4])
    scans = np.random.default_rng(0).normal(size=(2, 16, 16, 16, 1))
    small = kc.shrink(
        model,
        scans.astype("float32"),
        budget={"latency": 1e6, "macs": 0.9},
        layers=["bottom_conv1", "bottom_conv2"],
        verbose=0,
    )
    assert kc.count_cost(small).macs <= 0.9 * kc.count_cost(model).macs


def test_a_budget_that_is_no_mapping_is_refused():
    with pytest.raises(ValueError, match="`budget` is expected to map"):
        kc.shrink(_trained(), np.ones((2, 16, 16, 16, 1)), budget=0.5)
