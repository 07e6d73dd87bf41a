import numpy as np
import pytest

from keras_cakes import evaluation
from keras_cakes.runs.files import write_table
from tests.evaluation.networks import Case
from tests.evaluation.networks import Constant
from tests.evaluation.networks import SpacedCase
from tests.evaluation.networks import pointwise


def test_dice_known_answers():
    prediction = np.array([1, 1, 1, 1, 0, 0, 2])
    label = np.array([0, 0, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(
        evaluation.dice(prediction, label, classes=4), [0.5, 0.0, 1.0]
    )
    assert evaluation.dice(label, label, classes=2) == [1.0]


def test_dice_of_empty_masks():
    empty, full = np.zeros((2, 2), int), np.ones((2, 2), int)
    assert evaluation.dice(empty, empty, classes=2) == [1.0]
    assert evaluation.dice(empty, full, classes=2) == [0.0]
    assert evaluation.dice(full, empty, classes=2) == [0.0]


def test_scores_per_case(tmp_path):
    model = pointwise(classes=2)
    volumes = []
    for name in ("a", "b"):
        image = np.random.default_rng(len(volumes)).normal(size=(5, 4, 6, 1))
        label = np.array(model(image[None]))[0].argmax(-1)
        volumes.append(Case(name, image, label))
    volumes[1].label = 1 - volumes[1].label
    rows = evaluation.score_cases(
        model,
        volumes,
        class_names=["background", "liver"],
        patch_shape=(4, 4, 4),
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


def test_scores_of_surfaces(tmp_path):
    model = pointwise(classes=3)
    image = np.random.default_rng(0).normal(size=(6, 5, 7, 1))
    prediction = np.array(model(image[None]))[0].argmax(-1)
    # Sheared, so that a spacing is not what stands on the diagonal.
    affine = np.diag([3.0, -2.0, 1.0, 1.0])
    affine[1, 0] = 4.0
    volume = SpacedCase("a", image, np.roll(prediction, 1, axis=0), affine)
    names = ["background", "liver", "spleen"]
    [row] = evaluation.score_cases(
        model,
        [volume],
        class_names=names,
        patch_shape=(4, 4, 4),
        surface=True,
        tolerance=2.0,
    )
    expected = evaluation.surface_scores(
        prediction,
        volume.label,
        classes=3,
        spacing=(5.0, 2.0, 1.0),
        tolerance=2.0,
    )
    assert list(row) == [
        *("case", "liver", "spleen", "mean"),
        *("liver_hd95", "spleen_hd95", "liver_nsd", "spleen_nsd"),
    ]
    assert [row["liver_hd95"], row["spleen_hd95"]] == expected.hd95.tolist()
    assert [row["liver_nsd"], row["spleen_nsd"]] == expected.nsd.tolist()
    assert row["mean"] == (row["liver"] + row["spleen"]) / 2
    assert set(evaluation.summarize([row])) == set(row) - {"case"}
    write_table(tmp_path / "scores.csv", [row])
    assert evaluation.read_scores(tmp_path / "scores.csv") == [row]


def test_options_reach_the_prediction():
    model = Constant()
    volume = Case("a", np.zeros((8, 4, 4, 1)), np.zeros((8, 4, 4), int))
    options = {"stride": 1, "flip": (0,), "weighting": "gaussian"}
    evaluation.score_cases(
        model,
        [volume],
        class_names=["b", "a"],
        patch_shape=(4, 4, 4),
        **options,
    )
    assert model.windows == 5 * 2


def test_classes_and_cases_that_cannot_be_scored_are_refused():
    labels = np.array([0, 1, 2])
    with pytest.raises(ValueError, match="`prediction` is expected.*shape=.2"):
        evaluation.dice(labels[:2], labels, classes=3)
    with pytest.raises(ValueError, match="`label` .* from 0 to 1. Received"):
        evaluation.dice(labels.clip(0, 1), labels, classes=2)
    for names in (["background"], ["b", "mean"], ["b", "a", "a"]):
        with pytest.raises(ValueError, match="`class_names` is expected"):
            evaluation.score_cases(
                None, [], class_names=names, patch_shape=(4, 4, 4)
            )
    names = ["b", "a", "a_nsd"]
    with pytest.raises(ValueError, match="`class_names` is expected.*a_nsd"):
        evaluation.score_cases(
            None, [], class_names=names, patch_shape=(4, 4, 4), surface=True
        )
    with pytest.raises(ValueError, match="`scores` is expected to hold"):
        evaluation.summarize([])


def test_message_names_the_case():
    image = np.zeros((4, 4, 4, 1))
    volume = Case("pancreas_7", image, None)
    with pytest.raises(ValueError, match="'pancreas_7': a label is expected"):
        evaluation.score_cases(
            pointwise(), [volume], class_names=["b", "a"], patch_shape=(4, 4, 4)
        )
    volume.label = image[..., 0].astype(int)
    with pytest.raises(ValueError, match="'pancreas_7': .*`affine`.*: none"):
        evaluation.score_cases(
            pointwise(),
            [volume],
            class_names=["b", "a"],
            patch_shape=(4, 4, 4),
            surface=True,
        )


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
