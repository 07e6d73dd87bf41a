"""Opens video files and decodes their packets."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_cakes._errors import DataError
from keras_cakes.data.clips.decoding.completeness import check_complete

# A little more than 8K; a decoder holds about twenty frames.
MOST_PIXELS = 8192 * 4352
_OPTIONS = {
    # Formats that contain their video and name no other files.
    "format_whitelist": "mov,matroska,avi,gif",
    "protocol_whitelist": "file",
    "max_pixels": str(MOST_PIXELS),
}
# Packets of larger files are read one by one, and always in order.
_MOST_BYTES = 64 << 20
# Codecs whose packets each hold one frame that is shown. Others differ: VP8
# has frames that are never shown, MPEG-4 has packets without a frame.
_ONE_EACH = {"h264", "hevc", "av1", "mjpeg", "vp9", "gif"}
# Codecs whose key frames need no frame before them.
_CLEAN_KEYS = {"av1", "mjpeg", "vp9"}
# NAL units after which no earlier frame is used. Frames behind a key frame
# without such a unit may still refer to frames before it.
_CLEAN_UNITS = {"h264": {5}, "hevc": {19, 20}}


@contextlib.contextmanager
def opened(path: Path) -> Iterator["Packets"]:
    """Opens a video file.

    Args:
        path: A file of mp4, webm, avi or gif, whatever its ending says.

    Yields:
        The packets of its first video stream. Their decoder has one thread,
        and stops at damage instead of guessing the lost pixels.

    Raises:
        DataError: If the file is missing, damaged or truncated, has no video
            or too large frames; also for damage found while it is open.
        ImportError: If PyAV is not installed.
    """
    av = import_av()
    try:
        is_file = path.is_file()
    except OSError as error:
        raise _no_video(path, f"{type(error).__name__}: {error}") from None
    if not is_file:
        raise _no_video(path, "no such file")
    check_complete(path)
    try:
        # Without `file:` the library would obey names such as `concat:`.
        with av.open(
            f"file:{path}", options=_OPTIONS, metadata_errors="replace"
        ) as container:
            yield Packets(path, container, _stream(path, container, av))
    except (av.FFmpegError, EOFError, UnicodeError) as error:
        raise _no_video(
            path, f"{type(error).__name__}: {str(error)[:300]}"
        ) from None


def import_av() -> Any:
    """Imports PyAV, or names the package to install."""
    try:
        import av
    except ImportError:
        raise ImportError(
            "Reading video files needs PyAV: pip install "
            "'keras-cakes[video]'. Received: no module av"
        ) from None
    return av


def _stream(path: Path, container: Any, av: Any) -> Any:
    streams = [
        stream
        for stream in container.streams.video
        # A picture of this kind is the cover of a sound file.
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams})
        raise _no_video(path, f"streams of {kinds}")
    stream = streams[0]
    context = stream.codec_context
    if context is None:
        raise _no_video(path, "a codec that is not known")
    if not 0 < context.width * context.height <= MOST_PIXELS:
        raise DataError(
            f"{path}: frames of 1 to {MOST_PIXELS} pixels are expected. "
            f"Received: width={context.width}, height={context.height}"
        )
    # Clips are decoded in parallel; more threads in each would only wait.
    context.thread_count = 1
    context.options = {
        "max_pixels": str(MOST_PIXELS),
        "err_detect": "explode",
    }
    return stream


def _no_video(path: Path, received: str) -> DataError:
    return DataError(
        f"{path}: a readable video file (mp4, webm, avi or gif) is expected. "
        f"Received: {received}"
    )


class Packets:
    """Decodes the packets of one stream, all or chosen ones.

    Args:
        path: The file, for messages.
        container: The open file.
        stream: Its video stream.

    Attributes:
        count: Number of frames; `None` if the packets do not tell.
        times: Time stamps of all frames in the order they are shown in.
        decoded: Number of frames that were decoded in order.
    """

    def __init__(self, path: Path, container: Any, stream: Any):
        self.stream = stream
        self._path = path
        self._context = stream.codec_context
        self._codec = self._context.codec.canonical_name
        self._length = _length_bytes(self._context, self._codec)
        self._all = _whole(path, container.demux(stream))
        self._held: list[Any] | None = None
        self.count: int | None = None
        self.times: list[int] = []
        self.decoded = 0
        self._matches = True
        if container.size > _MOST_BYTES:
            return
        self._held = [packet for packet in self._all if packet.size]
        shown = [p.pts for p in self._held if not p.is_discard]
        if (
            self._codec in _ONE_EACH
            and None not in shown
            and len(set(shown)) == len(shown)
        ):
            self.times = sorted(shown)
            self.count = len(shown)

    @property
    def is_proven(self) -> bool:
        """Tells if all frames came, in order, each with its time stamp."""
        return self._matches and self.decoded == self.count

    def frames(self) -> Iterator[Any]:
        """Yields all frames, in the order in which they are shown.

        Raises:
            DataError: If a frame is damaged.
        """
        av = import_av()
        held = self._held
        try:
            for packet in self._all if held is None else [*held, None]:
                for frame in self._context.decode(packet):
                    if frame.is_corrupt:
                        raise av.error.InvalidDataError(0, "a damaged frame")
                    here = slice(self.decoded, self.decoded + 1)
                    self._matches &= self.times[here] == [frame.pts]
                    self.decoded += 1
                    yield frame
        except av.FFmpegError as error:
            raise DataError(
                f"{self._path}: a video without damage is expected. Received: "
                f"{type(error).__name__} behind {self.decoded} frames"
            ) from None

    def frames_at(self, times: "set[int]") -> Iterator[Any]:
        """Yields the frames of these times, and others that they depend on."""
        context = self._context
        wanted = frozenset(times)
        held = self._held or []
        starts = [n for n, packet in enumerate(held) if self._is_clean(packet)]
        ends = [*starts[1:], len(held)]
        for start, end in zip(starts, ends, strict=False):
            here = [n for n in range(start, end) if held[n].pts in wanted]
            if not here:
                continue
            for packet in held[start : here[-1] + 1]:
                if self._codec == "h264":
                    # No frame is predicted from the frames left out.
                    context.skip_frame = (
                        "DEFAULT" if packet.pts in wanted else "NONREF"
                    )
                yield from context.decode(packet)
            yield from context.decode(None)
            context.flush_buffers()

    def _is_clean(self, packet: Any) -> bool:
        """Tells if a decoder may start at this packet and lack no frame."""
        if not packet.is_keyframe:
            return False
        units = _CLEAN_UNITS.get(self._codec)
        if units is None:
            return self._codec in _CLEAN_KEYS
        content = memoryview(packet)
        place = 0
        while place + self._length < len(content):
            first = content[place + self._length]
            kind = first & 31 if self._codec == "h264" else first >> 1 & 63
            if kind in units:
                return True
            size = content[place : place + self._length]
            place += self._length + int.from_bytes(size, "big")
        return False


def _whole(path: Path, packets: Iterator[Any]) -> Iterator[Any]:
    """Yields packets; refuses one that is cut off."""
    for packet in packets:
        if packet.is_corrupt:
            raise DataError(
                f"{path}: a complete video file is expected. Received: "
                "a packet that is cut off"
            )
        yield packet


def _length_bytes(context: Any, codec: str) -> int:
    """Returns the bytes of the size in front of each NAL unit."""
    extradata = context.extradata or b""
    place = {"h264": 4, "hevc": 21}.get(codec, 0)
    if len(extradata) > place and extradata[0] == 1:
        return (extradata[place] & 3) + 1
    return 4
