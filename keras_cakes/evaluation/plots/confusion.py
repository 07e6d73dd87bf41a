"""Draws confusion matrices of classified clips."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.plots.style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More classes leave no room for numbers in cells or names below columns.
_MOST_NUMBERS = 20
# Inches of a cell with and without numbers.
_LARGE, _SMALL = 0.62, 0.13
_LONGEST_NAME = 48


def plot_confusion(
    matrix: np.ndarray,
    class_names: Sequence[str],
    *,
    title: str = "",
) -> "Figure":
    """Plots how often each class is predicted for each true class.

    A colour is a share of the clips of a true class, so each row adds up
    to 1. Up to 20 classes, cells also hold the number of clips and their
    share. With more classes, columns have numbers, which stand beside the
    names of the rows, and small shares have stronger colours. A class
    without clips is grey.

    Args:
        matrix: Integer array `(true class, predicted class)`, as
            `confusion_matrix` returns it; at least one clip.
        class_names: Name of each class; long ones are shortened.
        title: Text before the share of right predictions.

    Raises:
        ValueError: If an argument is not as stated.
    """
    from matplotlib.colors import PowerNorm

    matrix = np.asarray(matrix)
    _check(matrix, class_names)
    classes = len(matrix)
    clips = matrix.sum(axis=1)
    shares = np.full(matrix.shape, np.nan)
    np.divide(matrix, clips[:, None], out=shares, where=clips[:, None] > 0)
    few = classes <= _MOST_NUMBERS
    side = classes * (_LARGE if few else _SMALL)
    figure, axes = new_figure(max(side + 3.2, 5.0), max(side + 1.6, 3.2))
    axis = axes[0, 0]
    axis.set_facecolor("#dddddd")
    scale = PowerNorm(1.0 if few else 0.5, vmin=0, vmax=1)
    figure.colorbar(
        axis.imshow(shares, "Blues", norm=scale),
        label="share of the true class",
        fraction=0.05,
        pad=0.02,
        aspect=30,
        shrink=0.6,
    )
    names = [_shortened(name) for name in class_names]
    if few:
        _write_numbers(axis, matrix, shares)
        _name_few(axis, names, clips.tolist())
    else:
        _name_many(axis, names)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class" + (" (clips)" if few else ""))
    right = np.trace(matrix) / matrix.sum()
    axis.set_title(
        f"{title + ': ' if title else ''}{right:.1%} of {matrix.sum()} clips "
        "are right".replace("%", " %"),
        fontsize=10 if few else 14,
    )
    return figure


def _check(matrix: np.ndarray, class_names: Sequence[str]) -> None:
    require(
        matrix.ndim == 2
        and matrix.shape[0] == matrix.shape[1] >= 2
        and matrix.dtype.kind in "iu"
        and bool(matrix.min() >= 0)
        and bool(matrix.any()),
        "`matrix` is expected to count clips, at least one, as integers of "
        "shape (classes, classes), 2 classes or more. "
        f"Received: {matrix.dtype} of shape {matrix.shape}",
    )
    require(
        not isinstance(class_names, str) and len(class_names) == len(matrix),
        f"`class_names` is expected to name {len(matrix)} classes. "
        f"Received: {len(class_names)} names",
    )


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    return name[: _LONGEST_NAME - 1].rstrip() + "…"


def _write_numbers(axis: Any, matrix: np.ndarray, shares: np.ndarray) -> None:
    for (true, predicted), number in np.ndenumerate(matrix):
        share = shares[true, predicted]
        if np.isnan(share):
            continue
        axis.text(
            predicted,
            true,
            f"{number}\n{100 * share:.1f} %" if number else "0",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if share > 0.5 else "black" if number else "#aaaaaa",
        )


def _name_few(axis: Any, names: Sequence[str], clips: Sequence[int]) -> None:
    places = range(len(names))
    rows = [f"{n} ({c})" for n, c in zip(names, clips, strict=True)]
    axis.set_yticks(places, rows)
    axis.set_xticks(places, names)
    # A cell is about 8 letters wide.
    if max(map(len, names)) > 8:
        axis.tick_params(axis="x", rotation=40)
        for text in axis.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")


def _name_many(axis: Any, names: Sequence[str]) -> None:
    places = range(len(names))
    axis.set_yticks(places, [f"{n}  {i}" for i, n in enumerate(names)])
    axis.set_xticks(places, [str(i) for i in places])
    axis.tick_params(labelsize=54 * _SMALL, length=2, pad=1)
    axis.tick_params(axis="x", rotation=90, top=True, labeltop=True)
    # Lines help to find a column.
    for place in range(10, len(names), 10):
        for line in (axis.axhline, axis.axvline):
            line(place - 0.5, color="#cccccc", linewidth=0.5)
