import dataclasses

import numpy as np
import pytest

from keras_cakes import evaluation
from keras_cakes.kernels.configuration import Configuration
from search_quality_study import plots

KERNELS = ["3x3x3", "1x3x3", "3x1x3", "3x3x1", "3x1x1", "1x3x1", "1x1x3"]


def _legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_composition():
    configuration = Configuration(
        {
            "first": {"3x3x3": 4, "1x1x3": 12},
            "second": dict.fromkeys(KERNELS, 2),
        }
    )
    figure = evaluation.plot_composition(configuration, title="Found")
    axis = figure.axes[0]
    assert _legend(figure) == KERNELS
    assert axis.get_title() == "Found"
    totals = {}
    for bar in axis.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        totals[row] = totals.get(row, 0) + bar.get_width()
    assert totals == pytest.approx({0: 1.0, 1: 1.0})
    assert [text.get_text() for text in axis.texts] == ["16", "14"]
    colours = {bar.get_facecolor() for bar in axis.patches}
    assert len(colours) == 7


def test_a_sub_kernel_has_one_colour_in_every_figure():
    def colours(counts):
        figure = evaluation.plot_composition(Configuration({"a": counts}))
        patches = figure.legends[0].get_patches()
        return {
            name: patch.get_facecolor()
            for name, patch in zip(_legend(figure), patches, strict=True)
        }

    every = colours(dict.fromkeys(KERNELS, 1))
    few = colours({"3x3x1": 1, "1x1x3": 2})
    assert few == {name: every[name] for name in few}
    sizes = colours({"5x5x5": 1, "3x3x3": 1, "1x1x1": 1})
    assert sizes["5x5x5"] == every["3x3x3"]
    assert len(set(sizes.values())) == 3


def test_tradeoff():
    rows = [
        {"name": n, "dice": 0.8, "params": 1e5, "macs": 1e9, "ms": 20.0}
        for n in ("3d", "2d")
    ]
    figure = evaluation.plot_tradeoff(rows)
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert labels == [
        "parameters (thousands)",
        "multiply-adds (G)",
        "forward pass (ms)",
    ]
    assert figure.axes[0].get_ylabel() == "mean DSC"
    assert figure.axes[0].lines[0].get_xdata()[0] == 100
    assert _legend(figure) == ["3d", "2d"]
    lines = [axis.lines for axis in figure.axes]
    assert all(len({x.get_marker() for x in row}) == 2 for row in lines)
    assert len({x.get_color() for x in lines[0]}) == 2
    figure = evaluation.plot_tradeoff([{**rows[0], "params": 25e6}])
    assert figure.axes[0].get_xlabel() == "parameters (millions)"
    assert figure.axes[0].lines[0].get_xdata()[0] == 25


def test_tradeoff_with_a_spread_over_seeds():
    row = {"name": "3d", "dice": 0.8, "params": 1e5, "macs": 1e9, "ms": 20.0}
    figure = evaluation.plot_tradeoff([{**row, "dice_spread": 0.05}, row])
    for axis in figure.axes:
        (bar,) = axis.collections
        (segment,) = bar.get_segments()
        np.testing.assert_allclose(segment[:, 1], [0.75, 0.85])


def test_path_weights():
    weights = np.random.default_rng(0).normal(size=(7, 5))
    figure = evaluation.plot_path_weights(
        {"a": (KERNELS, weights), "b": (KERNELS[:2], weights[:2])}
    )
    axis = figure.axes[0]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["a", "b"]
    assert axis.get_ylabel() == "path weight |γ|"
    assert len(axis.patches) == 9
    assert _legend(figure) == KERNELS


@dataclasses.dataclass
class _Point:
    share: float
    score: float


def test_front():
    points = [_Point(0.2, 1.0), _Point(0.5, 3.0)]
    marks = [
        {"name": "random", "share": 0.5, "score": 2.0},
        {"name": "even split", "share": 0.4, "score": 1.5},
    ]
    figure = evaluation.plot_front(points, marks)
    axis = figure.axes[0]
    assert axis.lines[0].get_xydata().tolist() == [[0.2, 1.0], [0.5, 3.0]]
    assert axis.lines[2].get_xydata().tolist() == [[0.4, 1.5]]
    assert axis.get_xlabel() == "cost, as a share of the plain network's"
    assert axis.get_ylabel() == "total score"
    assert _legend(figure) == ["front", "random", "even split"]
    assert not evaluation.plot_front(points).legends


