"""Scores of clips: how often a network is right, and where it is not."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.clips.clip_predictions import ClipPredictions

# Among five classes or fewer, the five best hold the right one anyway.
_BEST = 5


@dataclasses.dataclass(frozen=True)
class ClipScores:
    """How often a network is right, on the clips whose class is known.

    Args:
        top1: Share of clips whose class is the most probable one, 0 to 1.
        top5: Share of clips whose class is among the five most probable
            ones; `None` for five classes or fewer, where it says nothing.
        class_mean: Mean of the recall of all classes that have clips.
        clips: Number of clips.
        rows: For each class a row of a table: `class`, its name, `clips`,
            `top1`, which is its recall, and `top5` where there is one.
            Shares of a class without clips are `None`.
    """

    top1: float
    top5: float | None
    class_mean: float
    clips: int
    rows: tuple[dict[str, Any], ...]


def clip_scores(
    predictions: ClipPredictions, class_names: Sequence[str]
) -> ClipScores:
    """How often predictions are right: top-1, top-5, and for each class.

    Of classes that are equally probable, the one of the lower number comes
    first. Clips without a label are left out.

    Args:
        predictions: As `predict_clips` returns them.
        class_names: Name of each class.

    Raises:
        ValueError: If the number of names is another one than of classes, or
            no clip has a label.

    Examples:
        >>> predictions = ClipPredictions(
        ...     np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], "float32"),
        ...     np.array([0, 1, 1]),
        ... )
        >>> scores = clip_scores(predictions, ("sit", "stand"))
        >>> round(scores.top1, 3), scores.top5, scores.rows[1]
        (0.667, None, {'class': 'stand', 'clips': 2, 'top1': 0.5})
    """
    known = predictions.labelled
    names = _checked_names(class_names, predictions.probabilities.shape[1])
    require(
        bool(known.any()),
        "`predictions` is expected to hold a clip with a label. Received: "
        f"{len(known)} clips, none with one",
    )
    labels = predictions.labels[known]
    places = _places(predictions.probabilities[known], labels)
    right = {"top1": places < 1}
    if len(names) > _BEST:
        right["top5"] = places < _BEST
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        own = labels == number
        shares = {
            column: float(values[own].mean()) if own.any() else None
            for column, values in right.items()
        }
        rows.append({"class": name, "clips": int(own.sum()), **shares})
    recalls = [row["top1"] for row in rows if row["clips"]]
    return ClipScores(
        top1=float(right["top1"].mean()),
        top5=float(right["top5"].mean()) if "top5" in right else None,
        class_mean=float(np.mean(recalls)),
        clips=len(labels),
        rows=tuple(rows),
    )


def _places(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before the true one, for each clip."""
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    lower = np.arange(probabilities.shape[1]) < labels[:, None]
    before = (probabilities > own) | ((probabilities == own) & lower)
    return before.sum(axis=1)


def _checked_names(class_names: Sequence[str], classes: int) -> list[str]:
    names = [] if isinstance(class_names, str) else list(class_names)
    require(
        len(names) == classes,
        f"`class_names` is expected to name {classes} classes. "
        f"Received: {len(names)} names",
    )
    return names


def confusion_matrix(predictions: ClipPredictions) -> np.ndarray:
    """Counts clips by their true and their predicted class.

    Args:
        predictions: As `predict_clips` returns them. Clips without a label
            are left out.

    Returns:
        Int64 array `(true class, predicted class)`.

    Examples:
        >>> predictions = ClipPredictions(
        ...     np.array([[0.9, 0.1], [0.8, 0.2]], "float32"), np.array([0, 1])
        ... )
        >>> confusion_matrix(predictions)
        array([[1, 0],
               [1, 0]])
    """
    classes = predictions.probabilities.shape[1]
    known = predictions.labelled
    places = predictions.labels[known].astype(np.int64) * classes
    places += predictions.predicted[known]
    counts = np.bincount(places, minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.int64)


def clip_rows(
    predictions: ClipPredictions, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Predictions clip by clip, as rows that `paired_interval` compares.

    Args:
        predictions: As `predict_clips` returns them.
        names: Name of each clip, none twice, in the same order.

    Returns:
        For each clip that has a label `case`, its name, `mean`, 1.0 if the
        prediction is right and 0.0 if not, the numbers of the classes
        `label` and `predicted`, and with more than five classes `top5`, 1.0
        if the right one is among the five most probable ones.

    Raises:
        ValueError: If the names are not as stated.

    Examples:
        >>> from keras_cakes.evaluation import paired_interval
        >>> labels = np.array([0, 1, 1, 0])
        >>> right = ClipPredictions(np.eye(2, dtype="float32")[labels], labels)
        >>> wrong = ClipPredictions(right.probabilities[::-1, ::-1], labels)
        >>> rows = [clip_rows(one, "abcd") for one in (right, wrong)]
        >>> paired_interval(*rows).difference
        1.0
    """
    require(
        len(names) == len(set(names)) == len(predictions.labels),
        f"`names` is expected to name {len(predictions.labels)} clips, each "
        f"once. Received: {len(names)} names, {len(set(names))} of them "
        "different",
    )
    labels = predictions.labels
    places = _places(predictions.probabilities, np.maximum(labels, 0))
    rows = []
    for number, name in enumerate(names):
        if labels[number] < 0:
            continue
        row: dict[str, Any] = {
            "case": name,
            "mean": float(places[number] < 1),
            "label": int(labels[number]),
            "predicted": int(predictions.predicted[number]),
        }
        if predictions.probabilities.shape[1] > _BEST:
            row["top5"] = float(places[number] < _BEST)
        rows.append(row)
    return rows
