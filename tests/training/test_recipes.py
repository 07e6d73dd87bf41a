"""The recipes: optimizers, rates and losses that networks are compiled with."""

import keras
import pytest

import keras_cakes as kc
from keras_cakes.training import compile_segmentation
from keras_cakes.training import compile_video

CLASSES = ("background", "organ", "vessel")


def _volumes():
    return kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)


def _clips():
    return kc.models.residual_video((4, 8, 8, 1), width=2, stages=1)


def _rate(optimizer, step):
    optimizer.iterations.assign(step)
    return float(optimizer.learning_rate)


def test_a_training_is_sgd_and_tuning_is_adam_from_a_hundredth():
    model = _volumes()
    compile_segmentation(model, CLASSES, steps=10)
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert _rate(model.optimizer, 0) == pytest.approx(0.1)
    compile_segmentation(model, CLASSES, steps=10, is_tuning=True)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert _rate(model.optimizer, 0) == pytest.approx(1e-3)
    assert _rate(model.optimizer, 5) == pytest.approx(5e-4)
    assert _rate(model.optimizer, 10) == pytest.approx(0, abs=1e-9)
    compile_segmentation(
        model, CLASSES, steps=10, is_tuning=True, learning_rate=0.02
    )
    assert _rate(model.optimizer, 0) == pytest.approx(0.02)


def test_clips_are_tuned_over_all_epochs_with_clipped_gradients():
    model = _clips()
    compile_video(model, 5, epochs=2, is_tuning=True, clip_norm=7.0)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.optimizer.global_clipnorm == 7.0
    assert _rate(model.optimizer, 0) == pytest.approx(1e-3)
    assert _rate(model.optimizer, 10) == pytest.approx(0, abs=1e-9)
    compile_video(model, 5, epochs=2)
    assert isinstance(model.optimizer, kc.training.DecayedSGD)
    assert _rate(model.optimizer, 10_000) > 0
