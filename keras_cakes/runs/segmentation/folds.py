"""Cross-validates: the same networks on every fold, side by side."""

import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes.evaluation.comparison import paired_interval
from keras_cakes.evaluation.comparison import summarize_folds
from keras_cakes.evaluation.plots.cases import plot_paired_scores
from keras_cakes.evaluation.volumes.scores import read_scores
from keras_cakes.runs.files import write_atomic
from keras_cakes.runs.files import write_table
from keras_cakes.runs.files import write_text
from keras_cakes.runs.resume import VERBOSE
from keras_cakes.runs.segmentation.data import check_fold
from keras_cakes.runs.segmentation.run import SegmentationRun
from keras_cakes.runs.segmentation.settings import SegmentationSettings


def cross_validate(
    folder: str | os.PathLike[str],
    settings: SegmentationSettings,
    *,
    folds: Sequence[int] = range(5),
    verbose: int | str = "auto",
) -> Path:
    """Searches, trains and scores the variants on every fold.

    Every fold is a run of its own below `folder`; a second start goes on
    where the first stopped. The first variant is compared with each of the
    others over the cases of all folds. Each case is scored by the network
    that was not trained on it.

    Args:
        folder: Folder of the runs, `folds.csv`, `folds.md` and figures.
        settings: Settings of the runs; `fold` is replaced.
        folds: The folds.
        verbose: As in `model.fit`.

    Returns:
        The path of `folds.md`.

    Raises:
        ValueError: If no fold is given, or one twice.
        DataError: If there is no such fold.
        RunError: If the folder of one of the runs holds something else.
    """
    choose("verbose", verbose, VERBOSE)
    for index, fold in enumerate(folds):
        whole(f"folds[{index}]", fold, least=0)
    if not folds or len(set(folds)) < len(folds):
        raise ValueError(
            "`folds` is expected to name at least one fold, each once. "
            f"Received: folds={list(folds)}"
        )
    folder = Path(folder)
    runs = [
        SegmentationRun(
            folder / f"fold{fold}",
            dataclasses.replace(settings, fold=fold),
            verbose=verbose,
        )
        for fold in folds
    ]
    # All before the first trains.
    for run in runs:
        check_fold(run.settings)
        run.folder.check()
    scores: dict[str, list[list]] = {name: [] for name in settings.variants}
    while runs:
        # A run that is dropped gives its data back.
        run = runs.pop(0)
        run.complete()
        for name, parts in scores.items():
            file = run.folder / "networks" / name / "scores.csv"
            parts.append(read_scores(file))
    rows = [
        {"network": name, **row, "fold": _name(row["fold"], folds)}
        for name, parts in scores.items()
        for row in summarize_folds(parts)
    ]
    write_table(folder / "folds.csv", rows)
    lines = [
        "# Cross-validation",
        "",
        f"{len(folds)} folds, {settings.steps} steps of training each, "
        f"{settings.search_steps} of search, seed {settings.seed}. Every case "
        "counts once, scored by the network that has not seen it.",
        "",
        "| network | score | mean | min | max |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        if row["fold"] == "all":
            values = (f"{row[key]:.4f}" for key in ("mean", "min", "max"))
            lines.append(
                f"| {row['network']} | {row['score']} | {' | '.join(values)} |"
            )
    lines.append("")
    first, *others = scores
    merged = {
        name: [row for part in parts for row in part]
        for name, parts in scores.items()
    }
    for other in others:
        interval = paired_interval(merged[first], merged[other])
        lines += [
            f"{first} less {other}: {interval.difference:+.4f}, 95 % interval "
            f"{interval.low:+.4f} to {interval.high:+.4f} over "
            f"{interval.cases} cases (one training each).",
            "",
            f"![{first} and {other}](figures/{first}_{other}.png)",
            "",
        ]
        figure = plot_paired_scores(
            merged[first], merged[other], names=(first, other)
        )
        write_atomic(
            folder / "figures" / f"{first}_{other}.png",
            functools.partial(figure.savefig, format="png"),
        )
    path = folder / "folds.md"
    write_text(path, "\n".join(lines))
    return path


def _name(fold: int | str, folds: Sequence[int]) -> int | str:
    return folds[fold] if isinstance(fold, int) else fold
