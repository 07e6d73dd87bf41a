"""The compressed frames of a video file, and which depend on which."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_cakes._errors import DataError

# Larger files are read piece by piece, and always in order.
_MOST_BYTES = 64 << 20
# Every packet of these is one frame that is shown. Not so in others: VP8 has
# frames that are never shown, MPEG-4 packets without a frame.
_ONE_EACH = {"h264", "hevc", "av1", "mjpeg", "vp9", "gif"}
# Key frames of these need nothing that comes before.
_CLEAN_KEYS = {"av1", "mjpeg", "vp9"}
# Types of NAL units after which nothing before them is used any more; there
# are key frames without, which later frames may look past.
_CLEAN_UNITS = {"h264": {5}, "hevc": {19, 20}}


class Packets:
    """The packets of one stream.

    Args:
        path: The file, for messages.
        container: The open file.
        stream: Its video stream.

    Attributes:
        count: Number of frames, `None` where packets do not tell.
        times: Time stamps of all frames in the order they are shown in.
        decoded: Number of frames that have been decoded in order.

    Raises:
        DataError: If the file is truncated.
    """

    def __init__(self, path: Path, container: Any, stream: Any):
        self._codec = stream.codec_context.codec.canonical_name
        self._length = _length_bytes(stream.codec_context, self._codec)
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
        """Whether all frames came, in order, each with its time stamp."""
        return self._matches and self.decoded == self.count

    def decode_all(self, context: Any) -> Iterator[Any]:
        """All frames, in the order in which they are shown."""
        held = self._held
        for packet in self._all if held is None else [*held, None]:
            for frame in context.decode(packet):
                if self.decoded < len(self.times):
                    time = self.times[self.decoded]
                    self._matches &= frame.pts == time
                else:
                    self._matches = False
                self.decoded += 1
                yield frame

    def decode(self, context: Any, times: "set[int]") -> Iterator[Any]:
        """Frames of these times among others, and what they depend on."""
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
                    # No frame is predicted from those that are left out.
                    context.skip_frame = (
                        "DEFAULT" if packet.pts in wanted else "NONREF"
                    )
                yield from context.decode(packet)
            yield from context.decode(None)
            context.flush_buffers()

    def _is_clean(self, packet: Any) -> bool:
        """Whether a decoder may start here and lack nothing."""
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
    """Packets, unless one is cut off."""
    for packet in packets:
        if packet.is_corrupt:
            raise DataError(
                f"{path}: a complete video file is expected. Received: "
                "a packet that is cut off"
            )
        yield packet


def _length_bytes(context: Any, codec: str) -> int:
    """Bytes of the size in front of each NAL unit."""
    extradata = context.extradata or b""
    place = {"h264": 4, "hevc": 21}.get(codec, 0)
    if len(extradata) > place and extradata[0] == 1:
        return (extradata[place] & 3) + 1
    return 4
