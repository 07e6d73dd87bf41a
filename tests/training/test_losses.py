import keras
import numpy as np
import pytest

from keras_cakes.training.losses import DiceCrossEntropy


def _numpy(label, logits, smooth=1e-5):
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    truth = np.eye(logits.shape[-1])[label]
    voxels = (1, 2, 3)
    entropy = -np.log((weights * truth).sum(-1)).mean(voxels)
    overlap = (weights * truth).sum(voxels)[:, 1:]
    sizes = (weights + truth).sum(voxels)[:, 1:]
    dice = (2 * overlap + smooth) / (sizes + smooth)
    return (1 - dice).mean(-1), entropy


def _case(samples=3):
    generator = np.random.default_rng(0)
    label = generator.integers(0, 3, (samples, 4, 5, 6))
    return label, generator.normal(size=(samples, 4, 5, 6, 3))


def test_equals_numpy():
    label, logits = _case()
    dice, entropy = _numpy(label, logits)
    loss = DiceCrossEntropy(reduction=None)
    np.testing.assert_allclose(loss(label, logits), dice + entropy, rtol=1e-5)
    weighted = DiceCrossEntropy(dice_weight=0.5, cross_entropy_weight=2.0)
    assert float(weighted(label, logits)) == pytest.approx(
        float((0.5 * dice + 2.0 * entropy).mean()), rel=1e-5
    )
    sample_weight = np.array([0.0, 1.0, 3.0])
    weighted = DiceCrossEntropy(reduction="sum")
    assert float(
        weighted(label, logits, sample_weight=sample_weight)
    ) == pytest.approx(float(sample_weight @ (dice + entropy)), rel=1e-5)


def test_is_a_mean_over_samples():
    label, logits = _case(4)
    loss = DiceCrossEntropy()
    halves = [
        float(loss(label[part], logits[part]))
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert float(loss(label, logits)) == pytest.approx(np.mean(halves))


def test_half_precision_logits_are_summed_wide():
    label = np.ones((1, 48, 48, 48), "int32")
    logits = np.zeros((1, 48, 48, 48, 2), "float16")
    assert np.isfinite(float(DiceCrossEntropy()(label, logits)))


def test_configuration_round_trip():
    loss = DiceCrossEntropy(smooth=0.1, dice_weight=0.3, name="mine")
    config = keras.losses.serialize(loss)
    again = keras.losses.deserialize(config)
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize("shape", [(1, 4, 4, 4), (1, 4, 4, 3), (1, 4, 4, 4, 1)])
def test_predictions_that_are_no_logits_are_refused(shape):
    with pytest.raises(ValueError, match="`y_pred` is expected to be logits"):
        DiceCrossEntropy().call(np.zeros((1, 4, 4, 4)), np.zeros(shape))


@pytest.mark.tensorflow
def test_an_unknown_label_is_not_trained_on_silently():
    label, logits = _case(2)
    label[1, 0, 0, 0] = 3
    loss = np.array(DiceCrossEntropy(reduction=None)(label, logits))
    assert np.isfinite(loss[0]) and np.isnan(loss[1])


def test_shapes_may_be_unknown_until_the_call():
    label = keras.Input((None, None, None), dtype="int32")
    logits = keras.Input((None, None, None, 3))
    assert DiceCrossEntropy(reduction=None).call(label, logits).shape == (None,)


def test_trains_under_mixed_precision():
    image = keras.Input((4, 4, 4, 1))
    x = keras.layers.Conv3D(3, 1, dtype="mixed_float16")(image)
    model = keras.Model(image, x)
    loss = DiceCrossEntropy()
    model.compile(keras.optimizers.SGD(0.5), loss)
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(4, 4, 4, 4, 1)).astype("float32")
    label = (inputs[..., 0] > 0).astype("int32")
    losses = model.fit(inputs, label, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    logits = keras.ops.convert_to_numpy(model(inputs))
    expected = sum(_numpy(label, logits.astype("float64"))).mean()
    assert float(loss(label, logits)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "argument", ["smooth", "dice_weight", "cross_entropy_weight"]
)
def test_a_negative_weight_is_refused(argument):
    with pytest.raises(
        ValueError, match=f"`{argument}` is expected.*Received: {argument}=-1"
    ):
        DiceCrossEntropy(**{argument: -1})


@pytest.mark.parametrize("samples", [1, 2])
def test_weights_of_voxels_are_refused(samples):
    # Width equals the number of samples, or there is one: both broadcast.
    label = np.zeros((samples, 3, 3, 2), "int32")
    logits = np.zeros((*label.shape, 3))
    loss = DiceCrossEntropy()
    with pytest.raises(
        ValueError, match=r"`sample_weight.shape` is expected to be \(batch,"
    ):
        loss(label, logits, sample_weight=np.ones(label.shape))
    column = loss(label, logits, sample_weight=np.full((samples, 1), 2.0))
    assert float(column) == pytest.approx(2.0 * float(loss(label, logits)))


def test_weights_of_samples_reach_a_compiled_step():
    image = keras.Input((3, 3, 2, 1))
    model = keras.Model(image, keras.layers.Conv3D(3, 1)(image))
    model.compile(loss=DiceCrossEntropy())
    label, _ = _case(4)
    label = label[:, :3, :3, :2]
    inputs = np.ones((*label.shape, 1), "float32")
    expected = sum(_numpy(label, np.array(model(inputs), "float64")))
    weights = np.array([0.0, 1.0, 2.0, 3.0], "float32")
    value = model.evaluate(inputs, label, sample_weight=weights, verbose=0)
    assert value == pytest.approx(float((weights * expected).mean()), rel=1e-4)
    model.compile(loss=DiceCrossEntropy())
    with pytest.raises(ValueError, match="`sample_weight.shape` is expected"):
        model.evaluate(
            inputs, label, sample_weight=np.ones(label.shape), verbose=0
        )
