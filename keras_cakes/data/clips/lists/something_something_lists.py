"""Writes lists of clips, and the lists of Something-Something."""

import csv
import dataclasses
import io
import os
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes._errors import whole
from keras_cakes._files import write_text
from keras_cakes.data.clips.clip import Clip
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.lists.listed import too_short
from keras_cakes.data.clips.lists.something_something import (
    read_something_something,
)

_ENDINGS = {1: "txt", 2: "csv"}


def write_something_something_lists(
    folder: str | os.PathLike[str],
    version: int,
    *,
    min_frames: int = 3,
    partial: bool = False,
) -> dict[str, ClipDataset]:
    """Counts the frames of all labelled clips and writes their lists.

    `read_clip_list` reads the lists `train` and `validation`, `.txt` for
    version 1 and `.csv` for version 2. `classes.txt` has the name of a class
    in each line, `left_out.csv` the columns `split`, `clip` and `problem`.

    Args:
        folder: Folder of the data set; the lists are written there.
        version: 1 or 2.
        min_frames: Clips of fewer frames are left out, as the published
            reader does.
        partial: Accepts a part of the data set.

    Returns:
        For each split its clips; `skipped` has the clips left out.

    Raises:
        DataError: See `read_something_something`; and, unless `partial`, if
            a clip is missing or damaged. Lists of the other clips are still
            written, and need not be counted again.
        ImportError: If there are video files, and PyAV is not installed.
        ValueError: If `version` is neither 1 nor 2.
    """
    folder = Path(folder)
    whole("min_frames", min_frames, least=1)
    datasets = {}
    missing = []
    for split in ("train", "validation"):
        found = read_something_something(
            folder, version, split=split, partial=partial, on_error="skip"
        )
        missing += list(found.skipped)
        datasets[split] = _without_short(found, min_frames)
    problems = io.StringIO()
    table = csv.writer(problems, lineterminator="\n")
    table.writerow(("split", "clip", "problem"))
    for split, dataset in datasets.items():
        write_clip_list(dataset, folder / f"{split}.{_ENDINGS[version]}")
        for name, problem in dataset.skipped.items():
            table.writerow((split, name, problem))
    names = "".join(f"{name}\n" for name in datasets["train"].classes)
    write_text(folder / "classes.txt", names)
    write_text(folder / "left_out.csv", problems.getvalue())
    if missing and not partial:
        raise DataError(
            f"{folder}: all clips are expected; lists of the others are "
            "written, which a partial data set is content with. Received: "
            f"{len(missing)} missing or damaged, {missing[:3]} among them; "
            f"{folder / 'left_out.csv'} says what is wrong"
        )
    return datasets


def _without_short(dataset: ClipDataset, min_frames: int) -> ClipDataset:
    short = {
        clip.name: too_short(clip, min_frames)
        for clip in dataset.clips
        if clip.frames < min_frames
    }
    clips = tuple(clip for clip in dataset.clips if clip.name not in short)
    return dataclasses.replace(
        dataset, clips=clips, skipped={**dataset.skipped, **short}
    )


def write_clip_list(
    dataset: ClipDataset,
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
) -> None:
    """Writes a list that `read_clip_list` reads, whole or not at all.

    Args:
        dataset: Clips with labels.
        path: File to write. A `.csv` file has the columns `path`, `label`
            (the name of the class) and `num_frames`; any other file is text,
            a line `folder frames label` for each clip, with numbers of
            classes.
        root: Folder that paths are relative to; by default the list's.

    Raises:
        ValueError: If a clip has no label, does not lie below `root`, or has
            a line break in its path.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> clips = (Clip("a", folder / "clips" / "a", frames=12, label=1),)
        >>> write_clip_list(
        ...     ClipDataset("own", clips, ("left", "right")),
        ...     folder / "train.txt",
        ... )
        >>> (folder / "train.txt").read_text()
        'clips/a 12 1\\n'
    """
    path = Path(path)
    folder = path.parent if root is None else Path(root)
    rows = [
        (_below(clip, folder), clip.frames, _label(clip))
        for clip in dataset.clips
    ]
    if path.suffix.lower() != ".csv":
        lines = [f"{place} {frames} {label}\n" for place, frames, label in rows]
        write_text(path, "".join(lines))
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "label", "num_frames"))
    for place, frames, label in rows:
        writer.writerow((place, dataset.classes[label], frames))
    write_text(path, text.getvalue())


def _label(clip: Clip) -> int:
    if clip.label is None:
        raise ValueError(
            "`dataset` is expected to have labels. "
            f"Received: none for {clip.name!r}"
        )
    return clip.label


def _below(clip: Clip, folder: Path) -> str:
    source = Path(os.path.abspath(clip.source))
    above = Path(os.path.abspath(folder))
    if not source.is_relative_to(above) or len(str(source).splitlines()) > 1:
        raise ValueError(
            f"`dataset` is expected to have clips below {folder}, without "
            f"line breaks in their paths. Received: {str(clip.source)!r}"
        )
    return source.relative_to(above).as_posix()
