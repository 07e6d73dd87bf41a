"""Packs a data set of clips, several shards at a time."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes._files import WorkFolder
from keras_cakes._files import atomic
from keras_cakes._files import checksum
from keras_cakes._files import write_text
from keras_cakes.data.arguments import ON_ERROR
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.packing.packed import INDEX_FILE
from keras_cakes.data.clips.packing.packed import MANIFEST
from keras_cakes.data.clips.packing.packed import SHARDS
from keras_cakes.data.clips.packing.packed import VERSION
from keras_cakes.data.clips.packing.packed import PackedClips
from keras_cakes.data.clips.packing.packed import open_packed
from keras_cakes.data.clips.packing.shards import INDEX
from keras_cakes.data.clips.packing.shards import Encoding
from keras_cakes.data.clips.packing.shards import Shard
from keras_cakes.data.clips.sources import FrameSource
from keras_cakes.data.clips.video_clips import VideoClips
from keras_cakes.data.volumes.preparing.prepared import read_json
from keras_cakes.data.workers import count_workers
from keras_cakes.data.workers import for_each


def pack(
    source: ClipDataset | FrameSource,
    folder: str | os.PathLike[str],
    *,
    short_side: int | None = None,
    encoding: str = "jpeg",
    quality: int = 95,
    clips_per_shard: int = 100,
    workers: int | None = None,
    on_error: str = "raise",
    verbose: bool = True,
) -> PackedClips:
    """Stores the frames of all clips as JPEG or PNG in TFRecord shards.

    A frame is then decoded by itself: reading a part of a clip is several
    times as fast as decoding a video. A shard is there whole or not at all. A
    packing that was killed goes on where it stopped and ends with the same
    bytes; a shard of clips whose files have changed since is made anew.

    Each record is a `tf.train.Example` with the features `frames` (a list of
    bytes), `label` (-1 where there is none), `name` and `size` (height and
    width of the frames).

    Args:
        source: The clips: a data set, or any source of this package.
        folder: Folder for the result; made where it is missing.
        short_side: Pixels of the shorter side of a frame; each stored pixel
            is the mean of those it covers. Smaller frames are not enlarged.
            By default, frames stay as they are.
        encoding: `"jpeg"`, or `"png"`, which keeps every value.
        quality: Of JPEG, 1 to 100.
        clips_per_shard: Clips in a file.
        workers: Shards at a time; by default one for each core, four at most.
        on_error: `"raise"` stops at the first damaged clip; `"skip"` goes on
            without it, logs it and lists it in `skipped`, with the clips that
            a list was read without.
        verbose: Whether to show the progress.

    Returns:
        The packed clips, as `open_packed` opens them later, of as many
        channels as the source has.

    Raises:
        DataError: If a clip is damaged or shorter than stated, none is left,
            `folder` holds something else or a pack of other clips or with
            other settings, or another process works there.
        ImportError: If there are video files, and PyAV is not installed.
        ValueError: If an argument is not as stated.

    Examples:
        >>> import tempfile
        >>> from keras_cakes.data import ArrayClips
        >>> arrays = [np.full((5, 8, 8, 3), 40 * n, "uint8") for n in (1, 2)]
        >>> source = ArrayClips(arrays, labels=[0, 1], classes=("a", "b"))
        >>> packed = pack(source, tempfile.mkdtemp(), verbose=False)
        >>> packed.read(1, [0, 4]).shape
        TensorShape([2, 8, 8, 3])
    """
    how = Encoding(short_side, encoding, quality)
    workers = count_workers(workers)
    whole("clips_per_shard", clips_per_shard, least=1)
    choose("on_error", on_error, ON_ERROR)
    if isinstance(source, ClipDataset):
        source = VideoClips(source)
    folder = Path(folder)
    settings = {
        "version": VERSION,
        "classes": list(source.classes),
        "clips": _digest(source),
        "channels": source.channels,
        "clips_per_shard": clips_per_shard,
        **dataclasses.asdict(how),
    }
    work = WorkFolder(
        folder,
        "pack.json",
        error=DataError,
        work="packing",
        expected="a new folder, or that of an earlier packing,",
    )
    work.results()
    with work.lock():
        work.claim(
            json.dumps(settings, indent=1),
            "the clips and settings of this pack",
        )
        (folder / SHARDS).mkdir(exist_ok=True)
        shards = [
            Shard(folder / SHARDS, number)
            for number in range(-(-len(source) // clips_per_shard))
        ]
        numbers = [
            range(start, min(start + clips_per_shard, len(source)))
            for start in range(0, len(source), clips_per_shard)
        ]
        waiting = [
            (shard, clips)
            for shard, clips in zip(shards, numbers, strict=True)
            if not shard.is_done(source, clips, on_error)
        ]
        if waiting:
            (folder / MANIFEST).unlink(missing_ok=True)
        for_each(
            waiting,
            lambda job: job[0].write(source, job[1], how, on_error),
            workers=workers,
            verbose=verbose,
        )
        _finish(folder, shards, settings, source.skipped)
    return open_packed(folder, source.channels)


def _digest(source: FrameSource) -> str:
    """Hashes names, labels and frame counts of the clips."""
    clips = [
        list(source.names),
        source.labels.tolist(),
        source.frame_counts.tolist(),
    ]
    return hashlib.sha256(json.dumps(clips).encode()).hexdigest()


def _finish(
    folder: Path,
    shards: Sequence[Shard],
    settings: dict[str, Any],
    skipped: Mapping[str, str],
) -> None:
    """Writes index and manifest of a complete pack."""
    if all((folder / name).is_file() for name in (MANIFEST, INDEX_FILE)):
        return
    notes = [read_json(shard.note) for shard in shards]
    skipped = dict(skipped)
    for note in notes:
        skipped.update(note["skipped"])
    clips: dict[str, list[Any]] = {}
    for number, note in enumerate(notes):
        for key, values in note["clips"].items():
            clips.setdefault(key, []).extend(values)
        clips.setdefault("shard", []).extend(
            [number] * len(note["clips"]["name"])
        )
    if not clips["name"]:
        raise DataError(
            f"{folder}: at least one clip that can be packed is expected. "
            f"Received: {str(skipped)[:500]}"
        )
    index = np.concatenate(
        [np.empty(0, INDEX), *(np.load(shard.index) for shard in shards)]
    )
    with atomic(folder / INDEX_FILE) as temporary:
        np.save(temporary, index)
    document = {
        **settings,
        "shards": [
            {"bytes": note["bytes"], "sha256": note["sha256"]} for note in notes
        ],
        "index_sha256": checksum(folder / INDEX_FILE),
        "skipped": skipped,
        "clips": clips,
    }
    write_text(folder / MANIFEST, json.dumps(document))
