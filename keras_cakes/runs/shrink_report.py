"""Writes the report of networks that were shrunk: a table and a figure."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_cakes import evaluation
from keras_cakes.runs.files import read_json
from keras_cakes.runs.files import write_atomic
from keras_cakes.runs.files import write_table
from keras_cakes.runs.files import write_text
from keras_cakes.runs.shrinking import Shrinking

_STATES = {
    "as_it_is": "as it is",
    "recalibrated": "recalibrated",
    "tuned": "tuned",
}
_EXPLANATIONS = {
    "shrink": "chosen by reconstruction",
    "random": "drawn at random",
    "even": "the same mixture in every layer",
}


def write_shrink_report(shrinking: Shrinking, *, label: str) -> Path:
    """Writes `report.md`, `shrink.csv` and `shrink.png` beside the networks.

    A random choice has the mean over its draws, and the cost of the first.

    Args:
        shrinking: All its steps are done.
        label: Name of the score.

    Returns:
        The path of `report.md`.
    """
    folder, steps = shrinking.folder, shrinking.finetune_steps
    original = _mean(folder / "scores.csv")
    rows = []
    for choice, budget, networks in shrinking.networks():
        first = networks[0]
        cost = read_json(first / "cost.json", ("params", "macs", "median_ms"))
        row = {
            "choice": choice,
            "budget": budget,
            "draws": len(networks),
            "macs": cost["macs"],
            "macs_share": cost["macs"] / shrinking.trained_macs,
            "params": cost["params"],
            "ms": cost["median_ms"],
            "as_it_is": _mean(*(n / "scores.csv" for n in networks)),
            "recalibrated": _mean(*(n / "recalibrated.csv" for n in networks)),
        }
        if steps:
            row["tuned"] = _mean(first / f"tuned_{steps}" / "scores.csv")
        rows.append(row)
    write_table(folder / "shrink.csv", rows)
    figure = evaluation.plot_shrinking(rows, original=original, label=label)
    write_atomic(folder / "shrink.png", figure.savefig)
    path = folder / "report.md"
    write_text(path, _text(shrinking, rows, original=original, label=label))
    return path


def _text(
    shrinking: Shrinking,
    rows: list[dict[str, Any]],
    *,
    original: float,
    label: str,
) -> str:
    steps = shrinking.finetune_steps
    states = [name for name in _STATES if name in rows[0]]
    head = ["sub-kernels", "MACs", "share", "params", "forward (ms)"]
    head += [f"{label}, {_STATES[name]}" for name in states]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        lines.append(
            [
                _name(row),
                f"{row['macs'] / 1e9:.3g} G",
                f"{row['macs_share']:.1%}",
                f"{row['params']:,}",
                f"{row['ms']:.1f}",
                *(_score(row, name, original) for name in states),
            ]
        )
    plural = "" if steps == 1 else "s"
    tuning = (
        f" `tuned`: after {steps} training step{plural} with Adam, and "
        "recalibrated."
        if steps
        else ""
    )
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return (
        f"# {shrinking.variant} made smaller\n\n"
        f"The trained network `{shrinking.variant}` has {label} "
        f"{original:.4f} and {shrinking.trained_macs / 1e9:.3g} G multiply-"
        f"adds.\n\n## Networks\n\n{table}\n\n"
        "All weights are fitted in the same way, layer after layer, to what "
        "the trained network computes on training inputs; no label is used. "
        "`recalibrated`: moving statistics estimated anew on training inputs."
        f"{tuning} In brackets: the difference to the trained network.\n\n"
        "![Scores against multiply-adds](shrink.png)\n"
    )


def _name(row: Mapping[str, Any]) -> str:
    drawn = f", {row['draws']} draws" if row["draws"] > 1 else ""
    return _EXPLANATIONS[row["choice"]] + drawn


def _mean(*files: Path) -> float:
    """Reads the mean score of the cases of tables."""
    scores = [evaluation.summarize(evaluation.read_scores(f)) for f in files]
    return statistics.fmean(each["mean"]["mean"] for each in scores)


def _score(row: Mapping[str, Any], name: str, original: float) -> str:
    return f"{row[name]:.4f} ({row[name] - original:+.4f})"
