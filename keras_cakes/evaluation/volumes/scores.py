"""Predicts and scores volumes case by case."""

import csv
import os
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import Protocol

import keras
import numpy as np

from keras_cakes._errors import expect
from keras_cakes._errors import number
from keras_cakes.evaluation.checks import check_labels
from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.volumes.sliding_window import predict_volume
from keras_cakes.evaluation.volumes.surface import surface_scores
from keras_cakes.evaluation.volumes.windows import Windows


class LabelledVolume(Protocol):
    """Declares the attributes of a volume that an evaluation reads.

    `image` is `(depth, height, width, channels)`, `label` one axis less.
    Scores of surfaces also read `affine`, the 4 x 4 array from voxel indices
    to millimetres.
    """

    @property
    def name(self) -> str: ...
    @property
    def image(self) -> np.ndarray: ...
    @property
    def label(self) -> Any: ...


def dice(
    prediction: np.ndarray, label: np.ndarray, *, classes: int
) -> np.ndarray:
    """Computes the Dice-Sorensen coefficient of each foreground class.

    A class has the coefficient 1 if neither array holds it, and 0 if only
    one array does.

    Args:
        prediction: Integer labels from 0 to `classes - 1`, of any shape.
        label: Integer labels of the same shape.
        classes: Number of classes, background included.

    Returns:
        Float array of shape `(classes - 1,)`, from 0 to 1.

    Raises:
        ValueError: If the shapes differ or a label is out of range.

    Examples:
        >>> label = np.array([0, 1, 0, 0])
        >>> dice(np.array([0, 1, 1, 0]), label, classes=3).round(3)
        array([0.667, 1.   ])
    """
    check_labels(prediction, label, classes=classes)
    scores = []
    for value in range(1, classes):
        predicted, true = prediction == value, label == value
        sizes = int(predicted.sum()) + int(true.sum())
        overlap = int((predicted & true).sum())
        scores.append(2.0 * overlap / sizes if sizes else 1.0)
    return np.array(scores)


def score_cases(
    model: keras.Model | Sequence[keras.Model],
    volumes: Iterable[LabelledVolume],
    *,
    class_names: Sequence[str],
    patch_shape: Sequence[int],
    overlap: float = 0.5,
    batch_size: int = 1,
    surface: bool = False,
    tolerance: float = 1.0,
    **options: Any,
) -> list[dict[str, Any]]:
    """Predicts volumes and scores them, voxel by voxel.

    Args:
        model: See `predict_volume`.
        volumes: Labelled volumes.
        class_names: Names of the classes, background first, none of them
            `case` or `mean`, which are other columns.
        patch_shape, overlap, batch_size: See `predict_volume`.
        surface: Whether to add the columns `<class>_hd95`, in millimetres,
            and `<class>_nsd`, see `surface_scores`.
        tolerance: Millimetres by which surfaces may differ for NSD.
        **options: Further arguments of `predict_volume`.

    Returns:
        One row per case: `case`, the DSC of each foreground class by name,
        their `mean`, and the columns of `surface`.

    Raises:
        ValueError: If the classes are not as stated, or a case cannot be
            scored; the message names the case.
    """
    measures = ("hd95", "nsd") if surface else ()
    columns = ["case", *class_names[1:], "mean"]
    columns += [f"{name}_{m}" for m in measures for name in class_names[1:]]
    expect(
        "class_names",
        class_names,
        len(set(columns)) == len(columns) > 2,
        "to name the background and at least one class, each once and none "
        "'case' or 'mean'",
    )
    # Checked here, because the first volume may take minutes.
    number("tolerance", tolerance, least=0)
    Windows(
        tuple(patch_shape),
        batch_size=batch_size,
        weighting=options.get("weighting", "constant"),
        flip=tuple(options.get("flip", ())),
    ).steps(overlap, options.get("stride"))
    rows = []
    for volume in volumes:
        try:
            label = volume.label
            require(label is not None, "a label is expected. Received: None")
            spacing = _spacing(volume) if surface else ()
            prediction = predict_volume(
                model,
                volume.image,
                patch_shape=patch_shape,
                overlap=overlap,
                batch_size=batch_size,
                **options,
            )
            scores = dice(prediction, label, classes=len(class_names))
            values = [volume.name, *scores.tolist(), float(scores.mean())]
            if surface:
                more = surface_scores(
                    prediction,
                    label,
                    classes=len(class_names),
                    spacing=spacing,
                    tolerance=tolerance,
                )
                values += [*more.hd95.tolist(), *more.nsd.tolist()]
        except ValueError as error:
            raise ValueError(f"Case {volume.name!r}: {error}") from error
        rows.append(dict(zip(columns, values, strict=True)))
    return rows


def _spacing(volume: Any) -> list[float]:
    affine: Any = getattr(volume, "affine", None)
    require(
        affine is not None,
        "a volume with an `affine` is expected for scores of surfaces. "
        "Received: none",
    )
    return np.linalg.norm(affine[:3, :3], axis=0).tolist()


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
