import dataclasses
import gc
import weakref

import keras
import numpy as np
import pytest

from keras_cakes import evaluation


def _network(classes=4, shape=(3, 6, 5, 2)):
    clip = keras.Input(shape)
    x = keras.layers.Conv3D(4, 3, kernel_initializer="random_normal")(clip)
    x = keras.layers.Flatten()(x)
    return keras.Model(
        clip, keras.layers.Dense(classes, kernel_initializer="random_normal")(x)
    )


def _batches(sizes, views=3, shape=(3, 6, 5, 2), classes=4):
    generator = np.random.default_rng(0)
    return [
        (
            generator.normal(size=(size, views, *shape)).astype("float32"),
            generator.integers(-1, classes, size).astype("int32"),
        )
        for size in sizes
    ]


def _softmax(logits):
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


class Traced(keras.layers.Layer):
    """Notes the shape of every tracing."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def call(self, x):
        self.shapes.append(tuple(x.shape))
        return x


@pytest.mark.parametrize("views", [1, 3])
def test_the_definition(views):
    model, batches = _network(), _batches((4, 4, 1), views)
    found = evaluation.predict_clips(model, batches)
    clips = np.concatenate([clips for clips, _ in batches])
    expected = [
        np.mean(
            [_softmax(np.array(model(view[None]), "float64")[0]) for view in c],
            axis=0,
        )
        for c in clips
    ]
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    np.testing.assert_array_equal(
        found.labels, np.concatenate([labels for _, labels in batches])
    )
    assert found.labels.dtype == found.predicted.dtype == np.int32
    np.testing.assert_array_equal(found.predicted, np.argmax(expected, 1))
    np.testing.assert_array_equal(found.labelled, found.labels >= 0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.labels = found.predicted


def test_probabilities_are_averaged_not_logits():
    # Two views weakly for the second class, one strongly for the first.
    clip = keras.Input((1, 1, 1, 2))
    model = keras.Model(clip, keras.layers.Flatten()(clip))
    logits = np.array([[0.0, 2.0], [0.0, 2.0], [9.0, 0.0]], "float32")
    batch = logits.reshape(1, 3, 1, 1, 1, 2), np.array([1])
    found = evaluation.predict_clips(model, [batch])
    assert found.predicted.tolist() == [1]
    assert logits.mean(0).argmax() == 0


def test_a_network_is_traced_for_one_shape():
    clip = keras.Input((3, 6, 5, 2))
    traced = Traced()
    x = keras.layers.GlobalAveragePooling3D()(traced(clip))
    model = keras.Model(clip, keras.layers.Dense(4)(x))
    traced.shapes.clear()
    for _ in range(3):
        evaluation.predict_clips(model, _batches((4, 4, 2)))
    assert traced.shapes == [(12, 3, 6, 5, 2)]
    # New weights are seen nevertheless.
    before = evaluation.predict_clips(model, _batches((4,))).probabilities
    model.set_weights([2 * w + 1 for w in model.get_weights()])
    after = evaluation.predict_clips(model, _batches((4,))).probabilities
    assert np.abs(after - before).max() > 0.01
    assert len(traced.shapes) == 1


def test_what_is_kept_does_not_keep_the_network():
    model = _network()
    evaluation.predict_clips(model, _batches((2,)))
    reference = weakref.ref(model)
    del model
    keras.utils.clear_session()
    gc.collect()
    assert reference() is None


def test_batches_of_tf_data_and_half_precision():
    import tensorflow as tf

    [(clips, labels)] = _batches((7,))
    batches = tf.data.Dataset.from_tensor_slices((clips, labels)).batch(3)
    model = _network()
    expected = evaluation.predict_clips(model, [(clips, labels)])
    found = evaluation.predict_clips(model, batches)
    np.testing.assert_allclose(
        found.probabilities, expected.probabilities, atol=1e-6
    )
    np.testing.assert_array_equal(found.labels, labels)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = _network()
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(model.get_weights())
    found = evaluation.predict_clips(half, batches)
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-6)


class Answering:
    """Anything with `predict_on_batch`."""

    def __init__(self, logits):
        self.logits = logits

    def predict_on_batch(self, batch):
        return self.logits(batch)


@pytest.mark.parametrize("eagerly", [False, True])
def test_any_network_of_logits(eagerly):
    model = _network()
    expected = evaluation.predict_clips(model, _batches((2, 1)))
    other = Answering(model.predict_on_batch)
    if eagerly:
        model.compile(run_eagerly=True)
        other = model
    found = evaluation.predict_clips(other, _batches((2, 1)))
    np.testing.assert_allclose(
        found.probabilities, expected.probabilities, atol=1e-6
    )


def test_batches_that_do_not_fit_are_refused():
    model = _network()
    [(clips, labels)] = _batches((2,))
    with pytest.raises(ValueError, match="at least one batch. Received: none"):
        evaluation.predict_clips(model, [])
    for wrong in (clips[:, 0], clips[:0], clips.astype("float64")):
        with pytest.raises(ValueError, match="float32 clips of shape.*Receiv"):
            evaluation.predict_clips(model, [(wrong, labels)])
    for wrong in (clips[:, :1], clips[..., :1], np.repeat(clips, 2, 0)):
        with pytest.raises(ValueError, match="of the first batch.*Received: "):
            evaluation.predict_clips(model, [(clips, labels), (wrong, labels)])
    for wrong in (labels[:1], labels.astype("float32"), labels[:, None]):
        with pytest.raises(ValueError, match="integer for each of 2 clips. R"):
            evaluation.predict_clips(model, [(clips, wrong)])
    for wrong in (np.array([0, 4]), np.array([-2, 0])):
        with pytest.raises(ValueError, match="from 0 to 3, or -1 .*Received"):
            evaluation.predict_clips(model, [(clips, wrong)])


def test_answers_that_are_no_logits_are_refused():
    [batch] = _batches((2,))
    for bad in (np.nan, np.inf):
        model = _network()
        model.layers[-1].bias.assign([0.0, bad, 0.0, 0.0])
        for network in (model, Answering(model.predict_on_batch)):
            with pytest.raises(ValueError, match="finite logits. Received: N"):
                evaluation.predict_clips(network, [batch])
    clip = keras.Input((3, 6, 5, 2))
    per_frame = keras.Model(clip, keras.layers.Dense(4)(clip))
    with pytest.raises(ValueError, match=r"\(6, classes\).*\(6, 3, 6, 5, 4\)"):
        evaluation.predict_clips(per_frame, [batch])
    with pytest.raises(ValueError, match=r"2 classes or more.*\(6, 1\)"):
        evaluation.predict_clips(_network(1), [batch])
    with pytest.raises(ValueError, match="logits of shape.*Received: list"):
        evaluation.predict_clips(Answering(lambda x: [1.0]), [batch])
    with pytest.raises(ValueError, match=r"logits of shape.*\(5, 4\)"):
        evaluation.predict_clips(
            Answering(lambda x: np.zeros((5, 4), "float32")), [batch]
        )


def test_arrays_that_are_no_predictions_are_refused():
    labels = np.array([0, 1])
    for shape in ((2,), (0, 2), (2, 1)):
        with pytest.raises(ValueError, match=r"\(clips, classes\).*Received"):
            evaluation.ClipPredictions(np.zeros(shape, "float32"), labels)
    probabilities = np.full((2, 2), 0.5, "float32")
    with pytest.raises(ValueError, match="`labels` .* each of 2 clips"):
        evaluation.ClipPredictions(probabilities, np.array([0, 1, 0]))
    probabilities[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite. Received: NaN"):
        evaluation.ClipPredictions(probabilities, labels)
