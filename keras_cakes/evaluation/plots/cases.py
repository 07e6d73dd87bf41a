"""Draws figures of scored volumes: scores of cases and contours in slices."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from keras_cakes._errors import expect
from keras_cakes._errors import whole
from keras_cakes.evaluation.comparison import Rows
from keras_cakes.evaluation.comparison import paired_interval
from keras_cakes.evaluation.comparison import paired_scores
from keras_cakes.evaluation.plots.style import BLUE
from keras_cakes.evaluation.plots.style import GREEN
from keras_cakes.evaluation.plots.style import VERMILION
from keras_cakes.evaluation.plots.style import class_colour
from keras_cakes.evaluation.plots.style import new_figure
from keras_cakes.evaluation.plots.style import require_some
from keras_cakes.evaluation.volumes.scores import LabelledVolume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_AXES = ("depth", "height", "width")
# More names cannot be read below each other.
_MOST_NAMES = 40


def plot_paired_scores(
    scores_a: Rows,
    scores_b: Rows,
    *,
    names: tuple[str, str] = ("a", "b"),
    column: str = "mean",
    label: str = "mean DSC",
) -> "Figure":
    """Plots the scores of two networks and their difference, case by case.

    Cases are sorted by the difference; those where the first network is
    better are at the top. The band is the 95 % interval of `paired_interval`.

    Args:
        scores_a: Rows as `score_cases` returns them, of at least two cases.
        scores_b: Rows of another network on the same cases.
        names: Names of the two networks.
        column: The score to compare.
        label: Name of the score in the figure.

    Raises:
        ValueError: See `paired_interval`.
    """
    interval = paired_interval(scores_a, scores_b, column=column)
    by_case = paired_scores(scores_a, scores_b, column=column)
    cases = sorted(
        by_case[0], key=lambda case: by_case[0][case] - by_case[1][case]
    )
    first, second = (
        np.array([part[case] for case in cases]) for part in by_case
    )
    places = np.arange(len(cases))
    height = 1.9 + 0.22 * min(len(cases), _MOST_NAMES)
    figure, axes = new_figure(9.5, height, columns=2, sharey=True)
    left, right = axes[0]
    left.hlines(places, first, second, color="#bbbbbb", linewidth=1.5, zorder=1)
    for values, name, colour, marker in zip(
        (first, second), names, (BLUE, VERMILION), "os", strict=True
    ):
        left.scatter(
            values, places, color=colour, marker=marker, s=30, label=name
        )
    left.set_ylim(-0.7, len(cases) - 0.3)
    few = len(cases) <= _MOST_NAMES
    left.set_yticks(places if few else [], cases if few else [])
    left.set_ylabel("" if few else f"{len(cases)} cases")
    left.set_xlabel(label)
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    right.axvline(0, color="black", linewidth=1)
    right.axvspan(interval.low, interval.high, color=GREEN, alpha=0.25)
    right.axvline(interval.difference, color=GREEN, linewidth=1.5)
    right.scatter(first - second, places, color="#333333", s=24, zorder=2)
    right.set_xlabel(f"{label}: {names[0]} less {names[1]}")
    right.set_title(
        f"mean {interval.difference:+.4f}, 95 % interval "
        f"{interval.low:+.4f} to {interval.high:+.4f}",
        fontsize=10,
    )
    for axis in (left, right):
        axis.grid(axis="x", alpha=0.3)
        axis.locator_params(axis="x", nbins=5)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def plot_planes(
    volume: LabelledVolume,
    prediction: np.ndarray,
    *,
    class_names: Sequence[str],
    name: str = "predicted",
) -> "Figure":
    """Plots true and predicted contours in three planes of a case.

    Each plane is perpendicular to one axis and lies where the true
    foreground is largest, or in the middle if there is none. If `volume` has
    an `affine`, voxels have their proportions in millimetres.

    Args:
        volume: Has `name`, `image` `(depth, height, width, channels)` and
            `label` `(depth, height, width)`.
        prediction: Labels of the shape of `label`.
        class_names: Names of the classes, background first.
        name: Name of the prediction in the figure.

    Raises:
        ValueError: If the prediction has another shape than the label.
    """
    label = volume.label
    _check_shape("prediction", prediction, label)
    affine = getattr(volume, "affine", np.eye(4))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    figure, axes = new_figure(11.0, 4.6, columns=3)
    for plane, axis in enumerate(axes[0]):
        across, up = (other for other in range(3) if other != plane)
        index = _largest(label, plane)
        pixels = _slice(volume.image[..., 0], plane, index)
        aspect = spacing[up] / spacing[across]
        axis.imshow(pixels, "gray", origin="lower", aspect=aspect)
        for labels, style in ((label, "solid"), (prediction, "dashed")):
            pixels = _slice(labels, plane, index)
            for value in range(1, len(class_names)):
                _draw_contour(axis, pixels, value, style, width=1.6, margin=1)
        axis.set_xlim(-0.5, label.shape[across] - 0.5)
        axis.set_ylim(-0.5, label.shape[up] - 0.5)
        axis.set_title(f"{_AXES[plane]} {index} of {label.shape[plane]}")
        axis.set_xlabel(_AXES[across])
        axis.set_ylabel(_AXES[up])
    _add_names(figure, volume, class_names, name, columns=6)
    return figure


def plot_contours(
    volume: LabelledVolume,
    predictions: Mapping[str, np.ndarray],
    *,
    class_names: Sequence[str],
    plane: int = 2,
) -> "Figure":
    """Plots true and predicted contours of networks on three slices of a case.

    The slices lie at the quartiles of the true foreground, or of the volume
    if there is none.

    Args:
        volume: See `plot_planes`.
        predictions: For each network its labels, of the shape of `label`.
        class_names: Names of the classes, background first.
        plane: Axis that the slices are perpendicular to: 0, 1 or 2.

    Raises:
        ValueError: If `plane` is no axis, or a prediction is missing or has
            another shape than the label.
    """
    label = volume.label
    require_some("predictions", predictions)
    whole("plane", plane, least=0, most=2)
    for name, prediction in predictions.items():
        _check_shape(f"predictions[{name!r}]", prediction, label)
    present = np.unique(np.nonzero(label)[plane])
    if not present.size:
        present = np.arange(label.shape[plane])
    slices = np.quantile(present, (0.25, 0.5, 0.75)).astype(int)
    rows = len(predictions)
    figure, axes = new_figure(9.0, 2.9 * rows + 0.6, rows=rows, columns=3)
    for row, (name, prediction) in zip(axes, predictions.items(), strict=True):
        for axis, index in zip(row, slices, strict=True):
            pixels = _slice(volume.image[..., 0], plane, index)
            axis.imshow(pixels, "gray", origin="lower")
            for value in range(1, len(class_names)):
                for labels, style in ((label, "solid"), (prediction, "dashed")):
                    pixels = _slice(labels, plane, index)
                    _draw_contour(axis, pixels, value, style, width=1.4)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_title(f"{name}, slice {index}", fontsize=9)
    _add_names(figure, volume, class_names, "predicted", columns=4)
    return figure


def _check_shape(name: str, labels: np.ndarray, label: np.ndarray) -> None:
    expect(
        f"{name}.shape",
        labels.shape,
        labels.shape == label.shape,
        f"to be the shape of the label, {label.shape}",
    )


def _largest(label: np.ndarray, plane: int) -> int:
    others = tuple(axis for axis in range(3) if axis != plane)
    areas = np.count_nonzero(label, axis=others)
    return int(np.argmax(areas)) if areas.any() else label.shape[plane] // 2


def _slice(array: np.ndarray, plane: int, index: int) -> np.ndarray:
    """Cuts out a slice as `imshow` wants it: the first axis goes across."""
    return np.take(array, index, axis=plane).T


def _draw_contour(
    axis: Any,
    labels: np.ndarray,
    value: int,
    style: str,
    *,
    width: float,
    margin: int = 0,
) -> None:
    """Draws the contour of a class, which a margin closes at the border."""
    rows, columns = (np.arange(-margin, n + margin) for n in labels.shape)
    mask = np.pad(labels == value, margin)
    if mask.any():
        axis.contour(
            columns,
            rows,
            mask,
            [0.5],
            colors=class_colour(value),
            linestyles=style,
            linewidths=width,
        )


def _add_names(
    figure: "Figure",
    volume: LabelledVolume,
    class_names: Sequence[str],
    prediction: str,
    *,
    columns: int,
) -> None:
    """Adds the name of the case, and a legend of classes and line styles."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=class_colour(value), label=name)
        for value, name in enumerate(class_names)
        if value
    ]
    handles += [
        Line2D([], [], color="gray", label="true"),
        Line2D([], [], color="gray", linestyle="dashed", label=prediction),
    ]
    figure.suptitle(volume.name)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
