"""Opens packs and reads their frames at any place of a shard."""

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
from keras_cakes.data.clips.sources import FrameSource
from keras_cakes.data.host_calls import host_call
from keras_cakes.data.volumes.preparing.prepared import read_json

VERSION = 1
MANIFEST = "manifest.json"
INDEX_FILE = "index.npy"
SHARDS = "shards"


class PackedClips(FrameSource):
    """Reads clips that `pack` has stored; decodes only frames that are read.

    Args:
        folder: The folder of the pack.
        document: The content of its manifest.
        index: An array of `INDEX` with the places of all frames.
        clips: Numbers of the clips of this source, in this order.
        channels: 3 for red, green and blue, 1 for grey.

    Raises:
        ValueError: If there is no clip, or `channels` is neither 1 nor 3.
    """

    def __init__(
        self,
        folder: Path,
        document: Mapping[str, Any],
        *,
        index: np.ndarray,
        clips: Sequence[int],
        channels: int = 3,
    ):
        table = document["clips"]
        super().__init__(
            [table["name"][clip] for clip in clips],
            [table["label"][clip] for clip in clips],
            frame_counts=[table["frames"][clip] for clip in clips],
            classes=document["classes"],
            channels=channels,
        )
        self.folder = folder
        self.skipped = document["skipped"]
        self._document, self._index, self._clips = document, index, clips
        self._starts = np.cumsum([0, *table["frames"]])
        sizes = {(table["height"][c], table["width"][c]) for c in clips}
        self._size = sizes.pop() if len(sizes) == 1 else (None, None)

    def read(self, clip: Any, frames: Any) -> Any:
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
        for number in range(self.frame_counts[clip]):
            [content] = self._encoded(clip, np.array([number]))
            yield decode_image(content, self.channels)

    def fingerprint(self, clip: int) -> str:
        start = self._starts[self._clips[clip]]
        count = self.frame_counts[clip]
        part = self._index[start : start + count]
        return hashlib.sha256(part.tobytes()).hexdigest()

    def subset(self, names: Sequence[str]) -> "PackedClips":
        names = [name for name in names if name not in self.skipped]
        clips = [self._clips[number] for number in self.numbers(names)]
        return PackedClips(
            self.folder,
            self._document,
            index=self._index,
            clips=clips,
            channels=self.channels,
        )

    def verify(self) -> None:
        """Compares all shards, also of a subset, with their checksums.

        Damaged files may be deleted; `pack` then makes them anew.

        Raises:
            DataError: If a file differs from the one that was written.
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
        """Reads the bytes of frames as they were packed."""
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
    folder: str | os.PathLike[str], channels: int = 3
) -> PackedClips:
    """Opens a folder that `pack` has finished.

    Args:
        folder: The folder.
        channels: 3 for red, green and blue, 1 for grey, whatever was packed.

    Raises:
        DataError: If the folder is no such folder, or a file in it is missing
            or damaged. Frames are checked when they are read.
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
        return PackedClips(
            folder,
            document,
            index=np.asarray(index),
            clips=clips,
            channels=channels,
        )
    except (
        *(AttributeError, EOFError, IndexError, KeyError, OSError),
        *(OverflowError, TypeError, ValueError),
    ) as error:
        raise DataError(
            f"{path}: the manifest of a pack, version {VERSION}, its index and "
            f"all its shards are expected. Received: {type(error).__name__}: "
            f"{error}"
        ) from None


def _check_keys(document: Mapping[str, Any]) -> None:
    """Refuses a manifest without the keys that are looked up later."""
    for names, part in (
        (("classes", "channels", "index_sha256", "skipped"), document),
        (("shard", "height", "width"), document["clips"]),
        *((("sha256",), shard) for shard in document["shards"]),
    ):
        missing = set(names) - part.keys()
        if missing:
            raise ValueError(f"nothing of {sorted(missing)}")


def _check_index(document: Mapping[str, Any], index: np.ndarray) -> None:
    """Refuses an index with frames outside their shards."""
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
        # The sum of unsigned numbers may overflow.
        or (ends < index["offset"]).any()
        or (ends > np.repeat(held[table["shard"]], counts)).any()
    ):
        raise ValueError("frames that lie outside their shard")
