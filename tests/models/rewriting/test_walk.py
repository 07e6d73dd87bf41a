import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.models.rewriting.walk import Walk


def _shared():
    first, second = keras.Input((6, 4), name="a"), keras.Input((6, 4), name="b")
    dense = keras.layers.Dense(4, name="dense")
    x = dense(dense(first)) + 2 * second[:, 1:2, :]
    attended = keras.layers.MultiHeadAttention(2, 3)(
        x, value=second, attention_mask=None
    )
    joined = keras.layers.Concatenate()([x, attended, first])
    inner = keras.Sequential([keras.Input((6, 12)), keras.layers.Dense(3)])
    return keras.Model(
        {"a": first, "b": second},
        {"y": inner(joined), "x": keras.ops.mean(x, axis=(1, 2)), "a": first},
    )


def _run(model, inputs):
    walk = Walk(model)
    maps = walk.start(inputs)
    most = 0
    for call in walk.calls:
        walk.step(call, maps)
        most = max(most, len(maps))
    return walk.outputs(maps), len(maps), most


def test_calls_in_order_compute_what_the_model_does():
    model = _shared()
    generator = np.random.default_rng(0)
    inputs = {
        name: keras.ops.convert_to_tensor(
            generator.normal(size=(2, 6, 4)).astype("float32")
        )
        for name in ("a", "b")
    }
    outputs, left, _ = _run(model, inputs)
    expected = keras.tree.flatten(model(inputs))
    for ours, theirs in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    assert left == len(expected)


def test_feature_maps_that_no_call_reads_are_let_go():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=3)
    outputs, left, most = _run(model, keras.ops.ones((1, 8, 8, 8, 1)))
    np.testing.assert_allclose(outputs[0], model(np.ones((1, 8, 8, 8, 1))))
    # Two skip connections, two paths of a block, one result.
    assert left == 1 and most <= 5


def test_a_layer_may_change_between_two_calls():
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(3), keras.layers.Dense(2)]
    )
    walk = Walk(model)
    maps = walk.start(keras.ops.ones((1, 3)))
    walk.step(walk.calls[0], maps)
    walk.calls[1].layer.set_weights([np.zeros((3, 2)), np.array([1.0, 2.0])])
    walk.step(walk.calls[1], maps)
    np.testing.assert_allclose(walk.outputs(maps)[0], [[1, 2]])


def test_a_call_may_run_something_else():
    model = keras.Sequential([keras.Input((3,)), keras.layers.ReLU()])
    walk = Walk(model)
    maps = walk.start(keras.ops.ones((1, 3)))
    walk.step(walk.calls[0], maps, lambda x: x + 1)
    np.testing.assert_allclose(walk.outputs(maps)[0], [[2, 2, 2]])


def test_a_model_without_a_graph_is_not_walked():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="whose graph can be rewritten"):
        Walk(Own())
