import dataclasses
import tracemalloc

import keras
import numpy as np
import pytest

from keras_cakes import evaluation
from keras_cakes.runs import write_table


def _pointwise(channels=1, classes=3):
    image = keras.Input((None, None, None, channels))
    return keras.Model(image, keras.layers.Conv3D(classes, 1)(image))


@pytest.mark.parametrize(
    "shape", [(9, 11, 7), (4, 4, 4), (3, 12, 5), (1, 1, 1), (8, 4, 6)]
)
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_pointwise_network_gives_the_direct_pass(shape, overlap, batch_size):
    model = _pointwise()
    image = np.random.default_rng(0).normal(size=(*shape, 1))
    labels = evaluation.predict_volume(
        model, image, (4, 4, 4), overlap, batch_size
    )
    direct = np.array(model(image[None]))[0].argmax(-1)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, direct)


def test_one_window_is_the_direct_pass():
    image = keras.Input((6, 6, 6, 2))
    x = keras.layers.Conv3D(3, 3, padding="same")(image)
    model = keras.Model(image, x)
    volume = np.random.default_rng(0).normal(size=(6, 6, 6, 2))
    np.testing.assert_array_equal(
        evaluation.predict_volume(model, volume, (6, 6, 6)),
        np.array(model(volume[None]))[0].argmax(-1),
    )


def test_small_volumes_are_centred_as_in_training():
    # A network that labels by place: 1 in the first half of the window.
    image = keras.Input((8, 4, 4, 1))
    place = np.zeros((1, 8, 4, 4, 2), "float32")
    place[:, :4, ..., 1] = 1.0
    place[:, 4:, ..., 0] = 1.0
    model = keras.Model(
        image, keras.layers.Lambda(lambda x: 0.0 * x + place)(image)
    )
    labels = evaluation.predict_volume(model, np.ones((4, 4, 4, 1)), (8, 4, 4))
    np.testing.assert_array_equal(labels[:, 0, 0], [1, 1, 0, 0])


