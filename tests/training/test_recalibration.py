import keras
import numpy as np
import pytest

import keras_cakes as kc


def _model():
    inner = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3),
            keras.layers.BatchNormalization(momentum=0.9, name="inner_norm"),
        ],
        name="inner",
    )
    inner.get_layer("inner_norm").trainable = False
    inputs = keras.Input((4,))
    x = keras.layers.BatchNormalization(name="norm")(inputs)
    return keras.Model(inputs, inner(keras.layers.GaussianNoise(1.0)(x)))


def _batches(count=3):
    generator = np.random.default_rng(0)
    return [
        generator.normal(2, 3, size=(5, 4)).astype("float32")
        for _ in range(count)
    ]


@pytest.mark.parametrize("with_targets", [False, True])
def test_statistics_become_averages_over_the_batches(with_targets):
    model, batches = _model(), _batches()
    norm = model.get_layer("norm")
    norm.moving_mean.assign(np.full(4, 100.0))
    data = [(batch, 0) for batch in batches] if with_targets else batches
    kc.training.recalibrate(model, data)
    means = np.mean([batch.mean(axis=0) for batch in batches], axis=0)
    variances = np.mean([batch.var(axis=0) for batch in batches], axis=0)
    np.testing.assert_allclose(norm.moving_mean, means, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, variances, rtol=1e-5)


def test_nested_and_frozen_layers_are_recalibrated_without_noise():
    model, (batch,) = _model(), _batches(1)
    kc.training.recalibrate(model, [batch])
    inner = model.get_layer("inner")
    norm = inner.get_layer("inner_norm")
    # Of the normalized batch: without dropout and noise.
    scaled = (batch - batch.mean(axis=0)) / np.sqrt(batch.var(axis=0) + 1e-3)
    dense = np.array(inner.layers[1](scaled))
    np.testing.assert_allclose(norm.moving_mean, dense.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(
        norm.moving_variance, dense.var(axis=0), rtol=1e-4
    )
    assert (norm.momentum, norm.trainable) == (0.9, False)
    assert inner.layers[0].rate == 0.5


def test_no_batch_is_refused_and_changes_nothing():
    model = _model()
    before = model.get_weights()
    with pytest.raises(ValueError, match="`batches` is expected to hold at le"):
        kc.training.recalibrate(model, [])
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
