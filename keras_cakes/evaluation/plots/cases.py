"""Figures of volumes."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from keras_cakes._errors import whole
from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.comparison import Rows
from keras_cakes.evaluation.comparison import paired_interval
from keras_cakes.evaluation.comparison import paired_scores
from keras_cakes.evaluation.plots.style import new_figure
from keras_cakes.evaluation.plots.style import require_some
from keras_cakes.evaluation.volumes.scores import LabelledVolume

if TYPE_CHECKING:
    from matplotlib.figure import Figure
# Okabe and Ito, safe for the common colour deficiencies.
_NETWORK_COLOURS = ("#0072b2", "#d55e00")
_CLASS_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442")
_AXES = ("depth", "height", "width")
# More names than these cannot be read below each other.
_MOST_NAMES = 40


def plot_paired_scores(
    scores_a: Rows,
    scores_b: Rows,
    names: tuple[str, str] = ("a", "b"),
    column: str = "mean",
    label: str = "mean DSC",
) -> "Figure":
    """Two networks case by case: their scores, and the differences.

    Cases are sorted by the difference, in favour of the first network at
    the top. The band is the 95 % interval of `paired_interval`.

    Args:
        scores_a: Rows as `score_cases` returns them, of at least two cases.
        scores_b: Rows of the same cases, of another network.
        names: Names of the two networks.
        column: The score to compare.
        label: What to call the score.

    Raises:
        ValueError: See `paired_interval`.
    """
    # `Figure` without pyplot: nothing global, nothing to close.
    from matplotlib.figure import Figure

    interval = paired_interval(scores_a, scores_b, column)
    by_case = paired_scores(scores_a, scores_b, column)
    cases = sorted(
        by_case[0], key=lambda case: by_case[0][case] - by_case[1][case]
    )
    first, second = (
        np.array([part[case] for case in cases]) for part in by_case
    )
    places = np.arange(len(cases))
    height = 1.9 + 0.22 * min(len(cases), _MOST_NAMES)
    figure = Figure(figsize=(9.5, height), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2, sharey=True)
    left.hlines(places, first, second, color="#bbbbbb", linewidth=1.5, zorder=1)
    for values, name, colour, marker in zip(
        (first, second), names, _NETWORK_COLOURS, "os", strict=True
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
    right.axvspan(interval.low, interval.high, color="#009e73", alpha=0.25)
    right.axvline(interval.difference, color="#009e73", linewidth=1.5)
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
    class_names: Sequence[str],
    name: str = "predicted",
) -> "Figure":
    """True and predicted contours in three planes of a case.

    Each plane is perpendicular to one axis and lies where the true
    foreground is largest; in the middle, if there is none. Where `volume`
    has an `affine`, voxels have the proportions of the body.

    Args:
        volume: Has `name`, `image` `(depth, height, width, channels)` and
            `label` `(depth, height, width)`.
        prediction: Labels of the shape of `label`.
        class_names: Names of the classes, background first.
        name: What to call the prediction.

    Raises:
        ValueError: If the prediction has another shape than the label.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    label = volume.label
    require(
        prediction.shape == label.shape,
        "`prediction` is expected to be of the shape of the label, "
        f"{label.shape}. Received: prediction.shape={prediction.shape}",
    )
    affine = getattr(volume, "affine", np.eye(4))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    figure = Figure(figsize=(11.0, 4.6), layout="constrained", dpi=120)
    for plane, axis in enumerate(figure.subplots(1, 3)):
        across, up = (other for other in range(3) if other != plane)
        index = _largest(label, plane)
        axis.imshow(
            np.take(volume.image[..., 0], index, axis=plane).T,
            "gray",
            origin="lower",
            aspect=spacing[up] / spacing[across],
        )
        for labels, style in ((label, "solid"), (prediction, "dashed")):
            _contours(
                axis, np.take(labels, index, axis=plane).T, class_names, style
            )
        # Contours have a margin around the image.
        axis.set_xlim(-0.5, label.shape[across] - 0.5)
        axis.set_ylim(-0.5, label.shape[up] - 0.5)
        axis.set_title(f"{_AXES[plane]} {index} of {label.shape[plane]}")
        axis.set_xlabel(_AXES[across])
        axis.set_ylabel(_AXES[up])
    handles = [
        Line2D([], [], color=_colour(value), label=class_name)
        for value, class_name in enumerate(class_names)
        if value
    ]
    handles += [
        Line2D([], [], color="gray", label="true"),
        Line2D([], [], color="gray", linestyle="dashed", label=name),
    ]
    figure.suptitle(volume.name)
    figure.legend(handles=handles, loc="outside lower center", ncols=6)
    return figure


