"""Draws figures that compare networks."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from keras_cakes._errors import expect
from keras_cakes._errors import number
from keras_cakes.evaluation.plots.style import BLUE
from keras_cakes.evaluation.plots.style import CYCLE
from keras_cakes.evaluation.plots.style import GREEN
from keras_cakes.evaluation.plots.style import MARKERS
from keras_cakes.evaluation.plots.style import ORANGE
from keras_cakes.evaluation.plots.style import new_figure
from keras_cakes.evaluation.plots.style import require_some

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_tradeoff(
    rows: Sequence[Mapping[str, Any]],
    *,
    score: str = "dice",
    label: str = "mean DSC",
) -> "Figure":
    """Plots a score against parameters, multiply-adds and measured time.

    Args:
        rows: One mapping per network: `name`, the score (0 to 1), `params`,
            `macs`, `ms` of a forward pass; `{score}_spread` adds error bars.
        score: Key of the score.
        label: Name of the score in the figure.
    """
    require_some("rows", rows)
    shared = sorted(set(rows[0]).intersection(*rows))
    expect("rows", shared, score in shared, f"to have the column {score!r}")
    figure, axes = new_figure(11.0, 3.8, columns=3)
    large = max(row["params"] for row in rows) >= 1e6
    params_unit, word = (1e6, "millions") if large else (1e3, "thousands")
    columns = (
        ("params", params_unit, f"parameters ({word})"),
        ("macs", 1e9, "multiply-adds (G)"),
        ("ms", 1.0, "forward pass (ms)"),
    )
    for axis, (column, unit, title) in zip(axes[0], columns, strict=True):
        for index, row in enumerate(rows):
            axis.errorbar(
                row[column] / unit,
                row[score],
                row.get(f"{score}_spread"),
                fmt=MARKERS[index % len(MARKERS)],
                color=CYCLE[index % len(CYCLE)],
                markersize=9,
                markeredgecolor="black",
                markeredgewidth=0.6,
                label=row["name"] if column == "params" else None,
            )
        axis.set_xlabel(title)
        axis.grid(alpha=0.3)
        axis.margins(y=0.08)
        axis.set_xlim(0, 1.08 * max(row[column] for row in rows) / unit)
    axes[0, 0].set_ylabel(label)
    figure.legend(loc="outside right center", title="network")
    return figure


def plot_shrinking(
    rows: Sequence[Mapping[str, Any]],
    *,
    original: float,
    label: str = "mean DSC",
) -> "Figure":
    """Plots the scores of shrunk networks against their multiply-adds.

    Args:
        rows: One mapping per network: `choice`, which names who chose its
            sub-kernels, `macs_share` of the trained network (0 to 1), and the
            scores `as_it_is`, `recalibrated` and `tuned`; a score that a row
            lacks is left out.
        original: Score of the trained network.
        label: Name of the score in the figure.
    """
    require_some("rows", rows)
    number("original", original)
    styles = {"as_it_is": ":", "recalibrated": "--", "tuned": "-"}
    choices = list(dict.fromkeys(row["choice"] for row in rows))
    figure, axes = new_figure(7.5, 4.2)
    axis = axes[0, 0]
    axis.axhline(original, color="black", linewidth=1, label="trained network")
    for index, choice in enumerate(choices):
        own = sorted(
            (row for row in rows if row["choice"] == choice),
            key=lambda row: row["macs_share"],
        )
        for state, style in styles.items():
            shown = [row for row in own if state in row]
            if shown:
                axis.plot(
                    [100 * row["macs_share"] for row in shown],
                    [row[state] for row in shown],
                    linestyle=style,
                    color=(BLUE, ORANGE, GREEN)[index % 3],
                    marker=MARKERS[index % len(MARKERS)],
                    markersize=6,
                    label=f"{choice}, {state.replace('_', ' ')}",
                )
    axis.set_xlabel("multiply-adds (% of the trained network)")
    axis.set_ylabel(label)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right center")
    return figure


def plot_history(histories: Mapping[str, Mapping[str, Any]]) -> "Figure":
    """Plots the training loss of several runs.

    Args:
        histories: For each run its columns, as in `History.history`: `loss`,
            and `step` if it is known; otherwise epochs are counted.
    """
    require_some("histories", histories)
    figure, axes = new_figure(7.5, 3.8)
    axis = axes[0, 0]
    for index, (name, columns) in enumerate(histories.items()):
        axis.plot(
            columns.get("step", range(1, len(columns["loss"]) + 1)),
            columns["loss"],
            color=CYCLE[index % len(CYCLE)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=4,
            label=name,
        )
    steps = all("step" in columns for columns in histories.values())
    axis.set_xlabel("training step" if steps else "epoch")
    axis.set_ylabel("training loss")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right center")
    return figure