def test_dice_known_answers():
    prediction = np.array([1, 1, 1, 1, 0, 0, 2])
    label = np.array([0, 0, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(
        evaluation.dice(prediction, label, 4), [0.5, 0.0, 1.0]
    )
    assert evaluation.dice(label, label, 2) == [1.0]


@dataclasses.dataclass
class _Volume:
    name: str
    image: np.ndarray
    label: np.ndarray


def test_scores_per_case(tmp_path):
    model = _pointwise(classes=2)
    volumes = []
    for name in ("a", "b"):
        image = np.random.default_rng(len(volumes)).normal(size=(5, 4, 6, 1))
        label = np.array(model(image[None]))[0].argmax(-1)
        volumes.append(_Volume(name, image, label))
    volumes[1].label = 1 - volumes[1].label
    rows = evaluation.score_cases(
        model, volumes, ["background", "liver"], (4, 4, 4)
    )
    assert rows == [
        {"case": "a", "liver": 1.0, "mean": 1.0},
        {"case": "b", "liver": 0.0, "mean": 0.0},
    ]
    assert evaluation.summarize(rows)["liver"] == {
        "mean": 0.5,
        "min": 0.0,
        "max": 1.0,
    }
    write_table(tmp_path / "scores.csv", rows)
    assert evaluation.read_scores(tmp_path / "scores.csv") == rows


def test_messages():
    with pytest.raises(ValueError, match="`image` is expected"):
        evaluation.predict_volume(None, np.zeros((4, 4, 4)), (4, 4, 4))
    with pytest.raises(ValueError, match="`overlap` is expected.*1.0"):
        evaluation.predict_volume(None, np.zeros((4, 4, 4, 1)), (4,) * 3, 1.0)
    for patch, batch in (((4, 4), 1), ((4, 4, 0), 1), ((4, 4, 4), 0)):
        with pytest.raises(ValueError, match="`patch_shape` is expected"):
            evaluation.predict_volume(
                None, np.zeros((4, 4, 4, 1)), patch, batch_size=batch
            )
    with pytest.raises(ValueError, match="`image` is expected to be finite"):
        evaluation.predict_volume(
            None, np.full((4, 4, 4, 1), np.nan), (4, 4, 4)
        )
    labels = np.array([0, 1, 2])
    with pytest.raises(ValueError, match="`prediction` is expected.*shape=.2"):
        evaluation.dice(labels[:2], labels, 3)
    with pytest.raises(ValueError, match="`label` .* from 0 to 1. Received"):
        evaluation.dice(labels.clip(0, 1), labels, 2)
    for names in (["background"], ["b", "mean"], ["b", "a", "a"]):
        with pytest.raises(ValueError, match="`class_names` is expected"):
            evaluation.score_cases(None, [], names, (4, 4, 4))
    with pytest.raises(ValueError, match="`scores` is expected to hold"):
        evaluation.summarize([])


def test_a_network_that_diverged_is_not_background():
    model = _pointwise()
    model.layers[-1].bias.assign([np.nan] * 3)
    with pytest.raises(ValueError, match="finite logits. Received: NaN"):
        evaluation.predict_volume(model, np.zeros((4, 4, 4, 1)), (4, 4, 4))


def test_message_of_a_network_that_strides():
    image = keras.Input((4, 4, 4, 1))
    model = keras.Model(image, keras.layers.Conv3D(3, 1, strides=2)(image))
    with pytest.raises(ValueError, match=r"Received: shape \(1, 2, 2, 2, 3\)"):
        evaluation.predict_volume(model, np.zeros((4, 4, 4, 1)), (4, 4, 4))


def test_message_names_the_case():
    image = np.zeros((4, 4, 4, 1))
    volume = _Volume("pancreas_7", image, None)
    with pytest.raises(ValueError, match="'pancreas_7': a label is expected"):
        evaluation.score_cases(_pointwise(), [volume], ["b", "a"], (4, 4, 4))


def test_probabilities_of_overlapping_windows_are_averaged():
    # Logits of class 1 by place in the window: weak but twice, strong once.
    image = keras.Input((4, 1, 1, 1))
    place = np.zeros((1, 4, 1, 1, 2), "float32")
    place[0, :, 0, 0, 1] = [9.0, -1.0, 0.5, -9.0]
    model = keras.Model(
        image, keras.layers.Lambda(lambda x: 0.0 * x + place)(image)
    )
    labels = evaluation.predict_volume(model, np.ones((6, 1, 1, 1)), (4, 1, 1))
    share = 1.0 / (1.0 + np.exp(-place[0, :, 0, 0, 1]))
    mean = [*share[:2], *(share[:2] + share[2:]) / 2, *share[2:]]
    np.testing.assert_array_equal(labels[:, 0, 0], np.array(mean) > 0.5)


def test_one_trace_for_all_volumes():
    traces = []

    class Traced(keras.layers.Layer):
        def call(self, inputs):
            traces.append(inputs.shape)
            return inputs

    image = keras.Input((None, None, None, 1))
    x = keras.layers.Conv3D(2, 1)(Traced()(image))
    model = keras.Model(image, x)
    traces.clear()
    for shape in ((9, 5, 4), (3, 3, 3), (4, 7, 6)):
        evaluation.predict_volume(
            model, np.zeros((*shape, 1)), (4, 4, 4), batch_size=2
        )
    assert [tuple(shape) for shape in traces] == [(2, 4, 4, 4, 1)]


def test_summary_of_named_classes():
    rows = [{"case": "a", "liver": 0.5, "spleen": 1.0, "mean": 0.75}]
    summary = evaluation.summarize(rows, ["background", "spleen"])
    assert list(summary) == ["spleen", "mean"]
    assert list(evaluation.summarize(rows)) == ["liver", "spleen", "mean"]


@pytest.mark.parametrize(
    "text", ["case,liver\na,high\n", "a,b\n1,2\n", "case\na,1"]
)
def test_message_names_the_file(tmp_path, text):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="scores.csv: a table with .*Received"):
        evaluation.read_scores(path)


def test_memory_is_bounded_by_the_volume_not_by_the_windows():
    class Constant:
        windows = 0

        def predict_on_batch(self, batch):
            self.windows += 1
            return np.zeros((*batch.shape[:-1], 2), np.float32)

    image, model = np.zeros((40, 40, 40, 1), np.float32), Constant()
    tracemalloc.start()
    evaluation.predict_volume(model, image, (8, 8, 8), overlap=0.75)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert model.windows == 17**3
    # All windows at once would take 8 bytes * 8**3 * 17**3, 20 MB.
    assert peak < 10 * image.nbytes
