"""Figures; each function takes numbers and returns a matplotlib `Figure`."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes.configuration import Configuration
from keras_cakes.sub_kernels import canonical_order

# One hue per number of dimensions, shades within it (ColorBrewer, safe for
# the common colour deficiencies).
_SHADES = {
    3: ("#54278f", "#9e9ac8", "#cbc9e2"),
    2: ("#08519c", "#4292c6", "#9ecae1"),
    1: ("#a63603", "#f16913", "#fdae6b"),
    0: ("#969696",),
}
_CYCLE = (
    "#000000",
    "#0072b2",
    "#56b4e9",
    "#999999",
    "#e69f00",
    "#f0e442",
    "#d55e00",
    "#009e73",
    "#cc79a7",
)
_MARKERS = "osD^v<>P*"
_CLASS_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442")


def _figure(width: float, height: float, *grid: int) -> Any:
    # `Figure` without pyplot: nothing global, nothing to close.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    axes = figure.subplots(*grid, squeeze=False)
    return figure, axes


def _colours(kernels: Sequence[str]) -> dict[str, str]:
    """A colour per sub-kernel, the same in every figure of these kernels."""
    colours = {}
    used = dict.fromkeys(_SHADES, 0)
    for kernel in canonical_order(kernels):
        shades = _SHADES[kernel.dimensions]
        colours[str(kernel)] = shades[used[kernel.dimensions] % len(shades)]
        used[kernel.dimensions] += 1
    return colours


def plot_composition(
    configuration: Configuration, title: str | None = None
) -> Any:
    """Share of channels per sub-kernel, one bar a layer in network order.

    Args:
        configuration: What to show.
        title: Title of the figure.
    """
    kernels = list(configuration.counts)
    colours = _colours(kernels)
    names = list(configuration)
    figure, axes = _figure(7.5, 1.4 + 0.32 * len(names), 1, 1)
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


def plot_tradeoff(rows: Sequence[Mapping[str, Any]]) -> Any:
    """DSC against parameters, multiply-adds and measured time.

    Args:
        rows: One mapping per network: `name`, `dice` (0 to 1), `params`,
            `macs` and `ms` (milliseconds of one forward pass).
    """
    figure, axes = _figure(11.0, 3.8, 1, 3)
    columns = (
        ("params", 1e3, "parameters (thousands)"),
        ("macs", 1e9, "multiply-adds (G)"),
        ("ms", 1.0, "forward pass (ms)"),
    )
    for axis, (column, unit, label) in zip(axes[0], columns, strict=True):
        for index, row in enumerate(rows):
            axis.plot(
                row[column] / unit,
                row["dice"],
                _MARKERS[index % len(_MARKERS)],
                color=_CYCLE[index % len(_CYCLE)],
                markersize=9,
                markeredgecolor="black",
                markeredgewidth=0.6,
                label=row["name"] if column == "params" else None,
            )
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
        axis.set_xlim(left=0)
    axes[0, 0].set_ylabel("mean DSC")
    figure.legend(loc="outside right center", title="network")
    return figure


def plot_path_weights(
    path_weights: Mapping[str, tuple[Sequence[str], np.ndarray]],
) -> Any:
    """Distribution of the path weights, per layer and sub-kernel.

    A search that has found nothing shows boxes of the same height.

    Args:
        path_weights: For each layer the names of its candidates and an
            array of shape `(candidates, filters)`.
    """
    figure, axes = _figure(11.0, 3.8, 1, 1)
    axis = axes[0, 0]
    every = [name for names, _ in path_weights.values() for name in names]
    colours = _colours(every)
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
        range(len(path_weights)), list(path_weights), rotation=30, ha="right"
    )
    axis.set_ylabel("path weight |γ|")
    axis.grid(axis="y", alpha=0.3)
    from matplotlib.patches import Patch

    figure.legend(
        handles=[Patch(color=c, label=n) for n, c in colours.items()],
        loc="outside right center",
        title="sub-kernel",
    )
    return figure


def plot_history(histories: Mapping[str, Mapping[str, Any]]) -> Any:
    """Training loss of several runs.

    Args:
        histories: For each run its columns `step` and `loss`.
    """
    figure, axes = _figure(7.5, 3.8, 1, 1)
    axis = axes[0, 0]
    for index, (name, columns) in enumerate(histories.items()):
        axis.plot(
            columns["step"],
            columns["loss"],
            color=_CYCLE[index % len(_CYCLE)],
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=4,
            label=name,
        )
    axis.set_xlabel("training step")
    axis.set_ylabel("training loss")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right center")
    return figure


def plot_contours(
    volume: Any,
    predictions: Mapping[str, np.ndarray],
    class_names: Sequence[str],
) -> Any:
    """True and predicted contours on three slices of a case.

    Args:
        volume: Has `name`, `image` `(depth, height, width, channels)` and
            `label` `(depth, height, width)`.
        predictions: For each network its labels, of the shape of `label`.
        class_names: Names of the classes, background first.
    """
    from matplotlib.lines import Line2D

    present = np.flatnonzero((volume.label > 0).any(axis=(0, 1)))
    slices = np.quantile(present, (0.25, 0.5, 0.75)).astype(int)
    figure, axes = _figure(
        9.0, 2.9 * len(predictions) + 0.6, len(predictions), 3
    )
    for row, (name, prediction) in zip(axes, predictions.items(), strict=True):
        for axis, index in zip(row, slices, strict=True):
            axis.imshow(volume.image[:, :, index, 0].T, "gray", origin="lower")
            for value in range(1, len(class_names)):
                colour = _CLASS_COLOURS[(value - 1) % len(_CLASS_COLOURS)]
                for labels, style in (
                    (volume.label, "solid"),
                    (prediction, "dashed"),
                ):
                    mask = labels[:, :, index].T == value
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
