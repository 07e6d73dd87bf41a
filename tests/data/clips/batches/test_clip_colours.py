import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data.clips.batches.clip_colours import normalize
from keras_cakes.data.clips.batches.clip_colours import recolour
from keras_cakes.data.clips.batches.clip_colours import standardize


def _clip(channels=3):
    shape = (3, 5, 6, channels)
    values = np.random.default_rng(2).uniform(0, 255, shape)
    return values.astype("float32")


def test_normalized_as_published():
    clip = _clip()
    expected = (clip / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(
        normalize(tf.constant(clip)), expected, atol=1e-5
    )


def test_grey_is_normalized_by_the_means():
    clip = _clip(1)
    expected = (clip / 255 - 0.449) / 0.226
    np.testing.assert_allclose(
        normalize(tf.constant(clip)), expected, atol=1e-5
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_own_values(channels):
    clip = _clip(channels)
    found = normalize(tf.constant(clip), mean=(0.5,), std=(0.25,))
    np.testing.assert_allclose(found, (clip / 255 - 0.5) * 4, atol=1e-5)


def _grey(clip):
    if clip.shape[-1] == 1:
        return clip
    return (clip * [0.299, 0.587, 0.114]).sum(-1, keepdims=True)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("brightness", "contrast", "saturation"),
    [(0.4, 0, 0), (0, 0.3, 0), (0, 0, 0.5), (0.2, 0.3, 1)],
)
def test_one_change_after_the_other(channels, brightness, contrast, saturation):
    clip = _clip(channels)
    draws = np.array([0.7, -0.4, 0.3], "float32")
    expected = clip * (1 + draws[0] * brightness)
    mean = _grey(expected).mean()
    expected = mean + (expected - mean) * (1 + draws[1] * contrast)
    grey = _grey(expected)
    expected = grey + (expected - grey) * (1 + draws[2] * saturation)
    found = recolour(
        tf.constant(clip),
        tf.constant(draws),
        brightness=brightness,
        contrast=contrast,
        saturation=saturation,
    )
    assert found.shape == clip.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)


def test_zero_leaves_colours_as_they_are():
    clip = tf.constant(_clip())
    np.testing.assert_array_equal(recolour(clip, tf.ones([3])), clip)


def test_standardized_clips_have_zero_mean_and_unit_deviation():
    clip = np.random.default_rng(0).uniform(40, 80, (4, 6, 8, 3))
    for changed in (clip, 2 * clip + 30):
        result = standardize(tf.constant(changed, tf.float32)).numpy()
        expected = (clip - clip.mean()) / clip.std()
        np.testing.assert_allclose(result, expected, atol=1e-4)
    assert not standardize(tf.fill((2, 4, 4, 1), 7.0)).numpy().any()
