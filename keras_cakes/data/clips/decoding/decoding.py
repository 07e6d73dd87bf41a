"""Frames of video files, by their number, exactly."""

import dataclasses
import os
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
from keras_cakes.data.clips.decoding.packets import Packets
from keras_cakes.data.clips.decoding.packets import import_av
from keras_cakes.data.clips.decoding.packets import opened
from keras_cakes.data.clips.decoding.pictures import Pictures

# Where less than this share of a file would be saved, it is decoded to its
# end: then all its time stamps are known.
_REST = 0.25


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself.

    Args:
        frames: Number of frames.
        height: Of a frame as it is shown, in pixels.
        width: Of a frame as it is shown, in pixels.
        codec: Such as `"h264"`.
        rate: Frames per second on average, or `None`.
    """

    frames: int
    height: int
    width: int
    codec: str
    rate: float | None


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """Counts the frames of a video file.

    Packets are counted where each is known to hold one frame; else the file
    is decoded.

    Args:
        path: A file of mp4, webm, avi or gif.

    Raises:
        DataError: If the file is no video, damaged, or has no frame; the
            message names it.
        ImportError: If PyAV is not installed.
    """
    path = Path(path)
    with opened(path) as (container, stream):
        packets = Packets(path, container, stream)
        context = stream.codec_context
        frames = packets.count
        shown = None
        for _, frame in _in_order(path, packets, context):
            shown = shown or Pictures(path, frame, 1).shape
            if frames is not None:
                break
        if frames is None:
            frames = packets.decoded
        if shown is None or not frames:
            raise _no_frame(path)
        rate = stream.average_rate
        return VideoInfo(
            frames,
            shown[0],
            shown[1],
            context.codec.canonical_name,
            rate and float(rate),
        )


def read_video(
    path: str | os.PathLike[str],
    frames: "Sequence[int] | np.ndarray | None" = None,
    channels: int = 3,
) -> np.ndarray:
    """Reads frames of a video file.

    Frames are counted in the order in which they are shown, whatever their
    time. Nothing is decoded beyond the last of them. They are turned as the
    file says; the shape of a pixel is left alone.

    Args:
        path: A file of mp4, webm, avi or gif.
        frames: Numbers of frames, from 0, in any order and as often as
            wanted; by default all of them.
        channels: 3 for red, green and blue, 1 for grey, from black 0 to
            white 255.

    Returns:
        Uint8 array `(n, height, width, channels)`.

    Raises:
        DataError: If the file is no video, damaged, has no frame of such a
            number, or frames of several sizes; the message names it.
        ImportError: If PyAV is not installed.
        ValueError: If a number is negative, or `channels` neither 1 nor 3.
    """
    return read_frames(Path(path), frames, channels, False)[0]


def iterate_video(path: Path, channels: int) -> Iterator[np.ndarray]:
    """All frames in order, one in memory at a time.

    Raises:
        DataError: See `read_video`.
    """
    with opened(path) as (container, stream):
        packets = Packets(path, container, stream)
        pictures = None
        for _, frame in _in_order(path, packets, stream.codec_context):
            if pictures is None:
                pictures = Pictures(path, frame, channels)
            yield pictures.array(frame)


def read_frames(
    path: Path,
    frames: "Sequence[int] | np.ndarray | None",
    channels: int,
    is_known: bool,
) -> tuple[np.ndarray, bool]:
    """As `read_video`, faster where a file is known.

    Args:
        path: The file.
        frames: Numbers of frames.
        channels: 1 or 3.
        is_known: Whether an earlier call has returned `True` for this file.

    Returns:
        The frames, and whether all time stamps of the file have been seen to
        name its frames: then those of a next call can be picked by them, and
        only what they are predicted from is decoded.
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
    with opened(path) as (container, stream):
        packets = Packets(path, container, stream)
        found = None
        if is_known and wanted is not None:
            found = _by_times(path, packets, stream, wanted, channels)
        if found is None:
            found = _by_order(path, packets, stream, wanted, channels)
            is_known = packets.is_proven
    return (found if inverse is None else found[inverse]), is_known


def _by_order(
    path: Path,
    packets: Packets,
    stream: Any,
    wanted: "np.ndarray | None",
    channels: int,
) -> np.ndarray:
    """Frames by their place among all that come before them."""
    count = packets.count
    last = None if wanted is None else int(wanted.max(initial=-1))
    stop = last
    if last is not None and count and last >= count * (1 - _REST):
        stop = None
    numbers = None if wanted is None else set(wanted.tolist())
    pictures: Pictures | None = None
    found: list[np.ndarray] = []
    for number, frame in _in_order(path, packets, stream.codec_context):
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
    path: Path,
    packets: Packets,
    stream: Any,
    wanted: np.ndarray,
    channels: int,
) -> "np.ndarray | None":
    """Frames by their time stamps; `None` if one does not come."""
    if not wanted.size or packets.count is None or wanted[-1] >= packets.count:
        return None
    times = [packets.times[number] for number in wanted]
    place = {time: number for number, time in enumerate(times)}
    pictures: Pictures | None = None
    result = np.empty(0, np.uint8)
    missing = set(times)
    for frame in packets.decode(stream.codec_context, missing):
        if pictures is None:
            pictures = Pictures(path, frame, channels)
            result = np.empty((len(times), *pictures.shape), np.uint8)
        if frame.pts in missing and not frame.is_corrupt:
            result[place[frame.pts]] = pictures.array(frame)
            missing.discard(frame.pts)
    return None if missing else result


def _in_order(
    path: Path, packets: Packets, context: Any
) -> Iterator[tuple[int, Any]]:
    """All frames with their numbers."""
    number = 0
    av = import_av()
    try:
        for frame in packets.decode_all(context):
            if frame.is_corrupt:
                raise av.error.InvalidDataError(0, "a damaged frame")
            yield number, frame
            number += 1
    except av.FFmpegError as error:
        raise DataError(
            f"{path}: a video without damage is expected. Received: "
            f"{type(error).__name__} behind {number} frames"
        ) from None


def _no_frame(path: Path) -> DataError:
    return DataError(
        f"{path}: a video of at least one frame is expected. Received: none"
    )
