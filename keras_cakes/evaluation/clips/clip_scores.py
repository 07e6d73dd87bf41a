"""Scores predictions of clips: top-1, top-5, recalls, confusion matrix."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.clips.clip_predictions import ClipPredictions

# With five classes or fewer, the five best always hold the right one.
_BEST = 5


@dataclasses.dataclass(frozen=True)
class ClipScores:
    """Holds shares of right predictions, over clips whose class is known.

    Args:
        top1: Share of clips whose class is the most probable one, 0 to 1.
        top5: Share of clips whose class is among the five most probable
            ones; `None` for five classes or fewer.
        class_mean: Mean of the recall of all classes that have clips.
        clips: Number of clips.
        rows: One row per class: `class`, its name, `clips`, `top1`, which is
            its recall, and `top5` where there is one. Shares of a class
            without clips are `None`.
    """

    top1: float
    top5: float | None
    class_mean: float
    clips: int
    rows: tuple[dict[str, Any], ...]


def clip_scores(
    predictions: ClipPredictions, class_names: Sequence[str]
) -> ClipScores:
    """Computes top-1 and top-5 accuracy, over all clips and for each class.

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
    classes = predictions.probabilities.shape[1]
    require(
        not isinstance(class_names, str) and len(class_names) == classes,
        f"`class_names` is expected to name {classes} classes. "
        f"Received: {len(class_names)} names",
    )
    clips = range(len(predictions.labels))
    rows = clip_rows(predictions, clips)
    require(
        bool(rows),
        "`predictions` is expected to hold a clip with a label. Received: "
        f"{len(clips)} clips, none with one",
    )
    return score_rows(rows, class_names)


def score_rows(
    clips: Sequence[Mapping[str, Any]], class_names: Sequence[str]
) -> ClipScores:
    """Computes the scores of clips from a table of them.

    Args:
        clips: At least one row as `clip_rows` returns it; values may be
            texts, as read from a file.
        class_names: Name of each class.
    """
    labels = _column(clips, "label", int)
    right = {"top1": _column(clips, "mean", float)}
    if "top5" in clips[0]:
        right["top5"] = _column(clips, "top5", float)
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(class_names):
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
    rows = clip_rows(predictions, range(len(predictions.labels)))
    return count_rows(rows, predictions.probabilities.shape[1])


def count_rows(clips: Sequence[Mapping[str, Any]], classes: int) -> np.ndarray:
    """Counts rows of clips like `confusion_matrix`.

    Args:
        clips: See `score_rows`; there may be none.
        classes: Number of classes.
    """
    matrix = np.zeros((classes, classes), np.int64)
    places = _column(clips, "label", int), _column(clips, "predicted", int)
    np.add.at(matrix, places, 1)
    return matrix


def _column(
    clips: Sequence[Mapping[str, Any]], name: str, kind: type
) -> np.ndarray:
    return np.array([kind(clip[name]) for clip in clips], kind)


def clip_rows(
    predictions: ClipPredictions, names: Sequence[Any]
) -> list[dict[str, Any]]:
    """Lists predictions clip by clip, for `paired_interval` to compare.

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
    labels, predicted = predictions.labels, predictions.predicted
    places = _places(predictions.probabilities, np.maximum(labels, 0))
    rows = []
    for number, name in enumerate(names):
        if labels[number] < 0:
            continue
        row: dict[str, Any] = {
            "case": name,
            "mean": float(places[number] < 1),
            "label": int(labels[number]),
            "predicted": int(predicted[number]),
        }
        if predictions.probabilities.shape[1] > _BEST:
            row["top5"] = float(places[number] < _BEST)
        rows.append(row)
    return rows


def _places(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts the classes that come before the true one, for each clip."""
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    lower = np.arange(probabilities.shape[1]) < labels[:, None]
    before = (probabilities > own) | ((probabilities == own) & lower)
    return before.sum(axis=1)
