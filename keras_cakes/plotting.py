"""Figures; each function takes numbers and returns a matplotlib `Figure`.

Where there is nothing to show, a `ValueError` names the empty argument.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Sized
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from keras_cakes.configuration import Configuration
from keras_cakes.sub_kernels import canonical_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# By the axes along which a sub-kernel extends, so that it has one colour in
# every figure: a hue per number of dimensions, a shade per orientation
# (ColorBrewer, safe for the common colour deficiencies).
_COLOURS: dict[tuple[bool, ...], str] = {
    (True, True, True): "#54278f",
    (False, True, True): "#08519c",
    (True, False, True): "#4292c6",
    (True, True, False): "#9ecae1",
    (True, False, False): "#a63603",
    (False, True, False): "#f16913",
    (False, False, True): "#fdae6b",
    (False, False, False): "#969696",
}
_CYCLE = (
    "#000000 #0072b2 #56b4e9 #999999 #e69f00 #f0e442 #d55e00 #009e73 #cc79a7"
).split()
_MARKERS = "osD^v<>P*"
_CLASS_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442")


def _figure(width: float, height: float, *grid: int) -> Any:
    # `Figure` without pyplot: nothing global, nothing to close.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    axes = figure.subplots(*grid, squeeze=False)
    return figure, axes


def _colours(kernels: Iterable[str]) -> dict[str, Any]:
    """A colour per sub-kernel, in canonical order.

    Smaller kernels of one orientation are paler, as 3x3x3 beside 5x5x5.
    """
    from matplotlib.colors import to_rgb

    colours = {}
    seen: dict[tuple[bool, ...], int] = {}
    for kernel in canonical_order(kernels):
        axes = tuple(size > 1 for size in kernel)
        seen[axes] = seen.get(axes, 0) + 1
        base = np.array(to_rgb(_COLOURS[axes]))
        colours[str(kernel)] = tuple(1.0 - (1.0 - base) / seen[axes])
    return colours


def _some(name: str, values: Sized) -> None:
    if not len(values):
        raise ValueError(
            f"`{name}` is expected to hold at least one entry. "
            f"Received: {name}={values}"
        )


def plot_composition(
    configuration: Configuration, title: str | None = None
) -> "Figure":
    """Share of channels per sub-kernel, one bar a layer in network order.

    Args:
        configuration: What to show.
        title: Title of the figure.
    """
    _some("configuration", configuration)
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


def plot_tradeoff(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """DSC against parameters, multiply-adds and measured time.

    Args:
        rows: One mapping per network: `name`, `dice` (0 to 1), `params`,
            `macs`, `ms` of a forward pass; `dice_spread` adds error bars.
    """
    _some("rows", rows)
    figure, axes = _figure(11.0, 3.8, 1, 3)
    large = max(row["params"] for row in rows) >= 1e6
    params_unit, word = (1e6, "millions") if large else (1e3, "thousands")
    columns = (
        ("params", params_unit, f"parameters ({word})"),
        ("macs", 1e9, "multiply-adds (G)"),
        ("ms", 1.0, "forward pass (ms)"),
    )
    for axis, (column, unit, label) in zip(axes[0], columns, strict=True):
        for index, row in enumerate(rows):
            axis.errorbar(
                row[column] / unit,
                row["dice"],
                row.get("dice_spread"),
                fmt=_MARKERS[index % len(_MARKERS)],
                color=_CYCLE[index % len(_CYCLE)],
                markersize=9,
                markeredgecolor="black",
                markeredgewidth=0.6,
                label=row["name"] if column == "params" else None,
            )
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
        axis.margins(y=0.08)
        axis.set_xlim(0, 1.08 * max(row[column] for row in rows) / unit)
    axes[0, 0].set_ylabel("mean DSC")
    figure.legend(loc="outside right center", title="network")
    return figure


def plot_path_weights(
    path_weights: Mapping[str, tuple[Sequence[str], np.ndarray]],
) -> "Figure":
    """Distribution of the path weights, per layer and sub-kernel.

    A search that has found nothing shows boxes of the same height.

    Args:
        path_weights: For each layer the names of its candidates and an
            array of shape `(candidates, filters)`.
    """
    from matplotlib.patches import Patch

    _some("path_weights", path_weights)
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


def plot_history(histories: Mapping[str, Mapping[str, Any]]) -> "Figure":
    """Training loss of several runs.

    Args:
        histories: For each run its columns, as in `History.history`: `loss`
            and, where it is known, `step`; else epochs are counted.
    """
    _some("histories", histories)
    figure, axes = _figure(7.5, 3.8, 1, 1)
    axis = axes[0, 0]
    for index, (name, columns) in enumerate(histories.items()):
        axis.plot(
            columns.get("step", range(1, len(columns["loss"]) + 1)),
            columns["loss"],
            color=_CYCLE[index % len(_CYCLE)],
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=4,
            label=name,
        )
    steps = all("step" in columns for columns in histories.values())
    axis.set_xlabel("training step" if steps else "epoch")
    axis.set_ylabel("training loss")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right center")
    return figure


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

    _some("predictions", predictions)
    if plane not in (0, 1, 2):
        raise ValueError(
            f"`plane` is expected to be 0, 1 or 2. Received: plane={plane}"
        )
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
    figure, axes = _figure(
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
