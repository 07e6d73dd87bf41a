"""Draws the figures of the study."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from keras_cakes._errors import number
from keras_cakes.evaluation.plots.style import CYCLE
from keras_cakes.evaluation.plots.style import MARKERS
from keras_cakes.evaluation.plots.style import new_figure
from keras_cakes.evaluation.plots.style import require_some

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_budgets(
    rows: Sequence[Mapping[str, Any]], score_label: str = "score"
) -> "Figure":
    """Draws the scores of kinds of networks within budgets.

    Args:
        rows: One mapping per kind and budget: `network`, `budget` (`None`
            for networks that have none, whose marks are hollow),
            `macs_share`, `score` and its `deviation` between seeds, drawn as
            a bar.
        score_label: Name of the score.
    """
    require_some("rows", rows)
    figure, axes = new_figure(8.0, 4.2)
    axis = axes[0, 0]
    for index, kind in enumerate(dict.fromkeys(r["network"] for r in rows)):
        own = sorted(
            (row for row in rows if row["network"] == kind),
            key=lambda row: row["macs_share"],
        )
        is_random = kind == "random"
        is_plain = own[0]["budget"] is None
        axis.errorbar(
            [row["macs_share"] for row in own],
            [row["score"] for row in own],
            [row["deviation"] for row in own],
            color=CYCLE[index % len(CYCLE)],
            marker=MARKERS[index % len(MARKERS)],
            # Searches must beat random configurations, which stand out.
            linestyle="--" if is_random else "-",
            linewidth=2.5 if is_random else 1.2,
            markersize=8 if is_plain else 6,
            markerfacecolor="none" if is_plain else None,
            capsize=2,
            elinewidth=0.8,
            label=kind,
        )
    axis.set_xlabel("multiply-adds, as a share of the 3D network's")
    axis.set_ylabel(score_label)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right center")
    return figure


def plot_spans(
    rows: Sequence[Mapping[str, Any]],
    axes_names: Sequence[str],
    *,
    chance: float,
) -> "Figure":
    """Draws the axes that each layer's channels span, a panel a method.

    Args:
        rows: One mapping per method and layer: `method`, `layer`, and the
            shares `first`, `second` and `third`, from 0 to 1; see
            `mean_spans`.
        axes_names: Names of the three axes.
        chance: The share by chance, drawn as a dashed line.
    """
    require_some("rows", rows)
    number("chance", chance, least=0, most=1)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = new_figure(
        max(4.0, 2.8 * len(methods)), 3.6, columns=len(methods)
    )
    for axis, method in zip(axes[0], methods, strict=True):
        own = [row for row in rows if row["method"] == method]
        axis.axhline(chance, color="#555555", linestyle="--", label="chance")
        for index, key in enumerate(("first", "second", "third")):
            axis.plot(
                [row[key] for row in own],
                color=CYCLE[(1, 4, 7)[index]],
                marker=MARKERS[index],
                label=axes_names[index],
            )
        axis.set_xticks(range(len(own)), [row["layer"] for row in own])
        axis.tick_params(axis="x", rotation=90)
        axis.set_ylim(-0.03, 1.03)
        axis.set_title(method, fontsize="medium")
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("share of channels that span it")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside right center"
    )
    return figure
