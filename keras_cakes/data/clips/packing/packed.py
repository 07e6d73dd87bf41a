"""Packed clips: frames at random places of TFRecord shards."""

import hashlib
import os
import zlib
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
from keras_cakes._files import checksum
from keras_cakes.data.clips.decoding.frame_folders import decode_image
from keras_cakes.data.clips.packing.shards import INDEX
from keras_cakes.data.clips.packing.shards import Shard
from keras_cakes.data.clips.sources import CHANNELS
from keras_cakes.data.clips.sources import ClipTable
from keras_cakes.data.host_calls import host_call
from keras_cakes.data.volumes.preparing.prepared import read_json

VERSION = 1
MANIFEST = "manifest.json"
INDEX_FILE = "index.npy"
SHARDS = "shards"


class PackedClips(ClipTable):
    """Clips that `pack` has stored; only frames that are read are decoded.

    Args:
        folder: Their folder.
        document: What the manifest says.
        index: Where frames lie, an array of `INDEX` for all clips.
        clips: Numbers of the clips that are meant, in this order.
        channels: 3 for red, green and blue, 1 for grey.

    Raises:
        ValueError: If there is no clip, or `channels` is neither 1 nor 3.
    """

    def __init__(
        self,
        folder: Path,
        document: Mapping[str, Any],
        index: np.ndarray,
        clips: Sequence[int],
        channels: int = 3,
    ):
        table = document["clips"]
        super().__init__(
            [table["name"][clip] for clip in clips],
            [table["label"][clip] for clip in clips],
            [table["frames"][clip] for clip in clips],
            document["classes"],
            channels,
        )
        self.folder = folder
        self.skipped = document["skipped"]
        self._document, self._index, self._clips = document, index, clips
        self._starts = np.cumsum([0, *table["frames"]])
        sizes = {(table["height"][c], table["width"][c]) for c in clips}
        self._size = sizes.pop() if len(sizes) == 1 else (None, None)

    def read(self, clip: Any, frames: Any) -> Any:
        """Frames of a clip; see `FrameSource`.

        A frame that is not what was packed stops the graph with
        `tf.errors.InvalidArgumentError`, whose text is that of the
        `DataError`.
        """
        import tensorflow as tf

        frames = tf.convert_to_tensor(frames)
        (encoded,) = host_call(
            self._encoded,
            [clip, frames],
            [tf.TensorSpec(frames.shape, tf.string)],
        )
        images = self._decoded(encoded, frames)
        images.set_shape((None, *self._size, self.channels))
        return images

    def try_read(self, clip: Any, frames: Any) -> tuple[Any, Any]:
        """As `read`, and whether the clip could be read."""
        import tensorflow as tf

        frames = tf.convert_to_tensor(frames)
        encoded, is_read = host_call(
            self._try_encoded,
            [clip, frames],
            [
                tf.TensorSpec(frames.shape, tf.string),
                tf.TensorSpec([], tf.bool),
            ],
        )
        return self._decoded(encoded, frames), is_read

    def frames_of(self, clip: int) -> Iterator[np.ndarray]:
        """All frames of a clip in order, `(height, width, channels)`."""
        for number in range(self.frame_counts[clip]):
            [content] = self._encoded(clip, np.array([number]))
            yield decode_image(content, self.channels)

    def fingerprint(self, clip: int) -> str:
        """Text that changes when the frames of a clip do."""
        start = self._starts[self._clips[clip]]
        count = self.frame_counts[clip]
        part = self._index[start : start + count]
        return hashlib.sha256(part.tobytes()).hexdigest()

    def subset(self, names: Sequence[str]) -> "PackedClips":
        """The clips of these names, in this order.

        Raises:
            DataError: If there is no clip of a name, unless it was skipped.
        """
        names = [name for name in names if name not in self.skipped]
        clips = [self._clips[number] for number in self.numbers(names)]
        return PackedClips(
            self.folder, self._document, self._index, clips, self.channels
        )

    def verify(self) -> None:
        """Compares all shards, of a subset as well, with their checksums.

        Files that are damaged may be deleted; `pack` then makes them anew.

        Raises:
            DataError: If a file is not what was written.
        """
        known = {self.folder / INDEX_FILE: self._document["index_sha256"]}
        for number, shard in enumerate(self._document["shards"]):
            known[self._shard(number)] = shard["sha256"]
        for path, expected in known.items():
            found = checksum(path) if path.is_file() else "no such file"
            if found != expected:
                raise DataError(
                    f"{path}: the SHA-256 {expected} is expected. "
                    f"Received: {found}"
                )

    def _shard(self, number: int) -> Path:
        return Shard(self.folder / SHARDS, number).records

    def _encoded(self, clip: Any, frames: np.ndarray) -> np.ndarray:
        """The bytes of frames, each as it was packed."""
        number = int(clip)
        name, count = self.names[number], self.frame_counts[number]
        if frames.size and not 0 <= frames.min() <= frames.max() < count:
            raise DataError(
                f"{self.folder}: frames 0 to {count - 1} of {name} are "
                f"expected. Received: {frames.min()} to {frames.max()}"
            )
        place = self._clips[number]
        shard = self._shard(self._document["clips"]["shard"][place])
        encoded = np.empty(len(frames), object)
        try:
            # No file stays open: a data set may have thousands.
            handle = os.open(shard, os.O_RDONLY)
        except OSError as error:
            raise DataError(
                f"{shard}: a shard of a pack is expected. Received: "
                f"{type(error).__name__}: {error}"
            ) from None
        try:
            start = self._starts[place]
            for order, frame in enumerate(frames.tolist()):
                offset, size, crc = self._index[start + frame].item()
                encoded[order] = content = os.pread(handle, size, offset)
                if zlib.crc32(content) != crc:
                    raise DataError(
                        f"{shard}: frame {frame} of {name} is expected as it "
                        f"was packed, {size} bytes from {offset} on. "
                        "Received: others"
                    )
        finally:
            os.close(handle)
        return encoded

    def _try_encoded(self, clip: Any, frames: np.ndarray) -> Any:
        import tensorflow as tf

        try:
            return self._encoded(clip, frames), True
        except DataError as error:
            self.fail(int(clip), error)
            empty = np.zeros((1, 1, self.channels), np.uint8)
            nothing = np.empty(len(frames), object)
            nothing[:] = tf.io.encode_png(empty).numpy()
            return nothing, False

    def _decoded(self, encoded: Any, frames: Any) -> Any:
        """Decodes frames in a graph."""
        import tensorflow as tf

        encoded.set_shape(tf.convert_to_tensor(frames).shape)
        images = tf.map_fn(
            lambda one: tf.io.decode_image(
                one, channels=self.channels, expand_animations=False
            ),
            encoded,
            fn_output_signature=tf.TensorSpec(
                (None, None, self.channels), tf.uint8
            ),
        )
        images.set_shape((encoded.shape[0], None, None, self.channels))
        return images


