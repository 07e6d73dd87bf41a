"""Writes shards of encoded frames, TFRecord files, with an index of frames."""

import dataclasses
import json
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes._files import atomic
from keras_cakes._files import checksum
from keras_cakes._files import write_text
from keras_cakes.data.clips.sources import FrameSource
from keras_cakes.data.volumes.preparing.prepared import read_json

_ENCODINGS = ("jpeg", "png")
# Holds for each frame of a shard its begin, its bytes and their CRC-32.
INDEX = np.dtype([("offset", "<u8"), ("bytes", "<u4"), ("crc", "<u4")])
# Keys of a shard's note, and of its entry for the clips.
_NOTE = ("bytes", "sha256", "clips", "skipped", "fingerprints")
_CLIPS = ("name", "label", "frames", "height", "width")
# Bytes of TFRecord before and behind each record.
_BEFORE, _BEHIND = 12, 4


@dataclasses.dataclass(frozen=True)
class Encoding:
    """Encodes frames as JPEG or PNG.

    Args:
        short_side: Pixels of the shorter side of larger frames; `None` keeps
            all as they are.
        encoding: `"jpeg"` or `"png"`.
        quality: Of JPEG, 1 to 100.

    Raises:
        ValueError: If an argument is not as stated.
    """

    short_side: int | None
    encoding: str
    quality: int

    def __post_init__(self) -> None:
        choose("encoding", self.encoding, _ENCODINGS)
        whole("quality", self.quality, least=1, most=100)
        if self.short_side is not None:
            whole("short_side", self.short_side, least=1)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Returns height and width of a stored frame."""
        short = min(height, width)
        if self.short_side is None or short <= self.short_side:
            return height, width
        # Half a pixel is rounded up.
        return (
            (2 * height * self.short_side + short) // (2 * short),
            (2 * width * self.short_side + short) // (2 * short),
        )

    def encode(self, frame: np.ndarray) -> bytes:
        """Makes a JPEG or PNG file of a frame."""
        import tensorflow as tf

        with tf.device("CPU"):
            size = self.size(*frame.shape[:2])
            if size != frame.shape[:2]:
                resized = tf.image.resize(frame[None], size, method="area")[0]
                frame = tf.cast(tf.round(resized), tf.uint8)
            if self.encoding == "png":
                # More effort takes many times as long for little.
                return tf.io.encode_png(frame, compression=1).numpy()
            return tf.io.encode_jpeg(frame, quality=self.quality).numpy()


@dataclasses.dataclass(frozen=True)
class Shard:
    """Represents one shard, in work or done.

    Args:
        folder: Folder of all shards.
        number: Number of the shard.
    """

    folder: Path
    number: int

    @property
    def records(self) -> Path:
        """Names the TFRecord file."""
        return self.folder / f"{self.number:05}.tfrecord"

    @property
    def index(self) -> Path:
        """Names the file of the index: an array of `INDEX`, clip by clip."""
        return self.folder / f"{self.number:05}.npy"

    @property
    def note(self) -> Path:
        """Names the note about the clips; it is written last."""
        return self.folder / f"{self.number:05}.json"

    def is_done(
        self, source: FrameSource, clips: Iterable[int], on_error: str
    ) -> bool:
        """Tells whether it holds these clips, from unchanged files."""
        if not self.note.is_file():
            return False
        note = read_json(self.note)
        if not isinstance(note, dict) or not note.keys() >= set(_NOTE):
            return False
        return (
            note["clips"].keys() == set(_CLIPS)
            and self.records.is_file()
            and self.records.stat().st_size == note["bytes"]
            and (on_error == "skip" or not note["skipped"])
            and note["fingerprints"]
            == {source.names[clip]: source.fingerprint(clip) for clip in clips}
        )

    def write(
        self,
        source: FrameSource,
        clips: Iterable[int],
        encoding: Encoding,
        on_error: str,
    ) -> None:
        """Writes the shard; it is there whole or not at all.

        Args:
            source: Source of the frames.
            clips: Numbers of the clips in the shard.
            encoding: Encodes the frames.
            on_error: `"raise"`, or `"skip"` to go on without a clip that
                cannot be read.

        Raises:
            DataError: If a clip cannot be read, and errors are raised.
        """
        import tensorflow as tf

        self.note.unlink(missing_ok=True)
        held: dict[str, list[Any]] = {key: [] for key in _CLIPS}
        skipped: dict[str, str] = {}
        fingerprints: dict[str, str] = {}
        parts = [np.empty(0, INDEX)]
        place = 0
        with (
            atomic(self.records) as temporary,
            tf.io.TFRecordWriter(str(temporary)) as writer,
        ):
            for clip in clips:
                name = source.names[clip]
                # Taken before reading: a later change then shows.
                fingerprints[name] = source.fingerprint(clip)
                try:
                    frames, size = _encoded(source.frames_of(clip), encoding)
                except DataError as error:
                    if on_error == "raise":
                        raise
                    source.fail(clip, error)
                    skipped[name] = str(error)
                    continue
                label = int(source.labels[clip])
                record, start = _record(name, label, frames, size)
                writer.write(record)
                parts.append(_places(frames, place + _BEFORE + start))
                place += _BEFORE + len(record) + _BEHIND
                values = (name, label, len(frames), *size)
                for key, value in zip(held, values, strict=True):
                    held[key].append(value)
        with atomic(self.index) as temporary:
            np.save(temporary, np.concatenate(parts))
        note = {
            "bytes": place,
            "sha256": checksum(self.records),
            "clips": held,
            "skipped": skipped,
            "fingerprints": fingerprints,
        }
        write_text(self.note, json.dumps(note))


def _encoded(
    frames: Iterator[np.ndarray], encoding: Encoding
) -> tuple[list[bytes], tuple[int, int]]:
    """Encodes frames; returns them with their height and width."""
    encoded = []
    size = 0, 0
    for frame in frames:
        size = encoding.size(*frame.shape[:2])
        encoded.append(encoding.encode(frame))
    return encoded, size


def _record(
    name: str, label: int, frames: list[bytes], size: tuple[int, int]
) -> tuple[bytes, int]:
    """Makes the record of a clip; returns also the begin of its frames."""
    import tensorflow as tf

    def numbers(*values: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def texts(*values: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    features = {
        "frames": texts(*frames),
        "label": numbers(label),
        "name": texts(name.encode()),
        "size": numbers(*size),
    }
    example = tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString(deterministic=True)
    listed = features["frames"].bytes_list.SerializeToString()
    return example, example.index(listed)


def _places(frames: list[bytes], place: int) -> np.ndarray:
    """Computes the index of a list of frames that begins at `place`."""
    index = np.empty(len(frames), INDEX)
    for number, frame in enumerate(frames):
        # A field number and the size, seven bits a byte, precede each frame.
        place += 1 + -(-len(frame).bit_length() // 7)
        index[number] = place, len(frame), zlib.crc32(frame)
        place += len(frame)
    return index
