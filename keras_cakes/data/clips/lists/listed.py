"""Clips that are to be looked at before they belong to a data set."""

import concurrent.futures
import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
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
class Candidate:
    """What is said of a clip.

    Args:
        name: Its name.
        where: Where that is said, such as a list and a line; may be empty.
        source: A video file, or a folder of frames.
        frames: Number of frames; `None` if they are to be counted.
        label: Index of its class, or `None`.
        problem: What is known to be wrong with it, or `None`.
    """

    name: str
    where: str
    source: Path
    frames: int | None
    label: int | None
    problem: str | None = None


def collect(
    dataset: ClipDataset,
    candidates: Sequence[Candidate],
    min_frames: int,
    on_error: str,
    where: str,
) -> ClipDataset:
    """Looks at clips, some at a time.

    Args:
        dataset: A data set without clips.
        candidates: The clips.
        min_frames: Clips of fewer frames are left out.
        on_error: `"raise"` or `"skip"`.
        where: Where the candidates come from, for messages.

    Returns:
        The data set with its clips, and in `skipped` the others.

    Raises:
        DataError: If something is wrong with a clip, and errors are raised;
            if no clip is left.
    """
    clips = []
    skipped = {}
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        running = [pool.submit(_clip, one, dataset) for one in candidates]
        for candidate, future in zip(candidates, running, strict=True):
            try:
                clip = future.result()
            except BaseException as error:
                if isinstance(error, DataError) and on_error == "skip":
                    skipped[candidate.name] = str(error)
                    continue
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            if clip.frames >= min_frames:
                clips.append(clip)
            else:
                skipped[clip.name] = (
                    f"{clip.source}: {min_frames} frames or more are "
                    f"expected. Received: {clip.frames}"
                )
    for name, problem in skipped.items():
        logger.warning("Clip %s is left out: %s", name, problem)
    if not clips:
        raise DataError(
            f"{where}: at least one clip is expected. Received: none, and "
            f"{len(skipped)} that were left out"
        )
    return dataclasses.replace(dataset, clips=tuple(clips), skipped=skipped)


def inside(root: Path, path: str) -> Path:
    """A path below a folder.

    Raises:
        ValueError: If it leads out of the folder.
    """
    folder = os.path.abspath(root)
    full = os.path.normpath(os.path.join(folder, path))
    if "\0" in path or not Path(full).is_relative_to(folder):
        raise ValueError(
            f"a path below {root} is expected. Received: {path[:80]!r}"
        )
    return root / os.path.relpath(full, folder)


def check_options(on_error: str, min_frames: int) -> None:
    """Checks what lists and folders alike are read with.

    Raises:
        ValueError: If an argument is not as stated.
    """
    choose("on_error", on_error, ON_ERROR)
    whole("min_frames", min_frames, least=1)


def checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of classes, each its own.

    Raises:
        ValueError: If they are not.
    """
    names = (classes,) if isinstance(classes, str) else tuple(classes)
    if (
        not names
        or len(set(names)) < len(names)
        or not all(isinstance(name, str) and name for name in names)
    ):
        raise ValueError(
            "`classes` is expected to be names, each its own. "
            f"Received: classes={classes!r}"
        )
    return names


def _clip(candidate: Candidate, dataset: ClipDataset) -> Clip:
    source, frames = candidate.source, candidate.frames
    template, first = dataset.template, dataset.first_frame
    try:
        if candidate.problem is not None:
            raise ValueError(candidate.problem)
        if source.is_dir():
            if frames is None:
                frames = count_frames(source, template, first)
            else:
                check_frames(source, frames, template, first)
        elif not source.is_file():
            raise ValueError(
                f"{source}: a video file or a folder of frames is expected. "
                "Received: no such file or folder"
            )
        elif frames is None:
            frames = probe_video(source).frames
    except (OSError, ValueError) as error:
        where = f"{candidate.where}: " if candidate.where else ""
        raise DataError(f"{where}{error}") from None
    return Clip(candidate.name, source, frames, candidate.label)
