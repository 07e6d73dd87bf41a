"""Defines the sources that pipelines read frames from, and one in memory."""

import hashlib
import logging
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import choose

# Grey, or red, green and blue.
CHANNELS = (1, 3)

logger = logging.getLogger(__name__)


class FrameSource:
    """Describes clips; a subclass reads their frames.

    Args:
        names: A name for each clip.
        labels: For each clip an index into the classes, or `None`.
        frame_counts: For each clip the number of frames.
        classes: Names of the classes.
        channels: 1 for grey, 3 for red, green and blue.

    Attributes:
        labels: Int32 array `(clips,)`, -1 where there is no label.
        frame_counts: Int32 array `(clips,)`.
        failures: For each clip that could not be read, the error.
        skipped: The same for clips that are not in this source.

    Raises:
        ValueError: If an argument is not as stated.
    """

    def __init__(
        self,
        names: Sequence[str],
        labels: Sequence[int | None],
        *,
        frame_counts: Sequence[int],
        classes: Sequence[str],
        channels: int,
    ):
        choose("channels", channels, CHANNELS)
        if not names or not len(names) == len(labels) == len(frame_counts):
            raise ValueError(
                "At least one clip, and a label and a name for each, is "
                f"expected. Received: {len(frame_counts)} clips, "
                f"{len(labels)} labels, {len(names)} names"
            )
        self.names = tuple(names)
        self.classes = tuple(classes)
        self.labels = np.array(
            [-1 if label is None else label for label in labels], np.int32
        )
        self.frame_counts = np.array(frame_counts, np.int32)
        self.channels = channels
        self.failures: dict[str, str] = {}
        self.skipped: Mapping[str, str] = {}
        if len(set(self.names)) < len(self.names):
            twice = sorted(n for n in set(names) if self.names.count(n) > 1)
            raise ValueError(
                "`names` is expected to hold each name once. "
                f"Received: {twice[:5]} more than once"
            )
        outside = (self.labels < -1) | (self.labels >= len(self.classes))
        if outside.any():
            raise ValueError(
                f"Labels from 0 to {len(self.classes) - 1}, or none, are "
                f"expected. Received: {self.labels[outside][:5].tolist()}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def read(self, clip: Any, frames: Any) -> Any:
        """Reads frames of a clip in a graph.

        A file that is damaged or shorter than stated stops the graph with
        `tf.errors.InvalidArgumentError`, whose text is the `DataError`'s.

        Args:
            clip: Integer tensor, the number of the clip.
            frames: Int32 tensor `(n,)` of frames, counted from 0, in any
                order and as often as wanted.

        Returns:
            Uint8 tensor `(n, height, width, channels)`.
        """
        raise NotImplementedError

    def try_read(self, clip: Any, frames: Any) -> tuple[Any, Any]:
        """Reads like `read`, and also returns if the clip could be read.

        A clip that could not be read becomes zeros of shape
        `(n, 1, 1, channels)`, and is added to `failures`.
        """
        raise NotImplementedError

    def frames_of(self, clip: int) -> Iterator[np.ndarray]:
        """Yields all frames of a clip, `(height, width, channels)`."""
        raise NotImplementedError

    def fingerprint(self, clip: int) -> str:
        """Returns a text that changes when the clip may have changed."""
        raise NotImplementedError

    def subset(self, names: Sequence[str]) -> "FrameSource":
        """Returns a source of the clips of these names, in this order.

        Raises:
            DataError: If no clip has such a name, unless it was skipped.
        """
        raise NotImplementedError

    def fail(self, clip: int, error: Exception) -> None:
        """Notes that a clip could not be read."""
        name = self.names[clip]
        if name not in self.failures:
            logger.warning("Clip %s cannot be read: %s", name, error)
        self.failures[name] = str(error)

    def numbers(self, names: Sequence[str]) -> list[int]:
        """Returns the numbers of the clips of these names.

        Raises:
            DataError: If no clip has such a name.
        """
        known = {name: number for number, name in enumerate(self.names)}
        missing = sorted(set(names) - set(known))
        if missing:
            raise DataError(
                "Names of clips are expected. Received: "
                f"{missing[:5]}, which are not among the {len(self)} clips"
            )
        return [known[name] for name in names]


class ArrayClips(FrameSource):
    """Holds clips in memory.

    Args:
        arrays: Uint8 arrays `(time, height, width, channels)`, of 1 or 3
            channels, values from 0 to 255. Their lengths may differ.
        labels: For each clip an index into the classes, or `None`.
        classes: Names of the classes.
        names: A name for each clip; by default their numbers.

    Raises:
        ValueError: If there is no clip, or the clips differ in size, or an
            argument is not as stated.

    Examples:
        >>> source = ArrayClips(
        ...     [np.full((time, 8, 8, 1), time, "uint8") for time in (3, 5)],
        ...     labels=[0, 1],
        ...     classes=("short", "long"),
        ... )
        >>> source.read(1, [0, 4, 4]).shape, source.frame_counts.tolist()
        (TensorShape([3, 8, 8, 1]), [3, 5])
    """

    def __init__(
        self,
        arrays: Sequence[np.ndarray],
        labels: Sequence[int | None],
        *,
        classes: Sequence[str],
        names: Sequence[str] | None = None,
    ):
        import tensorflow as tf

        arrays = [np.asarray(array) for array in arrays]
        _check_arrays(arrays)
        width = len(str(len(arrays) - 1))
        super().__init__(
            [f"{number:0{width}}" for number in range(len(arrays))]
            if names is None
            else names,
            labels,
            frame_counts=[len(array) for array in arrays],
            classes=classes,
            channels=arrays[0].shape[-1] if arrays else 1,
        )
        # Pipelines run on the host; clips would only fill a GPU.
        with tf.device("CPU"):
            self._frames = tf.convert_to_tensor(np.concatenate(arrays))
        self._starts = np.cumsum([0, *self.frame_counts[:-1]], dtype=np.int64)

    def read(self, clip: Any, frames: Any) -> Any:
        import tensorflow as tf

        frames = tf.cast(frames, tf.int64)
        count = tf.gather(tf.constant(self.frame_counts, tf.int64), clip)
        inside = tf.reduce_all((frames >= 0) & (frames < count))
        check = tf.debugging.Assert(
            inside, ["Frames of a clip are expected. Received:", frames, count]
        )
        with tf.control_dependencies([] if check is None else [check]):
            start = tf.gather(tf.constant(self._starts), clip)
            return tf.gather(self._frames, start + frames)

    def try_read(self, clip: Any, frames: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        return self.read(clip, frames), tf.constant(True)

    def frames_of(self, clip: int) -> Iterator[np.ndarray]:
        yield from self.read(clip, range(self.frame_counts[clip])).numpy()

    def fingerprint(self, clip: int) -> str:
        digest = hashlib.sha256()
        for frame in self.frames_of(clip):
            digest.update(frame.tobytes())
        return digest.hexdigest()

    def subset(self, names: Sequence[str]) -> "ArrayClips":
        """Returns a source of these clips that shares the frames."""
        numbers = self.numbers(names)
        chosen = object.__new__(ArrayClips)
        FrameSource.__init__(
            chosen,
            names,
            self.labels[numbers].tolist(),
            frame_counts=self.frame_counts[numbers].tolist(),
            classes=self.classes,
            channels=self.channels,
        )
        chosen._frames, chosen._starts = self._frames, self._starts[numbers]
        return chosen


def _check_arrays(arrays: Sequence[np.ndarray]) -> None:
    for number, array in enumerate(arrays):
        if (
            array.dtype != np.uint8
            or array.ndim != 4
            or 0 in array.shape
            or array.shape[1:] != arrays[0].shape[1:]
        ):
            raise ValueError(
                "`arrays` is expected to hold uint8 arrays `(time, height, "
                "width, channels)` of one size. Received: "
                f"arrays[{number}] of {array.dtype} and shape {array.shape}, "
                f"arrays[0] of shape {arrays[0].shape}"
            )
