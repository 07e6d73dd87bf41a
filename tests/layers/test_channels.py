import keras
import numpy as np
import pytest
from keras import ops

from keras_cakes.layers import channels
from keras_cakes.layers.channels import arrange_channels
from keras_cakes.layers.channels import permute_channels
from tests.layers.gradients import gradients


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("count", [3, 40, 200])
@pytest.mark.parametrize("on_cpu", [True, False])
def test_permutation_and_its_gradient(count, axis, on_cpu, monkeypatch):
    monkeypatch.setattr(channels, "is_on_cpu", lambda: on_cpu)
    generator = np.random.default_rng(0)
    shape = (2, 3, 4, count) if axis == -1 else (2, count, 3, 4)
    values = generator.normal(size=shape).astype("float32")
    weights = generator.normal(size=shape).astype("float32")
    order = generator.permutation(count).tolist()
    layer = keras.layers.Lambda(lambda x: permute_channels(x, order, axis=axis))
    layer.build(shape)
    outputs, gradient, _ = gradients(layer, values, weights)
    np.testing.assert_array_equal(outputs, np.take(values, order, axis))
    np.testing.assert_array_equal(
        gradient, np.take(weights, np.argsort(order), axis)
    )


@pytest.mark.parametrize(
    "order",
    [
        range(60),
        [*range(40, 60), *range(40)],
        [*range(10, 50), *range(10), *range(50, 60)],
        np.random.default_rng(0).permutation(60).tolist(),
    ],
)
def test_arrangement(order):
    generator = np.random.default_rng(0)
    parts = [generator.normal(size=(2, 20)).astype("float32") for _ in "abc"]
    outputs = arrange_channels(
        [ops.convert_to_tensor(part) for part in parts], order
    )
    expected = np.concatenate(parts, axis=-1)[:, list(order)]
    np.testing.assert_array_equal(outputs, expected)


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_channel_that_is_not_finite_leaves_the_others(value, axis):
    generator = np.random.default_rng(0)
    values = generator.normal(size=(2, 40, 3, 40)).astype("float32")
    np.moveaxis(values, axis, 0)[7] = value
    order = generator.permutation(40).tolist()
    outputs = permute_channels(ops.convert_to_tensor(values), order, axis=axis)
    np.testing.assert_array_equal(outputs, np.take(values, order, axis))
