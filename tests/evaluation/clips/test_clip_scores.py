import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes import evaluation


def _predictions(probabilities, labels):
    return evaluation.ClipPredictions(
        np.array(probabilities, "float32"), np.array(labels, "int32")
    )


def _random(seed, clips=50, classes=8, levels=None):
    generator = np.random.default_rng(seed)
    if levels is None:
        probabilities = generator.random((clips, classes))
    else:
        # Many ties.
        probabilities = generator.integers(0, levels, (clips, classes))
    labels = generator.integers(-1, classes, clips)
    labels[0] = 0
    return _predictions(probabilities, labels)


def _names(classes):
    return [f"class {number}" for number in range(classes)]


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    clips=st.integers(1, 30),
    classes=st.integers(2, 9),
    levels=st.sampled_from([1, 2, 5, None]),
)
def test_the_definition(seed, clips, classes, levels):
    predictions = _random(seed, clips, classes, levels)
    scores = evaluation.clip_scores(predictions, _names(classes))
    right = {1: [], 5: []}
    for values, label in zip(
        predictions.probabilities, predictions.labels, strict=True
    ):
        if label < 0:
            continue
        # Sorting is stable: of equal ones the lower number comes first.
        order = sorted(range(classes), key=lambda number: -values[number])
        for best, hits in right.items():
            hits.append((int(label), label in order[:best]))
    assert scores.clips == len(right[1])
    assert scores.top1 == pytest.approx(np.mean([hit for _, hit in right[1]]))
    if classes <= 5:
        assert scores.top5 is None
        assert all("top5" not in row for row in scores.rows)
    else:
        assert scores.top5 == pytest.approx(
            np.mean([hit for _, hit in right[5]])
        )
    recalls = []
    for number, row in enumerate(scores.rows):
        assert row["class"] == f"class {number}"
        for best in (1, 5) if classes > 5 else (1,):
            hits = [hit for label, hit in right[best] if label == number]
            assert row["clips"] == len(hits)
            assert row[f"top{best}"] == (
                pytest.approx(np.mean(hits)) if hits else None
            )
        if row["clips"]:
            recalls.append(row["top1"])
    assert scores.class_mean == pytest.approx(np.mean(recalls))


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.sampled_from([2, 5, None]))
def test_confusion(seed, levels):
    predictions = _random(seed, levels=levels)
    matrix = evaluation.confusion_matrix(predictions)
    expected = np.zeros((8, 8), int)
    for values, label in zip(
        predictions.probabilities, predictions.labels, strict=True
    ):
        if label >= 0:
            expected[label, values.tolist().index(max(values))] += 1
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, expected)
    scores = evaluation.clip_scores(predictions, _names(8))
    assert scores.top1 == pytest.approx(np.trace(matrix) / matrix.sum())
    assert [row["clips"] for row in scores.rows] == matrix.sum(1).tolist()


def test_known_answers():
    # The right class is first, second, sixth, and first of equal ones.
    predictions = _predictions(
        [
            [0.9, 0.1, 0.0, 0.0, 0.0, 0.0],
            [0.3, 0.6, 0.1, 0.0, 0.0, 0.0],
            [0.3, 0.2, 0.2, 0.1, 0.15, 0.05],
            [0.0, 0.5, 0.5, 0.0, 0.0, 0.0],
            [0.0, 0.5, 0.5, 0.0, 0.0, 0.0],
        ],
        [0, 0, 5, 1, 2],
    )
    scores = evaluation.clip_scores(predictions, _names(6))
    assert (scores.top1, scores.top5, scores.clips) == (0.4, 0.8, 5)
    assert [row["top1"] for row in scores.rows] == [0.5, 1, 0, None, None, 0]
    assert scores.class_mean == 0.375
    np.testing.assert_array_equal(
        np.argwhere(evaluation.confusion_matrix(predictions)),
        [[0, 0], [0, 1], [1, 1], [2, 1], [5, 0]],
    )


def test_two_networks_are_compared_clip_by_clip():
    labels = np.random.default_rng(0).integers(0, 3, 200)
    perfect = np.eye(3)[labels]
    worse = np.eye(3)[np.where(np.arange(200) % 4, labels, (labels + 1) % 3)]
    names = [f"clip {number}" for number in range(200)]
    first, second = (
        evaluation.clip_rows(_predictions(p, labels), names)
        for p in (perfect, worse)
    )
    assert second[0] == {
        "case": "clip 0",
        "mean": 0.0,
        "label": labels[0],
        "predicted": (labels[0] + 1) % 3,
    }
    found = evaluation.paired_interval(first, second[::-1])
    assert found.difference == pytest.approx(0.25)
    # Four standard errors of 200 draws of a quarter.
    assert found.high - found.low == pytest.approx(0.12, abs=0.01)
    assert found.cases == 200
    figure = evaluation.plot_paired_scores(first, second, label="top-1")
    assert figure.axes[1].get_xlabel() == "top-1: a less b"


def test_clips_without_a_label_are_left_out():
    predictions = _predictions([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]], [0, -1, 1])
    scores = evaluation.clip_scores(predictions, ["a", "b"])
    assert (scores.clips, scores.top1) == (2, 0.5)
    assert evaluation.confusion_matrix(predictions).sum() == 2
    rows = evaluation.clip_rows(predictions, ["x", "y", "z"])
    assert [row["case"] for row in rows] == ["x", "z"]


def test_names_and_clips_that_do_not_fit_are_refused():
    predictions = _predictions([[0.9, 0.1], [0.9, 0.1]], [-1, -1])
    with pytest.raises(ValueError, match="a label. Received: 2 clips, none"):
        evaluation.clip_scores(predictions, ["a", "b"])
    for names in (["a"], ["a", "b", "c"], "ab"):
        with pytest.raises(ValueError, match="name 2 classes. Received: "):
            evaluation.clip_scores(predictions, names)
    for names in (["a"], ["a", "a"]):
        with pytest.raises(ValueError, match="name 2 clips, each once. Rec"):
            evaluation.clip_rows(predictions, names)


def test_rows_of_more_than_five_classes_have_the_five_best():
    p = np.linspace(0.3, 0.1, 7)[None].repeat(3, 0)
    predictions = _predictions(p / p.sum(1, keepdims=True), [0, 4, 5])
    rows = evaluation.clip_rows(predictions, ["x", "y", "z"])
    assert [row["top5"] for row in rows] == [1.0, 1.0, 0.0]
    assert [row["mean"] for row in rows] == [1.0, 0.0, 0.0]


def test_rows_rank_all_clips_at_once(monkeypatch):
    predictions, ranked = _random(0, clips=30), []
    predicted = evaluation.ClipPredictions.predicted.fget

    def count(self):
        ranked.append(len(self.labels))
        return predicted(self)

    monkeypatch.setattr(
        evaluation.ClipPredictions, "predicted", property(count)
    )
    evaluation.clip_rows(predictions, _names(30))
    # Once for all clips, not once for each of them.
    assert ranked == [30]
