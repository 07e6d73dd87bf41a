"""Sliding-window prediction and scores per case."""

import csv
import itertools
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import Protocol

import keras
import numpy as np


class LabelledVolume(Protocol):
    """What an evaluation reads of a volume.

    `image` is `(depth, height, width, channels)`, `label` is `(depth,
    height, width)`.
    """

    @property
    def name(self) -> str: ...
    @property
    def image(self) -> np.ndarray: ...
    @property
    def label(self) -> Any: ...


def predict_volume(
    model: keras.Model,
    image: np.ndarray,
    patch_shape: Sequence[int],
    overlap: float = 0.5,
    batch_size: int = 1,
) -> np.ndarray:
    """Labels a volume of any size by a sliding window.

    The softmax probabilities of overlapping windows are averaged. A volume
    smaller than the window is padded with zeros, centred as in training,
    and cropped back.

    Args:
        model: Network from `(batch, depth, height, width, channels)` to
            logits.
        image: Array of shape `(depth, height, width, channels)`.
        patch_shape: `(depth, height, width)` of the window.
        overlap: Share of a window that the next one covers again, from 0 to
            below 1.
        batch_size: Windows per call; the last call is filled up, so that
            the network is compiled for one shape.

    Returns:
        Uint8 labels of shape `(depth, height, width)`.

    Raises:
        ValueError: If `overlap` or the rank of `image` is not as stated.
    """
    if image.ndim != 4:
        raise ValueError(
            "`image` is expected to be of shape (depth, height, width, "
            f"channels). Received: image.shape={image.shape}"
        )
    if not 0.0 <= overlap < 1.0:
        raise ValueError(
            "`overlap` is expected to be at least 0 and below 1. "
            f"Received: overlap={overlap}"
        )
    size = np.array(image.shape[:3])
    window = np.array(patch_shape)
    before = np.maximum(window - size, 0) // 2
    after = np.maximum(window - size, 0) - before
    widths = [*zip(before, after, strict=True), (0, 0)]
    padded = np.pad(image, widths)
    total: Any = None
    starts = list(
        itertools.product(
            *(
                _starts(extent, length, overlap)
                for extent, length in zip(
                    padded.shape[:3], patch_shape, strict=True
                )
            )
        )
    )
    for first in range(0, len(starts), batch_size):
        places = [
            tuple(slice(s, s + w) for s, w in zip(start, window, strict=True))
            for start in starts[first : first + batch_size]
        ]
        batch = np.zeros(
            (batch_size, *patch_shape, image.shape[-1]), np.float32
        )
        for index, place in enumerate(places):
            batch[index] = padded[place]
        logits = np.asarray(model.predict_on_batch(batch), np.float32)
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        if total is None:
            total = np.zeros((*padded.shape[:3], logits.shape[-1]), np.float32)
        for index, place in enumerate(places):
            total[place] += weights[index]
    # Every voxel's sum has its own number of windows, which an arg-max over
    # classes does not see.
    labels = np.argmax(total, axis=-1).astype(np.uint8)
    return labels[
        tuple(slice(b, b + s) for b, s in zip(before, size, strict=True))
    ]


def _starts(extent: int, length: int, overlap: float) -> list[int]:
    step = max(int(length * (1.0 - overlap)), 1)
    starts = list(range(0, extent - length, step))
    return [*starts, extent - length]


def dice(prediction: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """Dice-Sorensen coefficient of each foreground class, from 0 to 1.

    A class that neither array holds has the coefficient 1.

    Args:
        prediction: Integer labels of any shape.
        label: Integer labels of the same shape.
        classes: Number of classes, background included.

    Returns:
        Float array of shape `(classes - 1,)`.
    """
    scores = []
    for value in range(1, classes):
        predicted, true = prediction == value, label == value
        sizes = int(predicted.sum()) + int(true.sum())
        overlap = int((predicted & true).sum())
        scores.append(2.0 * overlap / sizes if sizes else 1.0)
    return np.array(scores)


def score_cases(
    model: keras.Model,
    volumes: Iterable[LabelledVolume],
    class_names: Sequence[str],
    patch_shape: Sequence[int],
    overlap: float = 0.5,
) -> list[dict[str, Any]]:
    """Predicts volumes and scores them on their own grid.

    Args:
        model: See `predict_volume`.
        volumes: Labelled volumes.
        class_names: Names of the classes, background first.
        patch_shape: See `predict_volume`.
        overlap: See `predict_volume`.

    Returns:
        One row per case: `case`, the DSC of each foreground class by name,
        and their `mean`.
    """
    rows = []
    for volume in volumes:
        prediction = predict_volume(model, volume.image, patch_shape, overlap)
        scores = dice(prediction, volume.label, len(class_names))
        row: dict[str, Any] = {"case": volume.name}
        row.update(zip(class_names[1:], scores.tolist(), strict=True))
        row["mean"] = float(scores.mean())
        rows.append(row)
    return rows


def summarize(
    rows: Sequence[dict[str, Any]],
) -> dict[str, dict[str, float]]:
    """Mean, smallest and largest score over cases, per column."""
    columns = [name for name in rows[0] if name != "case"]
    summary = {}
    for name in columns:
        values = [float(row[name]) for row in rows]
        summary[name] = {
            "mean": float(np.mean(values)),
            "min": min(values),
            "max": max(values),
        }
    return summary


def read_scores(path: str | Path) -> list[dict[str, Any]]:
    """Reads a table of scores per case, as `score_cases` returns it."""
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {k: v if k == "case" else float(v) for k, v in row.items()}
            for row in csv.DictReader(file)
        ]
