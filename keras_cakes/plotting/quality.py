"""Figures of what searches are worth."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from keras_cakes.plotting.style import CYCLE
from keras_cakes.plotting.style import MARKERS
from keras_cakes.plotting.style import new_figure
from keras_cakes.plotting.style import require_some

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_budgets(
    rows: Sequence[Mapping[str, Any]], score_label: str = "score"
) -> "Figure":
    """Scores of several kinds of networks within several budgets.

    Args:
        rows: One mapping per kind and budget: `network`, `budget` (`None`
            for networks that have none, whose marks are hollow),
            `macs_share`, `score` and its `deviation` between seeds, drawn as
            a bar.
        score_label: What the score is.
    """
    require_some("rows", rows)
    figure, axes = new_figure(8.0, 4.2, 1, 1)
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
            # What has to be beaten stands out.
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
