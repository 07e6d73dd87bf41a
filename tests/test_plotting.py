import dataclasses

import numpy as np
import pytest

from keras_cakes import plotting
from keras_cakes.configuration import Configuration

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
    figure = plotting.plot_composition(configuration, title="Found")
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


def test_tradeoff():
    rows = [
        {"name": n, "dice": 0.8, "params": 1e5, "macs": 1e9, "ms": 20.0}
        for n in ("3d", "2d")
    ]
    figure = plotting.plot_tradeoff(rows)
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert labels == [
        "parameters (thousands)",
        "multiply-adds (G)",
        "forward pass (ms)",
    ]
    assert figure.axes[0].get_ylabel() == "mean DSC"
    assert figure.axes[0].lines[0].get_xdata()[0] == 100
    assert _legend(figure) == ["3d", "2d"]


def test_path_weights():
    weights = np.random.default_rng(0).normal(size=(7, 5))
    figure = plotting.plot_path_weights(
        {"a": (KERNELS, weights), "b": (KERNELS[:2], weights[:2])}
    )
    axis = figure.axes[0]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["a", "b"]
    assert axis.get_ylabel() == "path weight |γ|"
    assert len(axis.patches) == 9
    assert _legend(figure) == KERNELS


def test_history(tmp_path):
    figure = plotting.plot_history({"3d": {"step": [1, 2], "loss": [2, 1]}})
    assert figure.axes[0].get_xlabel() == "training step"
    assert _legend(figure) == ["3d"]
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
    figure = plotting.plot_contours(
        volume, {"3d": label, "none": 0 * label}, ["background", "a", "b"]
    )
    assert len(figure.axes) == 6
    assert figure.axes[0].get_title() == "3d, slice 2"
    assert _legend(figure) == ["a", "b", "true", "predicted"]
    assert len(figure.axes[0].collections) == 4
    assert len(figure.axes[3].collections) == 2
