import keras
import numpy as np
import pytest

from keras_cakes.evaluation import dice
from keras_cakes.training.metrics import DiceScore

NAMES = ["background", "liver", "tumour"]


def test_mean_over_cases_equals_numpy():
    generator = np.random.default_rng(0)
    metric = DiceScore(NAMES)
    scores = []
    for _ in range(3):
        label = generator.integers(0, 3, (2, 4, 4, 4))
        output = generator.normal(size=(2, 4, 4, 4, 3))
        metric.update_state(label, output)
        for a, b in zip(output.argmax(-1), label, strict=True):
            scores.append(dice(a, b, classes=3))
    expected = np.mean(scores, axis=0)
    result = {name: float(value) for name, value in metric.result().items()}
    assert result == pytest.approx(
        {
            "dice": expected.mean(),
            "dice_liver": expected[0],
            "dice_tumour": expected[1],
        },
        rel=1e-5,
    )
    metric.reset_state()
    assert float(metric.result()["dice"]) == 0.0


def test_absent_classes_and_weights():
    metric = DiceScore(NAMES[:2])
    label = np.array([[0, 0], [1, 1]])
    output = np.eye(2)[[[0, 0], [0, 0]]]
    metric.update_state(label, output)
    assert float(metric.result()["dice"]) == 0.5
    metric.reset_state()
    metric.update_state(label, output, sample_weight=np.array([3.0, 1.0]))
    assert float(metric.result()["dice"]) == 0.75


def test_large_volumes_are_counted_exactly():
    metric = DiceScore(NAMES[:2])
    label = np.ones((1, 300, 300, 200), "uint8")
    label[0, 0, 0, 0] = 0
    output = np.zeros((*label.shape, 2), "uint8")
    output[..., 1] = 1
    metric.update_state(label, output)
    voxels = 300 * 300 * 200
    assert float(metric.result()["dice"]) == pytest.approx(
        2 * (voxels - 1) / (2 * voxels - 1), abs=1e-7
    )


def test_in_fit_and_after_loading(tmp_path):
    image = keras.Input((4, 4, 4, 1))
    model = keras.Model(image, keras.layers.Conv3D(3, 1)(image))
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[DiceScore(NAMES)],
    )
    x = np.random.default_rng(0).normal(size=(4, 4, 4, 4, 1))
    y = (x[..., 0] > 0).astype("int32")
    history = model.fit(x, y, verbose=0, validation_data=(x, y)).history
    assert {"dice", "dice_liver", "val_dice_tumour"} <= set(history)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, y, verbose=0, return_dict=True)[
        "dice"
    ] == pytest.approx(
        model.evaluate(x, y, verbose=0, return_dict=True)["dice"]
    )


def test_names_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="`class_names` is expected"):
        DiceScore(["background"])
    with pytest.raises(ValueError, match=r"`y_true.shape \+ \(3,\)`"):
        DiceScore(NAMES).update_state(np.zeros((1, 2)), np.zeros((1, 2, 2)))
    for names in ("ab", ["background", "liver", "liver"]):
        with pytest.raises(ValueError, match="each once. Received: class_nam"):
            DiceScore(names)
    with pytest.raises(
        ValueError, match="`sample_weight.shape` is expected to be"
    ):
        DiceScore(NAMES).update_state(
            np.zeros((1, 2)), np.zeros((1, 2, 3)), np.ones((1, 2))
        )


@pytest.mark.tensorflow
def test_an_unknown_label_makes_the_score_nan():
    metric = DiceScore(NAMES)
    metric.update_state(np.array([[0, 7]]), np.zeros((1, 2, 3)))
    assert np.isnan(float(metric.result()["dice"]))


def test_state_is_summed_over_replicas_and_survives_its_configuration():
    metric = DiceScore(tuple(NAMES), name="dsc")
    assert {v.aggregation for v in metric.variables} == {"sum"}
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert again.get_config() == metric.get_config()
    assert set(again.result()) == {"dsc", "dsc_liver", "dsc_tumour"}
