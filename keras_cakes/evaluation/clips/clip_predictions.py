"""Predictions of clips: what a network says of batches of them."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_cakes.evaluation.checks import require
from keras_cakes.evaluation.clips.clip_passes import clip_pass


@dataclasses.dataclass(frozen=True, eq=False)
class ClipPredictions:
    """What a network says of clips.

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
        """Int32 array `(clips,)`; of equal probabilities the first class."""
        return np.argmax(self.probabilities, axis=1).astype(np.int32)

    @property
    def labelled(self) -> np.ndarray:
        """Boolean array `(clips,)`: whether the true class is known."""
        return self.labels >= 0


def predict_clips(
    model: Any, batches: Iterable[tuple[Any, Any]]
) -> ClipPredictions:
    """Classifies clips; the views of a clip are averaged.

    Each batch is one call of the network, which gets all views of all clips
    at once: `batch * views` inputs. What is averaged are the softmax
    probabilities, not the logits, so that no view outweighs the others. A
    batch smaller than the first, as the last may be, is filled up, so that
    the network is compiled for one shape.

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
    run: Callable[[np.ndarray], np.ndarray] | None = None
    probabilities, labels = [], []
    for pair in batches:
        clips, classes = (np.asarray(part) for part in pair)
        full = full or clips.shape
        _check_clips(clips, full)
        if run is None:
            run = clip_pass(model, (full[0] * full[1], *full[2:]))
        answers = run(_filled(clips, full[0]).reshape(-1, *full[2:]))
        views = answers.reshape(full[0], full[1], -1)[: len(clips)]
        probabilities.append(views.mean(axis=1))
        _check_labels(classes, len(clips), views.shape[-1])
        labels.append(classes.astype(np.int32))
    require(
        run is not None,
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
    """A batch of this many clips: the last one is repeated."""
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
