import gc
import weakref

import keras
import numpy as np
import pytest

from keras_cakes import evaluation
from tests.evaluation.networks import Constant
from tests.evaluation.networks import pointwise


class Traced(keras.layers.Layer):
    """Notes the shapes that it is traced with, and scales."""

    def __init__(self):
        super().__init__()
        self.factor = 1.0
        self.shapes = []

    def call(self, inputs):
        self.shapes.append(tuple(inputs.shape))
        return self.factor * inputs


def _traced():
    image = keras.Input((None, None, None, 1))
    layer = Traced()
    model = keras.Model(image, keras.layers.Conv3D(2, 1)(layer(image)))
    layer.shapes.clear()
    return model, layer


def test_one_trace_for_all_volumes():
    model, layer = _traced()
    for shape in ((9, 5, 4), (3, 3, 3), (4, 7, 6)):
        evaluation.predict_volume(
            model, np.zeros((*shape, 1)), patch_shape=(4, 4, 4), batch_size=2
        )
    assert layer.shapes == [(2, 4, 4, 4, 1)]


def test_one_trace_for_all_flips():
    model, layer = _traced()
    evaluation.predict_volume(
        model, np.zeros((9, 5, 4, 1)), patch_shape=(4, 4, 4), flip=(0, 1, 2)
    )
    assert layer.shapes == [(1, 4, 4, 4, 1)]


def test_a_model_compiled_anew_is_traced_anew():
    model, layer = _traced()
    image = np.random.default_rng(0).normal(size=(4, 4, 4, 1))
    before = evaluation.predict_probabilities(
        model, image, patch_shape=(4, 4, 4)
    )
    layer.factor = 5.0
    model.compile()
    after = evaluation.predict_probabilities(
        model, image, patch_shape=(4, 4, 4)
    )
    assert len(layer.shapes) == 2
    assert np.abs(after - before).max() > 0.01


def test_new_weights_need_no_new_trace():
    model, layer = _traced()
    image = np.ones((4, 4, 4, 1))
    evaluation.predict_volume(model, image, patch_shape=(4, 4, 4))
    model.layers[-1].kernel.assign(np.zeros((1, 1, 1, 1, 2)))
    model.layers[-1].bias.assign([0.0, np.log(3.0)])
    found = evaluation.predict_probabilities(
        model, image, patch_shape=(4, 4, 4)
    )
    np.testing.assert_allclose(found[..., 1], 0.75, rtol=1e-6)
    assert len(layer.shapes) == 1


def test_what_is_compiled_does_not_keep_the_model():
    model = pointwise()
    evaluation.predict_volume(
        model, np.ones((4, 4, 4, 1)), patch_shape=(4, 4, 4)
    )
    known = weakref.ref(model)
    del model
    gc.collect()
    assert known() is None


def test_networks_see_inference():
    image = keras.Input((4, 4, 4, 1))
    x = keras.layers.Dropout(0.5, seed=1)(keras.layers.Conv3D(2, 1)(image))
    model = keras.Model(image, x)
    volume = np.random.default_rng(0).normal(size=(4, 4, 4, 1))
    found = evaluation.predict_volume(model, volume, patch_shape=(4, 4, 4))
    direct = np.array(model(volume[None], training=False))[0].argmax(-1)
    np.testing.assert_array_equal(found, direct)


def _strided():
    image = keras.Input((4, 4, 4, 1))
    return keras.Model(image, keras.layers.Conv3D(3, 1, strides=2)(image))


def test_a_network_that_strides_is_refused():
    with pytest.raises(ValueError, match=r"Received: shape \(1, 2, 2, 2, 3\)"):
        evaluation.predict_volume(
            _strided(), np.zeros((4, 4, 4, 1)), patch_shape=(4, 4, 4)
        )


def test_another_network_that_strides_is_refused():
    class Other:
        predict_on_batch = _strided().predict_on_batch

    with pytest.raises(ValueError, match=r"Received: shape \(1, 2, 2, 2, 3\)"):
        evaluation.predict_volume(
            Other(), np.zeros((4, 4, 4, 1)), patch_shape=(4, 4, 4)
        )


def test_a_network_of_one_class_is_refused():
    with pytest.raises(ValueError, match="2 to 256 classes. Received: shape"):
        evaluation.predict_volume(
            pointwise(classes=1), np.zeros((4, 4, 4, 1)), patch_shape=(4, 4, 4)
        )


def test_networks_of_different_classes_are_refused():
    with pytest.raises(ValueError, match="same classes. Received: 3 and 4"):
        evaluation.predict_volume(
            [pointwise(classes=3), Constant(4)],
            np.zeros((4, 4, 4, 1)),
            patch_shape=(4, 4, 4),
        )


def test_infinity_is_found_without_a_warning():
    class Diverged:
        def predict_on_batch(self, batch):
            return np.full((*batch.shape[:-1], 2), np.inf, np.float32)

    with pytest.raises(ValueError, match="finite logits. Received: NaN or inf"):
        evaluation.predict_volume(
            Diverged(), np.zeros((4, 4, 4, 1)), patch_shape=(4, 4, 4)
        )


def test_a_class_that_is_ruled_out_is_allowed():
    class RuledOut:
        def predict_on_batch(self, batch):
            logits = np.zeros((*batch.shape[:-1], 3), np.float32)
            logits[..., 0] = -np.inf
            return logits

    found = evaluation.predict_probabilities(
        RuledOut(), np.zeros((4, 4, 4, 1)), patch_shape=(4, 4, 4)
    )
    np.testing.assert_array_equal(found[0, 0, 0], [0.0, 0.5, 0.5])


def test_a_graph_that_does_not_know_its_shape_answers():
    import tensorflow as tf

    class Unknown(keras.Model):
        def call(self, batch):
            return tf.py_function(
                lambda x: tf.repeat(x, 2, axis=-1), [batch], tf.float32
            )

    model = Unknown()
    model.compile(jit_compile=False)
    found = evaluation.predict_probabilities(
        model, np.zeros((4, 4, 4, 1)), patch_shape=(4, 4, 4)
    )
    np.testing.assert_array_equal(found, np.full((4, 4, 4, 2), 0.5))
