"""Sliding-window prediction and scores per case."""

import csv
import itertools
import os
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Protocol

import keras
import numpy as np


class LabelledVolume(Protocol):
    """What an evaluation reads of a volume.

    `image` is `(depth, height, width, channels)`, `label` one axis less.
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
            logits of shape `(batch, depth, height, width, classes)`.
        image: Array of shape `(depth, height, width, channels)`.
        patch_shape: `(depth, height, width)` of the window.
        overlap: Share of a window that the next one covers again, from 0 to
            below 1.
        batch_size: Windows per call; the last call is filled up, so that
            the network is compiled for one shape.

    Returns:
        Uint8 labels of shape `(depth, height, width)`.

    Raises:
        ValueError: If an argument is not as stated, or the network does not
            answer with finite logits for every voxel of the window.

    Examples:
        >>> network = keras.Sequential([keras.layers.Conv3D(3, 1)])
        >>> predict_volume(network, np.ones((9, 3, 5, 1)), (4, 4, 4)).shape
        (9, 3, 5)
    """
    _check_window(image, patch_shape, overlap, batch_size)
    size, window = np.array(image.shape[:3]), np.array(patch_shape)
    missing = np.maximum(window - size, 0)
    before = missing // 2
    padded = np.pad(
        image, [*zip(before, missing - before, strict=True), (0, 0)]
    )
    extents = zip(padded.shape, window.tolist(), strict=False)
    starts = list(
        itertools.product(*(_starts(e, w, overlap) for e, w in extents))
    )
    total: Any = None
    for first in range(0, len(starts), batch_size):
        places = [
            tuple(slice(s, s + w) for s, w in zip(start, window, strict=True))
            for start in starts[first : first + batch_size]
        ]
        batch = np.zeros((batch_size, *window, image.shape[-1]), np.float32)
        for index, place in enumerate(places):
            batch[index] = padded[place]
        # One compiled function per model and window shape, kept by Keras.
        logits = np.asarray(model.predict_on_batch(batch), np.float32)
        _check_logits(logits, batch.shape)
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
    step = max(length - round(length * overlap), 1)
    starts = list(range(0, extent - length, step))
    return [*starts, extent - length]


def _check_window(
    image: np.ndarray,
    patch_shape: Sequence[int],
    overlap: float,
    batch_size: int,
) -> None:
    _expect(
        image.ndim == 4 and 0 not in image.shape,
        "`image` is expected to be of shape (depth, height, width, "
        f"channels). Received: image.shape={image.shape}",
    )
    _expect(
        bool(np.isfinite(image).all()),
        "`image` is expected to be finite. Received: NaN or infinity in it",
    )
    _expect(
        len(patch_shape) == 3 and min(*patch_shape, batch_size) >= 1,
        "`patch_shape` is expected to be three sizes, `batch_size` one, of at "
        f"least 1. Received: patch_shape={patch_shape}, "
        f"batch_size={batch_size}",
    )
    _expect(
        0.0 <= overlap < 1.0,
        "`overlap` is expected to be at least 0 and below 1. "
        f"Received: overlap={overlap}",
    )


def _check_logits(logits: np.ndarray, batch: tuple[int, ...]) -> None:
    _expect(
        logits.shape[:-1] == batch[:-1] and 2 <= logits.shape[-1] <= 256,
        f"`model` is expected to answer windows of shape {batch} with logits "
        f"of shape {batch[:-1]} + (classes,), 2 to 256 classes. Received: "
        f"shape {logits.shape}",
    )
    # The arg-max of NaN is class 0: an error would look like background.
    _expect(
        bool(np.isfinite(logits.max(axis=-1)).all()),
        "`model` is expected to answer with finite logits. Received: NaN or "
        "infinity, as after a training that diverged",
    )


def _expect(fits: bool, message: str) -> None:
    if not fits:
        raise ValueError(message)


def dice(prediction: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """Dice-Sorensen coefficient of each foreground class, from 0 to 1.

    A class that neither array holds has the coefficient 1.

    Args:
        prediction: Integer labels from 0 to `classes - 1`, of any shape.
        label: Integer labels of the same shape.
        classes: Number of classes, background included.

    Returns:
        Float array of shape `(classes - 1,)`.

    Raises:
        ValueError: If the shapes differ or a label is out of range.

    Examples:
        >>> dice(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]), 3).round(3)
        array([0.667, 1.   ])
    """
    _expect(
        prediction.shape == label.shape,
        "`prediction` is expected to be of the shape of `label`. Received: "
        f"prediction.shape={prediction.shape}, label.shape={label.shape}",
    )
    for name, labels in (("prediction", prediction), ("label", label)):
        _expect(
            not labels.size or 0 <= labels.min() <= labels.max() < classes,
            f"`{name}` is expected to hold labels from 0 to {classes - 1}. "
            f"Received: another label in {name}",
        )
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
    batch_size: int = 1,
) -> list[dict[str, Any]]:
    """Predicts volumes and scores them on their own grid.

    Args:
        model: See `predict_volume`.
        volumes: Labelled volumes.
        class_names: Names of the classes, background first. `case` and
            `mean` are names of other columns.
        patch_shape, overlap, batch_size: See `predict_volume`.

    Returns:
        One row per case: `case`, the DSC of each foreground class by name,
        and their `mean`.

    Raises:
        ValueError: If the classes are not as stated, or a case cannot be
            scored; the message names the case.
    """
    columns = ["case", *class_names[1:], "mean"]
    _expect(
        len(set(columns)) == len(columns) > 2,
        "`class_names` is expected to name the background and at least one "
        "class, each once and none 'case' or 'mean'. "
        f"Received: class_names={class_names}",
    )
    rows = []
    for volume in volumes:
        try:
            label = volume.label
            _expect(label is not None, "a label is expected. Received: None")
            prediction = predict_volume(
                model, volume.image, patch_shape, overlap, batch_size
            )
            scores = dice(prediction, label, len(class_names))
        except ValueError as error:
            raise ValueError(f"Case {volume.name!r}: {error}") from error
        values = [volume.name, *scores.tolist(), float(scores.mean())]
        rows.append(dict(zip(columns, values, strict=True)))
    return rows


def summarize(
    scores: Sequence[Mapping[str, Any]],
    class_names: Sequence[str] | None = None,
) -> dict[str, dict[str, float]]:
    """Mean, smallest and largest score over cases.

    Args:
        scores: Rows as `score_cases` returns them; at least one.
        class_names: Names of the classes, background first; by default all
            columns of the rows.

    Returns:
        `mean`, `min` and `max` per foreground class, and of `mean`, the mean
        over the classes of a case.
    """
    _expect(
        len(scores) > 0,
        "`scores` is expected to hold at least one case. Received: scores=[]",
    )
    columns = [name for name in scores[0] if name != "case"]
    summary = {}
    for name in (*class_names[1:], "mean") if class_names else columns:
        values = [float(row[name]) for row in scores]
        mean = float(np.mean(values))
        summary[name] = {"mean": mean, "min": min(values), "max": max(values)}
    return summary


def read_scores(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads a table of scores per case, as `score_cases` returns it.

    Raises:
        ValueError: If the file holds something else; the message names it.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        return [
            {"case": row.pop("case"), **{k: float(v) for k, v in row.items()}}
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise ValueError(
            f"{os.fspath(path)}: a table with the columns case, a class each "
            f"and mean is expected. Received: {error!r}"
        ) from error
