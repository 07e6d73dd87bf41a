"""Predicts the classes of clips."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.passes import check_finite
from keras_cakes.evaluation.passes import network_pass


@dataclasses.dataclass(frozen=True, eq=False)
class ClipPredictions:
    """Holds class probabilities of clips and their true classes.

    Args:
        probabilities: Finite float32 array `(clips, classes)`, of at least
            one clip and two classes.
        labels: Int32 array `(clips,)` of true classes, -1 where unknown.

    Raises:
        ValueError: If an array is not as stated.
    """

    probabilities: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        shape = self.probabilities.shape
        require(
            len(shape) == 2 and shape[0] >= 1 and shape[1] >= 2,
            "`probabilities` is expected to be of shape (clips, classes), at "
            f"least (1, 2). Received: shape {shape}",
        )
        require(
            bool(np.isfinite(self.probabilities).all()),
            "`probabilities` is expected to be finite. Received: NaN or "
            "infinity in it",
        )
        _check_labels(self.labels, shape[0], shape[1])

    @property
    def predicted(self) -> np.ndarray:
        """Returns the most probable class of each clip, int32 `(clips,)`.

        Of classes that are equally probable, it is the first.
        """
        return np.argmax(self.probabilities, axis=1).astype(np.int32)

    @property
    def labelled(self) -> np.ndarray:
        """Returns a boolean per clip: the true class is known."""
        return self.labels >= 0


def predict_clips(
    model: Any, batches: Iterable[tuple[Any, Any]]
) -> ClipPredictions:
    """Classifies clips and averages the views of each clip.

    Each batch is one call of the network with `batch * views` inputs. Softmax
    probabilities are averaged, not logits, so that no view outweighs the
    others. A batch smaller than the first is filled up, so that the network
    is compiled for one shape.

    Args:
        model: Network from `(batch, time, height, width, channels)` to
            logits `(batch, classes)`: a Keras model, or anything that has
            `predict_on_batch`.
        batches: Pairs of float32 clips `(batch, views, time, height, width,
            channels)` and integer labels `(batch,)`, -1 where unknown, as
            `clip_views` makes them.

    Returns:
        The predictions, in the order of the clips.

    Raises:
        ValueError: If there is no batch, one is not as stated or does not
            have the shape of the first, or the network does not answer with
            finite logits for the classes of the labels.

    Examples:
        >>> import keras
        >>> network = keras.Sequential(
        ...     [keras.layers.GlobalAveragePooling3D(), keras.layers.Dense(3)]
        ... )
        >>> batch = np.ones((2, 5, 4, 8, 8, 1), "float32"), np.array([0, 2])
        >>> predict_clips(network, [batch]).probabilities.shape
        (2, 3)
    """
    full: tuple[int, ...] = ()
    run: Callable | None = None
    probabilities, labels = [], []
    for pair in batches:
        clips, classes = (np.asarray(part) for part in pair)
        full = full or clips.shape
        _check_clips(clips, full)
        if run is None:
            shape = (full[0] * full[1], *full[2:])
            run = network_pass(model, shape, axes=1)
        answers = np.asarray(run(_filled(clips, full[0]).reshape(shape)))
        check_finite(answers)
        views = answers.reshape(full[0], full[1], -1)[: len(clips)]
        probabilities.append(views.mean(axis=1))
        _check_labels(classes, len(clips), views.shape[-1])
        labels.append(classes.astype(np.int32))
    require(
        bool(labels),
        "`batches` is expected to hold at least one batch. Received: none",
    )
    return ClipPredictions(
        np.concatenate(probabilities), np.concatenate(labels)
    )


def _check_clips(clips: np.ndarray, full: tuple[int, ...]) -> None:
    require(
        clips.ndim == 6 and 0 not in clips.shape and clips.dtype == np.float32,
        "`batches` is expected to hold float32 clips of shape (batch, views, "
        "time, height, width, channels). "
        f"Received: {clips.dtype} of shape {clips.shape}",
    )
    require(
        clips.shape[1:] == full[1:] and len(clips) <= full[0],
        "`batches` is expected to hold clips of the shape of the first batch, "
        f"{full}, or fewer of them. Received: shape {clips.shape}",
    )


def _filled(clips: np.ndarray, number: int) -> np.ndarray:
    """Repeats the last clip until there are `number` clips."""
    if len(clips) == number:
        return clips
    missing = number - len(clips)
    return np.concatenate([clips, np.repeat(clips[-1:], missing, axis=0)])


def _check_labels(labels: np.ndarray, clips: int, classes: int) -> None:
    require(
        labels.dtype.kind in "iu" and labels.shape == (clips,),
        f"`labels` is expected to hold an integer for each of {clips} clips. "
        f"Received: {labels.dtype} of shape {labels.shape}",
    )
    require(
        bool(((labels >= -1) & (labels < classes)).all()),
        f"`labels` is expected to hold classes from 0 to {classes - 1}, or "
        f"-1 where they are unknown. Received: from {labels.min()} to "
        f"{labels.max()}",
    )
