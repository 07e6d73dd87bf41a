import numpy as np
import pytest

from keras_cakes import evaluation
from tests.evaluation.networks import Case
from tests.evaluation.networks import SpacedCase


def _rows(scores):
    return [{"case": f"c{i}", "mean": s} for i, s in enumerate(scores)]


def test_paired_scores():
    first, second = _rows([0.5, 0.9, 0.7]), _rows([0.6, 0.5, 0.7])
    figure = evaluation.plot_paired_scores(first, second, names=("new", "old"))
    left, right = figure.axes
    # Sorted by the difference: -0.1, 0, +0.4.
    assert [t.get_text() for t in left.get_yticklabels()] == ["c0", "c2", "c1"]
    shown = {
        dots.get_label(): dots.get_offsets()[:, 0].tolist()
        for dots in left.collections[1:]
    }
    assert shown == {"new": [0.5, 0.7, 0.9], "old": [0.6, 0.7, 0.5]}
    np.testing.assert_allclose(
        right.collections[-1].get_offsets()[:, 0], [-0.1, 0.0, 0.4]
    )
    assert right.get_title().startswith("mean +0.1000, 95 % interval ")
    assert right.get_xlabel() == "mean DSC: new less old"


def test_paired_scores_of_many_cases_have_no_names():
    scores = np.linspace(0, 1, 120)
    figure = evaluation.plot_paired_scores(_rows(scores), _rows(scores[::-1]))
    assert not figure.axes[0].get_yticklabels()
    assert figure.axes[0].get_ylabel() == "120 cases"
    assert figure.get_figheight() < 15


def test_planes_go_through_the_largest_cross_sections():
    label = np.zeros((8, 9, 10), int)
    label[1:7, 2, 3] = 1
    label[5, 2:7, 3] = 2
    affine = np.diag([4.0, 2.0, 1.0, 1.0])
    image = np.random.default_rng(0).random((*label.shape, 2))
    volume = SpacedCase("case_4", image, label, affine)
    figure = evaluation.plot_planes(
        volume,
        np.roll(label, 1, 0),
        class_names=["background", "cord", "rib"],
        name="net",
    )
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["depth 5 of 8", "height 2 of 9", "width 3 of 10"]
    labels = [(a.get_xlabel(), a.get_ylabel()) for a in figure.axes]
    assert labels == [
        ("height", "width"),
        ("depth", "width"),
        ("depth", "height"),
    ]
    # Millimetres up per millimetre across, by voxel.
    assert [axis.get_aspect() for axis in figure.axes] == [0.5, 0.25, 0.5]
    np.testing.assert_array_equal(
        figure.axes[1].images[0].get_array(), image[:, 2, :, 0].T
    )
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["cord", "rib", "true", "net"]
    assert figure.get_suptitle() == "case_4"
    assert all(len(axis.collections) >= 2 for axis in figure.axes[1:])


def test_planes_of_an_empty_label_are_the_middle_ones():
    label = np.zeros((8, 9, 10), int)
    volume = Case(
        "empty", np.random.default_rng(0).random((8, 9, 10, 1)), label
    )
    figure = evaluation.plot_planes(
        volume, label, class_names=["background", "liver"]
    )
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["depth 4 of 8", "height 4 of 9", "width 5 of 10"]
    assert not any(axis.collections for axis in figure.axes)
    figure.canvas.draw()


def test_a_prediction_of_another_shape_is_refused():
    label = np.zeros((2, 2, 2), int)
    volume = Case("a", np.zeros((2, 2, 2, 1)), label)
    with pytest.raises(ValueError, match=r"\(2, 2, 2\). Received: .*\(1, 2, 2"):
        evaluation.plot_planes(
            volume, label[1:], class_names=["background", "liver"]
        )
