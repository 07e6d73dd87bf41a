"""Checks listed clips and makes a data set of them."""

import concurrent.futures
import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes._errors import whole
from keras_cakes.data.arguments import ON_ERROR
from keras_cakes.data.clips.clip import Clip
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.decoding.decoding import probe_video
from keras_cakes.data.clips.decoding.frame_folders import check_frames
from keras_cakes.data.clips.decoding.frame_folders import count_frames

_WORKERS = 4

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ListedClip:
    """Describes a clip as a list does, before its file is opened.

    Args:
        name: Name of the clip.
        where: The list and the line, for messages; may be empty.
        source: A video file, or a folder of frames.
        frames: Number of frames; `None` if they must be counted.
        label: Index of its class, or `None`.
        problem: An error in the list, or `None`.
    """

    name: str
    where: str
    source: Path
    frames: int | None
    label: int | None
    problem: str | None = None


def collect(
    dataset: ClipDataset,
    listed: Sequence[ListedClip],
    *,
    min_frames: int,
    on_error: str,
    where: str,
) -> ClipDataset:
    """Checks listed clips, four at a time, and adds them to a data set.

    Args:
        dataset: A data set without clips.
        listed: The clips.
        min_frames: Clips of fewer frames are left out.
        on_error: `"raise"` or `"skip"`.
        where: The list or folder, for messages.

    Returns:
        The data set with its clips, and with the others in `skipped`.

    Raises:
        DataError: If a clip is damaged, and errors are raised; if no clip is
            left.
    """
    clips = []
    skipped = {}
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        running = [pool.submit(_clip, one, dataset) for one in listed]
        for one, future in zip(listed, running, strict=True):
            try:
                clip = future.result()
            except BaseException as error:
                if isinstance(error, DataError) and on_error == "skip":
                    skipped[one.name] = str(error)
                    continue
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            if clip.frames >= min_frames:
                clips.append(clip)
            else:
                skipped[clip.name] = too_short(clip, min_frames)
    for name, problem in skipped.items():
        logger.warning("Clip %s is left out: %s", name, problem)
    if not clips:
        raise DataError(
            f"{where}: at least one clip is expected. Received: none, and "
            f"{len(skipped)} that were left out"
        )
    return dataclasses.replace(dataset, clips=tuple(clips), skipped=skipped)


def too_short(clip: Clip, min_frames: int) -> str:
    """Says that a clip has too few frames."""
    return (
        f"{clip.source}: {min_frames} frames or more are expected. "
        f"Received: {clip.frames}"
    )


def inside(root: Path, path: str) -> Path:
    """Joins a folder and a path; refuses one that leads out of the folder."""
    folder = os.path.abspath(root)
    full = os.path.normpath(os.path.join(folder, path))
    if "\0" in path or not Path(full).is_relative_to(folder):
        raise ValueError(
            f"a path below {root} is expected. Received: {path[:80]!r}"
        )
    return root / os.path.relpath(full, folder)


def check_options(on_error: str, min_frames: int) -> None:
    """Refuses wrong options, which lists and folders share."""
    choose("on_error", on_error, ON_ERROR)
    whole("min_frames", min_frames, least=1)


def checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Returns names of classes; refuses empty names and repeated ones."""
    names = (classes,) if isinstance(classes, str) else tuple(classes)
    fits = (
        names
        and len(set(names)) == len(names)
        and all(isinstance(name, str) and name for name in names)
    )
    expect("classes", classes, fits, "to be names, each its own")
    return names


def _clip(listed: ListedClip, dataset: ClipDataset) -> Clip:
    source, frames = listed.source, listed.frames
    template, first = dataset.template, dataset.first_frame
    try:
        if listed.problem is not None:
            raise ValueError(listed.problem)
        if source.is_dir():
            if frames is None:
                frames = count_frames(source, template, first_frame=first)
            else:
                check_frames(
                    source, frames, template=template, first_frame=first
                )
        elif not source.is_file():
            raise ValueError(
                f"{source}: a video file or a folder of frames is expected. "
                "Received: no such file or folder"
            )
        elif frames is None:
            frames = probe_video(source).frames
    except (OSError, ValueError) as error:
        where = f"{listed.where}: " if listed.where else ""
        raise DataError(f"{where}{error}") from None
    return Clip(listed.name, source, frames, listed.label)
