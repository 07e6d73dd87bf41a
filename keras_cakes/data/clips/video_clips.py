"""Reads clips from video files and folders of frames when needed."""

import hashlib
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.decoding.decoding import iterate_video
from keras_cakes.data.clips.decoding.decoding import read_frames
from keras_cakes.data.clips.decoding.frame_folders import iterate_frame_files
from keras_cakes.data.clips.decoding.frame_folders import read_frame_files
from keras_cakes.data.clips.sources import FrameSource
from keras_cakes.data.host_calls import host_call


class VideoClips(FrameSource):
    """Reads clips from their files, frame by frame as they are needed.

    Args:
        dataset: The clips.
        channels: 3 for red, green and blue, 1 for grey.

    Raises:
        ValueError: If there is no clip, or `channels` is neither 1 nor 3.
    """

    def __init__(self, dataset: ClipDataset, channels: int = 3):
        super().__init__(
            [clip.name for clip in dataset.clips],
            [clip.label for clip in dataset.clips],
            frame_counts=[clip.frames for clip in dataset.clips],
            classes=dataset.classes,
            channels=channels,
        )
        self.dataset = dataset
        self._files: dict[str, Any] = {
            "channels": channels,
            "template": dataset.template,
            "first_frame": dataset.first_frame,
        }
        self.skipped = dataset.skipped
        # True for files whose time stamps were seen to name their frames.
        self._is_known = np.zeros(len(self), bool)

    def read(self, clip: Any, frames: Any) -> Any:
        import tensorflow as tf

        frames = tf.convert_to_tensor(frames)
        (images,) = host_call(
            self._read, [clip, frames], [self._result(frames)]
        )
        return images

    def try_read(self, clip: Any, frames: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        frames = tf.convert_to_tensor(frames)
        images, is_read = host_call(
            self._try_read,
            [clip, frames],
            [self._result(frames), tf.TensorSpec([], tf.bool)],
        )
        return images, is_read

    def frames_of(self, clip: int) -> Iterator[np.ndarray]:
        record = self.dataset.clips[clip]
        number = 0
        for frame in (
            iterate_frame_files(record.source, record.frames, **self._files)
            if record.source.is_dir()
            else iterate_video(record.source, self.channels)
        ):
            yield frame
            number += 1
            if number == record.frames:
                return
        raise DataError(
            f"{record.source}: {record.frames} frames are expected. "
            f"Received: {number}"
        )

    def fingerprint(self, clip: int) -> str:
        """Hashes the sizes and times of the files of a clip."""
        record = self.dataset.clips[clip]
        files = [record.source]
        if record.source.is_dir():
            first = self.dataset.first_frame
            files += [
                record.source / self.dataset.template.format(first + number)
                for number in range(record.frames)
            ]
        text = ";".join(map(_state, files))
        return hashlib.sha256(text.encode()).hexdigest()

    def subset(self, names: Sequence[str]) -> "VideoClips":
        return VideoClips(self.dataset.subset(names), self.channels)

    def _result(self, frames: Any) -> Any:
        import tensorflow as tf

        shape = (frames.shape[0], None, None, self.channels)
        return tf.TensorSpec(shape, tf.uint8)

    def _read(self, clip: Any, frames: np.ndarray) -> np.ndarray:
        number = int(clip)
        record = self.dataset.clips[number]
        if record.source.is_dir():
            return read_frame_files(record.source, frames, **self._files)
        images, self._is_known[number] = read_frames(
            record.source,
            frames,
            channels=self.channels,
            is_known=bool(self._is_known[number]),
        )
        return images

    def _try_read(self, clip: Any, frames: np.ndarray) -> Any:
        try:
            return self._read(clip, frames), True
        except DataError as error:
            self.fail(int(clip), error)
            return np.zeros((len(frames), 1, 1, self.channels), np.uint8), False


def _state(path: Path) -> str:
    try:
        state = path.stat()
    except OSError as error:
        return type(error).__name__
    return f"{state.st_size} {state.st_mtime_ns}"
