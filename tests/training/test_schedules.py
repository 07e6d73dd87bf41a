import keras
import pytest

from keras_cakes.training.schedules import WarmUp
from keras_cakes.training.schedules import video_schedule
from keras_cakes.training.schedules import volume_schedule


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.01),
        (10_000, 7.71890e-3),
        (20_000, 5.35887e-3),
        (30_000, 2.87175e-3),
        (39_999, 7.2135e-7),
    ],
)
def test_volumes(step, rate):
    assert float(volume_schedule()(step)) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [
        (0, 0.01),
        (2.5, 0.025),
        (5, 0.04),
        (49.99, 0.04),
        (50, 0.004),
        (59.99, 0.004),
        (60, 0.0004),
        (69.99, 0.0004),
    ],
)
def test_clips(epoch, rate):
    schedule = video_schedule(steps_per_epoch=100)
    assert float(schedule(epoch * 100)) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(99.99, 0.04), (100, 0.004), (119.99, 0.004), (120, 4e-4)],
)
def test_search_on_clips(epoch, rate):
    schedule = video_schedule(steps_per_epoch=100, search=True)
    assert float(schedule(epoch * 100)) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.01), (1, 0.02), (3, 0.04), (29, 0.04), (30, 4e-3), (36, 4e-4)],
)
def test_a_short_training_has_all_of_it(step, rate):
    schedule = video_schedule(steps_per_epoch=3, epochs=14)
    assert float(schedule(step)) == pytest.approx(rate)


def test_saved_with_an_optimizer():
    optimizer = keras.optimizers.SGD(video_schedule(10))
    config = keras.saving.serialize_keras_object(optimizer)
    loaded = keras.saving.deserialize_keras_object(config)
    assert float(loaded.learning_rate) == pytest.approx(0.01)
    config = keras.saving.serialize_keras_object(video_schedule(10))
    schedule = keras.saving.deserialize_keras_object(config)
    assert float(schedule(25)) == pytest.approx(0.025)
    with pytest.raises(ValueError, match="`steps` is expected.*steps=0"):
        WarmUp(schedule, 0.1, steps=0)