def test_budgets():
    rows = [
        {
            "network": name,
            "budget": share,
            "macs_share": share,
            "score": score,
            "deviation": 0.01,
        }
        for name, share, score in (
            ("random", 0.5, 0.7),
            ("random", 0.25, 0.6),
            ("3d", 1.0, 0.8),
        )
    ]
    figure = plots.plot_budgets(rows, "DSC")
    axis = figure.axes[0]
    assert axis.get_ylabel() == "DSC"
    assert "multiply-adds" in axis.get_xlabel()
    assert _legend(figure) == ["random", "3d"]
    line = axis.containers[0].lines[0].get_xydata().tolist()
    assert line == [[0.25, 0.6], [0.5, 0.7]]


def test_spans():
    rows = [
        {"method": m, "layer": n, "first": 0.9, "second": 0.2, "third": 0.1}
        for m in ("path weights", "lasso")
        for n in ("early", "late")
    ]
    figure = plots.plot_spans(rows, ("time", "height", "width"), chance=4 / 7)
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("path weights", "lasso")
    assert _legend(figure) == ["chance", "time", "height", "width"]
    names = [label.get_text() for label in first.get_xticklabels()]
    assert names == ["early", "late"]
    chance, time, *_ = first.lines
    assert list(chance.get_ydata()) == [4 / 7, 4 / 7]
    assert list(time.get_ydata()) == [0.9, 0.9]


def test_history(tmp_path):
    figure = evaluation.plot_history({"3d": {"step": [1, 2], "loss": [2, 1]}})
    assert figure.axes[0].get_xlabel() == "training step"
    assert _legend(figure) == ["3d"]
    epochs = evaluation.plot_history({"3d": {"loss": [2, 1]}}).axes[0]
    assert epochs.get_xlabel() == "epoch"
    assert list(epochs.lines[0].get_xdata()) == [1, 2]
    figure.savefig(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 1000


@dataclasses.dataclass
class _Volume:
    name: str
    image: np.ndarray
    label: np.ndarray


def test_contours():
    label = np.zeros((8, 8, 8), "uint8")
    label[2:6, 2:6, 1:7] = 1
    label[2:4, 2:4, 1:7] = 2
    volume = _Volume("case", np.zeros((8, 8, 8, 1)), label)
    figure = evaluation.plot_contours(
        volume,
        {"3d": label, "none": 0 * label},
        class_names=["background", "a", "b"],
    )
    assert len(figure.axes) == 6
    assert figure.axes[0].get_title() == "3d, slice 2"
    assert _legend(figure) == ["a", "b", "true", "predicted"]
    assert len(figure.axes[0].collections) == 4
    assert len(figure.axes[3].collections) == 2


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_contours_lie_in_the_foreground_of_any_plane(plane):
    label = np.moveaxis(np.zeros((9, 6, 7), "uint8"), 0, plane)
    np.moveaxis(label, plane, 0)[5:8, 2:4, 2:4] = 1
    volume = _Volume("case", np.zeros((*label.shape, 1)), label)
    figure = evaluation.plot_contours(
        volume, {"3d": label}, class_names=["background", "a"], plane=plane
    )
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["3d, slice 5", "3d, slice 6", "3d, slice 6"]
    assert figure.axes[0].images[0].get_array().shape == (7, 6)
    assert all(len(axis.collections) == 2 for axis in figure.axes)


def test_contours_without_foreground_span_the_volume():
    label = np.zeros((4, 4, 9), "uint8")
    volume = _Volume("case", np.zeros((4, 4, 9, 1)), label)
    figure = evaluation.plot_contours(
        volume, {"3d": label}, class_names=["background", "a"]
    )
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["3d, slice 2", "3d, slice 4", "3d, slice 6"]


def test_arguments_without_a_figure_are_refused():
    label = np.zeros((4, 4, 4), "uint8")
    volume = _Volume("case", np.zeros((4, 4, 4, 1)), label)
    for call, message in (
        (
            lambda: evaluation.plot_composition(Configuration({})),
            "configuration",
        ),
        (lambda: evaluation.plot_tradeoff([]), "`rows`.*Received: rows="),
        (lambda: evaluation.plot_path_weights({}), "`path_weights`"),
        (lambda: evaluation.plot_front([]), "`points`"),
        (lambda: plots.plot_budgets([]), "`rows`"),
        (lambda: plots.plot_spans([], ("a", "b", "c"), chance=0.5), "`rows`"),
        (lambda: evaluation.plot_history({}), "`histories`"),
        (
            lambda: evaluation.plot_contours(
                volume, {}, class_names=["b", "a"]
            ),
            "predictions",
        ),
        (
            lambda: evaluation.plot_contours(
                volume, {"x": label}, class_names=["b", "a"], plane=3
            ),
            "`plane` is expected "
            "to be an integer from 0 to 2. Received: plane=3",
        ),
        (
            lambda: evaluation.plot_contours(
                volume, {"x": label[1:]}, class_names=["b"]
            ),
            r"`predictions\['x'\].shape` is expected to be the shape of the "
            r"label, \(4, 4, 4\). Received: .*=\(3, 4, 4\)",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()