def open_packed(
    folder: "str | os.PathLike[str]", channels: int = 3
) -> PackedClips:
    """Opens a folder that `pack` has finished.

    Args:
        folder: The folder.
        channels: 3 for red, green and blue, 1 for grey, whatever was packed.

    Raises:
        DataError: If it is no such folder, or something in it is missing or
            damaged. Frames themselves are checked when they are read.
        ValueError: If `channels` is neither 1 nor 3.
    """
    choose("channels", channels, CHANNELS)
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(
            f"{path}: the manifest of a finished pack is expected; the same "
            "`pack` goes on where it stopped. Received: no such file"
        )
    document = read_json(path)
    try:
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        for number, shard in enumerate(document["shards"]):
            records = Shard(folder / SHARDS, number).records
            held = records.stat().st_size
            if held != shard["bytes"]:
                raise ValueError(
                    f"{records} of {held} bytes instead of {shard['bytes']}"
                )
        _check_keys(document)
        index = np.load(folder / INDEX_FILE, mmap_mode="r", allow_pickle=False)
        _check_index(document, index)
        clips = range(len(document["clips"]["name"]))
        packed = PackedClips(folder, document, np.asarray(index), clips)
    except (
        *(AttributeError, EOFError, IndexError, KeyError, OSError),
        *(OverflowError, TypeError, ValueError),
    ) as error:
        raise DataError(
            f"{path}: the manifest of a pack, version {VERSION}, its index and "
            f"all its shards are expected. Received: {type(error).__name__}: "
            f"{error}"
        ) from None
    if channels == packed.channels:
        return packed
    return PackedClips(folder, document, np.asarray(index), clips, channels)


def _check_keys(document: Mapping[str, Any]) -> None:
    """Sees to it that nothing is missing that is looked up later."""
    for names, part in (
        (("classes", "channels", "index_sha256", "skipped"), document),
        (("shard", "height", "width"), document["clips"]),
        *((("sha256",), shard) for shard in document["shards"]),
    ):
        missing = set(names) - part.keys()
        if missing:
            raise ValueError(f"nothing of {sorted(missing)}")


def _check_index(document: Mapping[str, Any], index: np.ndarray) -> None:
    """Sees to it that all frames lie in their shards."""
    table = document["clips"]
    counts = np.array(table["frames"], np.int64)
    if len({len(values) for values in table.values()}) != 1:
        raise ValueError("columns of several lengths")
    if index.dtype != INDEX or index.shape != (counts.sum(),):
        raise ValueError(
            f"an index of {index.dtype}, {index.shape}, for {counts.sum()} "
            "frames"
        )
    held = np.array([s["bytes"] for s in document["shards"]], np.uint64)
    ends = index["offset"] + index["bytes"]
    if (
        counts.min() < 1
        # The sum of large numbers starts again from zero.
        or (ends < index["offset"]).any()
        or (ends > np.repeat(held[table["shard"]], counts)).any()
    ):
        raise ValueError("frames that lie outside their shard")
