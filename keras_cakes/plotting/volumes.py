"""Figures of volumes."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from keras_cakes._errors import whole
from keras_cakes.plotting.style import new_figure
from keras_cakes.plotting.style import require_some

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CLASS_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442")


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
