"""Draws figures of configurations and searches."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from keras_cakes.evaluation.plots.style import CYCLE
from keras_cakes.evaluation.plots.style import MARKERS
from keras_cakes.evaluation.plots.style import kernel_colours
from keras_cakes.evaluation.plots.style import new_figure
from keras_cakes.evaluation.plots.style import require_some
from keras_cakes.kernels.configuration import Configuration

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_composition(
    configuration: Configuration, title: str | None = None
) -> "Figure":
    """Plots the share of channels per sub-kernel, one bar per layer.

    Args:
        configuration: Layers in the order of the network.
        title: Title of the figure.
    """
    require_some("configuration", configuration)
    kernels = list(configuration.counts)
    colours = kernel_colours(kernels)
    names = list(configuration)
    figure, axes = new_figure(7.5, 1.4 + 0.32 * len(names))
    axis = axes[0, 0]
    left = np.zeros(len(names))
    for kernel in kernels:
        share = np.array(
            [
                configuration[name].counts.get(kernel, 0)
                / configuration[name].filters
                for name in names
            ]
        )
        axis.barh(names, share, left=left, color=colours[kernel], label=kernel)
        left += share
    for index, name in enumerate(names):
        axis.text(1.01, index, configuration[name].filters, va="center")
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("share of output channels (right: their number)")
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(title or "")
    figure.legend(loc="outside right center", title="sub-kernel")
    return figure


def plot_path_weights(
    path_weights: Mapping[str, tuple[Sequence[str], np.ndarray]],
) -> "Figure":
    """Plots boxes of the path weights, per layer and sub-kernel.

    Boxes of equal height mean that the search prefers no sub-kernel.

    Args:
        path_weights: For each layer the names of its candidates and an
            array of shape `(candidates, filters)`.
    """
    from matplotlib.patches import Patch

    require_some("path_weights", path_weights)
    figure, axes = new_figure(11.0, 3.8)
    axis = axes[0, 0]
    every = [name for names, _ in path_weights.values() for name in names]
    colours = kernel_colours(every)
    width = 0.8 / len(colours)
    slots = {name: i for i, name in enumerate(colours)}
    for place, (names, weights) in enumerate(path_weights.values()):
        for name, row in zip(names, weights, strict=True):
            box = axis.boxplot(
                row,
                positions=[place - 0.4 + width * (slots[name] + 0.5)],
                widths=0.85 * width,
                patch_artist=True,
                showfliers=False,
                manage_ticks=False,
                medianprops={"color": "black"},
            )
            box["boxes"][0].set_facecolor(colours[name])
    axis.set_xticks(
        range(len(path_weights)),
        list(path_weights),
        rotation=30,
        ha="right",
        rotation_mode="anchor",
    )
    axis.set_ylabel("path weight |γ|")
    axis.grid(axis="y", alpha=0.3)
    figure.legend(
        handles=[Patch(color=c, label=n) for n, c in colours.items()],
        loc="outside right center",
        title="sub-kernel",
    )
    return figure


def plot_front(
    points: Sequence[Any], marks: Sequence[Mapping[str, Any]] = ()
) -> "Figure":
    """Plots the best total score at each cost, and marks single networks.

    Args:
        points: As `keras_cakes.pareto` returns them: objects with the
            attributes `share` and `score`, in the order of `share`.
        marks: One mapping per network to mark: `name`, `share`, `score`.
    """
    require_some("points", points)
    figure, axes = new_figure(7.5 if marks else 6.0, 3.8)
    axis = axes[0, 0]
    axis.plot(
        [point.share for point in points],
        [point.score for point in points],
        color=CYCLE[0],
        marker=MARKERS[0],
        markersize=5,
        label="front",
    )
    for index, mark in enumerate(marks, start=1):
        axis.plot(
            mark["share"],
            mark["score"],
            linestyle="none",
            color=CYCLE[index % len(CYCLE)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=9,
            markeredgecolor="black",
            markeredgewidth=0.6,
            label=mark["name"],
        )
    axis.set_xlabel("cost, as a share of the plain network's")
    axis.set_ylabel("total score")
    axis.grid(alpha=0.3)
    if marks:
        figure.legend(loc="outside right center")
    return figure
