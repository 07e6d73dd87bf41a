"""Reads frames of video files by their exact number."""

import dataclasses
import os
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
from keras_cakes.data.clips.decoding.packets import Packets
from keras_cakes.data.clips.decoding.packets import opened
from keras_cakes.data.clips.decoding.pictures import Pictures

# A file is decoded to its end if stopping would save less than this share:
# then all its time stamps are known.
_REST = 0.25


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """Describes a video file.

    Args:
        frames: Number of frames.
        height: Height of a frame as it is shown, in pixels.
        width: Width of a frame as it is shown, in pixels.
        codec: Name of the codec, such as `"h264"`.
        rate: Frames per second on average, or `None`.
    """

    frames: int
    height: int
    width: int
    codec: str
    rate: float | None


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """Counts the frames of a video file.

    Packets are counted if each is known to hold one frame; otherwise the file
    is decoded.

    Args:
        path: A file of mp4, webm, avi or gif.

    Raises:
        DataError: If the file is no video, damaged, or has no frame.
        ImportError: If PyAV is not installed.
    """
    path = Path(path)
    with opened(path) as packets:
        frames = packets.count
        shown = None
        for frame in packets.frames():
            shown = shown or Pictures(path, frame, 1).shape
            if frames is not None:
                break
        if frames is None:
            frames = packets.decoded
        if shown is None or not frames:
            raise _no_frame(path)
        height, width, _ = shown
        codec = packets.stream.codec_context.codec.canonical_name
        rate = packets.stream.average_rate
        return VideoInfo(frames, height, width, codec, rate and float(rate))


def read_video(
    path: str | os.PathLike[str],
    frames: "Sequence[int] | np.ndarray | None" = None,
    *,
    channels: int = 3,
) -> np.ndarray:
    """Reads frames of a video file.

    Frames are counted in the order in which they are shown, whatever their
    time, and turned as the file states. Nothing is decoded beyond the last
    one. Pixels that are not square stay as they are.

    Args:
        path: A file of mp4, webm, avi or gif.
        frames: Numbers of frames, from 0, in any order and as often as
            wanted; by default all frames.
        channels: 3 for red, green and blue, 1 for grey, from black 0 to
            white 255.

    Returns:
        Uint8 array `(n, height, width, channels)`.

    Raises:
        DataError: If the file is no video, damaged, has no frame of such a
            number, or frames of several sizes.
        ImportError: If PyAV is not installed.
        ValueError: If a number is negative, or `channels` neither 1 nor 3.
    """
    return read_frames(Path(path), frames, channels=channels)[0]


def iterate_video(path: Path, channels: int) -> Iterator[np.ndarray]:
    """Yields all frames in order; holds one in memory at a time."""
    with opened(path) as packets:
        pictures = None
        for frame in packets.frames():
            if pictures is None:
                pictures = Pictures(path, frame, channels)
            yield pictures.array(frame)


def read_frames(
    path: Path,
    frames: "Sequence[int] | np.ndarray | None",
    *,
    channels: int,
    is_known: bool = False,
) -> tuple[np.ndarray, bool]:
    """Reads like `read_video`, faster if the file is known.

    Args:
        path: The file.
        frames: Numbers of frames; `None` for all frames.
        channels: 1 or 3.
        is_known: True if an earlier call has returned `True` for this file.

    Returns:
        The frames, and `True` if all time stamps of the file were seen to
        name its frames. A next call then picks frames by their time stamps,
        and decodes only the frames that they are predicted from.
    """
    choose("channels", channels, (1, 3))
    wanted = inverse = None
    if frames is not None:
        wanted, inverse = np.unique(
            np.asarray(frames, np.int64), return_inverse=True
        )
        if wanted.size and wanted[0] < 0:
            raise ValueError(
                "`frames` is expected to hold numbers from 0 on. "
                f"Received: {wanted[0]}"
            )
    with opened(path) as packets:
        found = None
        if is_known and wanted is not None:
            found = _by_times(path, packets, wanted, channels)
        if found is None:
            found = _by_order(path, packets, wanted, channels)
            is_known = packets.is_proven
    return (found if inverse is None else found[inverse]), is_known


def _by_order(
    path: Path,
    packets: Packets,
    wanted: "np.ndarray | None",
    channels: int,
) -> np.ndarray:
    """Finds frames by counting all frames before them."""
    count = packets.count
    last = None if wanted is None else int(wanted.max(initial=-1))
    stop = last
    if last is not None and count and last >= count * (1 - _REST):
        stop = None
    numbers = None if wanted is None else set(wanted.tolist())
    pictures: Pictures | None = None
    found: list[np.ndarray] = []
    for number, frame in enumerate(packets.frames()):
        if pictures is None:
            pictures = Pictures(path, frame, channels)
        if numbers is None or number in numbers:
            found.append(pictures.array(frame))
        if stop is not None and number >= stop:
            break
    if pictures is None:
        raise _no_frame(path)
    if wanted is not None and len(found) < len(wanted):
        raise DataError(
            f"{path}: a frame of number {last}, from 0, is expected. "
            f"Received: {packets.decoded} frames in all"
        )
    shape = pictures.shape
    return np.stack(found) if found else np.empty((0, *shape), np.uint8)


def _by_times(
    path: Path, packets: Packets, wanted: np.ndarray, channels: int
) -> "np.ndarray | None":
    """Finds frames by their time stamps; returns `None` if one is missing."""
    if not wanted.size or packets.count is None or wanted[-1] >= packets.count:
        return None
    times = [packets.times[number] for number in wanted]
    place = {time: number for number, time in enumerate(times)}
    pictures: Pictures | None = None
    result = np.empty(0, np.uint8)
    missing = set(times)
    for frame in packets.frames_at(missing):
        if pictures is None:
            pictures = Pictures(path, frame, channels)
            result = np.empty((len(times), *pictures.shape), np.uint8)
        if frame.pts in missing and not frame.is_corrupt:
            result[place[frame.pts]] = pictures.array(frame)
            missing.discard(frame.pts)
    return None if missing else result


def _no_frame(path: Path) -> DataError:
    return DataError(
        f"{path}: a video of at least one frame is expected. Received: none"
    )