def _largest(label: np.ndarray, plane: int) -> int:
    others = tuple(axis for axis in range(3) if axis != plane)
    areas = np.count_nonzero(label, axis=others)
    return int(np.argmax(areas)) if areas.any() else label.shape[plane] // 2


def _contours(
    axis: Any, labels: np.ndarray, class_names: Sequence[str], style: str
) -> None:
    # A margin, so that a class at the border of the volume is closed.
    rows, columns = (np.arange(-1, size + 1) for size in labels.shape)
    for value in range(1, len(class_names)):
        mask = np.pad(labels == value, 1)
        if mask.any():
            axis.contour(
                columns,
                rows,
                mask,
                [0.5],
                colors=_colour(value),
                linestyles=style,
                linewidths=1.6,
            )


def _colour(value: int) -> str:
    return _CLASS_COLOURS[(value - 1) % len(_CLASS_COLOURS)]


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_contours(
    volume: Any,
    predictions: Mapping[str, np.ndarray],
    class_names: Sequence[str],
    plane: int = 2,
) -> "Figure":
    """True and predicted contours on three slices of a case.

    The slices lie at the quartiles of the true foreground; of the volume,
    if there is none.

    Args:
        volume: Has `name`, `image` `(depth, height, width, channels)` and
            `label` `(depth, height, width)`.
        predictions: For each network its labels, of the shape of `label`.
        class_names: Names of the classes, background first.
        plane: Axis that the slices are perpendicular to: 0, 1 or 2.

    Raises:
        ValueError: If `plane` is no axis, or a prediction is missing or has
            another shape than the label.
    """
    from matplotlib.lines import Line2D

    require_some("predictions", predictions)
    whole("plane", plane, least=0, most=2)
    for name, prediction in predictions.items():
        if prediction.shape != volume.label.shape:
            raise ValueError(
                f"`predictions` {name!r} is expected to be of shape "
                f"{volume.label.shape}. Received: shape {prediction.shape}"
            )
    present = np.unique(np.nonzero(volume.label)[plane])
    if not present.size:
        present = np.arange(volume.label.shape[plane])
    slices = np.quantile(present, (0.25, 0.5, 0.75)).astype(int)
    figure, axes = new_figure(
        9.0, 2.9 * len(predictions) + 0.6, len(predictions), 3
    )
    for row, (name, prediction) in zip(axes, predictions.items(), strict=True):
        for axis, index in zip(row, slices, strict=True):
            pixels = np.take(volume.image[..., 0], index, axis=plane)
            axis.imshow(pixels.T, "gray", origin="lower")
            for value in range(1, len(class_names)):
                colour = _CLASS_COLOURS[(value - 1) % len(_CLASS_COLOURS)]
                for labels, style in (
                    (volume.label, "solid"),
                    (prediction, "dashed"),
                ):
                    mask = np.take(labels, index, axis=plane).T == value
                    if mask.any():
                        axis.contour(
                            mask,
                            [0.5],
                            colors=colour,
                            linestyles=style,
                            linewidths=1.4,
                        )
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_title(f"{name}, slice {index}", fontsize=9)
    handles = [
        Line2D([], [], color=_CLASS_COLOURS[i % len(_CLASS_COLOURS)], label=n)
        for i, n in enumerate(class_names[1:])
    ]
    handles += [
        Line2D([], [], color="gray", label="true"),
        Line2D([], [], color="gray", linestyle="dashed", label="predicted"),
    ]
    figure.suptitle(volume.name)
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure
