"""Reads lists of clips, as text or CSV."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.decoding.frame_folders import check_template
from keras_cakes.data.clips.lists.list_files import Entry
from keras_cakes.data.clips.lists.list_files import read_csv_list
from keras_cakes.data.clips.lists.list_files import read_text_list
from keras_cakes.data.clips.lists.listed import ListedClip
from keras_cakes.data.clips.lists.listed import check_options
from keras_cakes.data.clips.lists.listed import checked_classes
from keras_cakes.data.clips.lists.listed import collect
from keras_cakes.data.clips.lists.listed import inside

# Limits classes that are made up from numbers: no published data set has
# nearly as many, and one damaged number would make millions.
_MOST_CLASSES = 10_000


def read_clip_list(
    path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    split: str | None = None,
    template: str = "{:05d}.jpg",
    first_frame: int = 1,
    min_frames: int = 1,
    name: str | None = None,
    on_error: str = "raise",
) -> ClipDataset:
    """Reads a list of clips: video files or folders of frames.

    A `.csv` file has names of columns in its first line: `path`, `label`,
    and perhaps `num_frames` and `split`; others are ignored. Any other file
    is text, a line `folder frames label` for each clip, as in the lists of
    Something-Something; names of folders may hold blanks. A label is the
    name of a class, or a number from 0.

    Args:
        path: The list, UTF-8.
        root: Folder that paths are relative to; by default the list's.
        classes: Names of the classes. By default all names in the list,
            sorted; if all labels are numbers, the numbers up to the largest,
            which may be 9999.
        split: Reads only rows with this value in the column `split`.
        template: Names of frame files in a folder, as a format of their
            number.
        first_frame: Number of the first frame file, 0 or 1.
        min_frames: Clips of fewer frames are left out and listed in
            `skipped`; the published reader wants 3.
        name: Name of the data set; by default the list's, without ending.
        on_error: `"raise"` stops at the first damaged line; `"skip"` goes on
            without it, logs it and lists it in `skipped`.

    Returns:
        The clips in the order of the list, named after their paths. Each
        file exists, in a folder the first and the last frame. Frames are
        counted if the list does not state their number.

    Raises:
        DataError: If the list or a file is missing or damaged, a path leads
            out of `root`, a label is none of the classes, a number of frames
            is below 1 or too large, a clip is listed twice, or none is left.
            The message names the list and the line.
        ImportError: If frames of a video file must be counted, and PyAV is
            not installed.
        ValueError: If an argument is not as stated.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "clip 1").mkdir()
        >>> for number in (1, 2, 3):
        ...     _ = (folder / "clip 1" / f"{number:05}.jpg").write_bytes(b"")
        >>> _ = (folder / "train.txt").write_text("clip 1 3 1\\n")
        >>> dataset = read_clip_list(
        ...     folder / "train.txt", classes=("left", "right")
        ... )
        >>> [(clip.name, clip.frames, clip.label) for clip in dataset.clips]
        [('clip 1', 3, 1)]
    """
    path = Path(path)
    check_template(template, first_frame)
    check_options(on_error, min_frames)
    is_table = path.suffix.lower() == ".csv"
    if split is not None and not is_table:
        raise ValueError(
            "`split` is expected for a .csv list, which may have such a "
            f"column. Received: split={split!r} for {path}"
        )
    folder = path.parent if root is None else Path(root)
    entries = read_csv_list(path) if is_table else read_text_list(path)
    labels = [entry.label for entry in entries if not entry.problem]
    if split is not None:
        entries = _chosen(path, entries, split)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: the folder of the clips is expected. Received: no "
            "such folder"
        )
    if classes is None:
        names = _names(labels)
        entries = [_without_high_number(entry, names) for entry in entries]
    else:
        names = checked_classes(classes)
    return collect(
        ClipDataset(name or path.stem, (), names, template, first_frame),
        _listed_clips(path, folder, entries, names),
        min_frames=min_frames,
        on_error=on_error,
        where=str(path),
    )


def _chosen(path: Path, rows: Sequence[Entry], split: str) -> list[Entry]:
    """Returns the rows of a split."""
    chosen = [row for row in rows if row.split == split]
    if rows and not chosen:
        parts = sorted({row.split for row in rows})
        raise DataError(
            f"{path}: rows of the split {split!r} are expected. "
            f"Received: rows of {parts[:9]}"
        )
    return chosen


def _listed_clips(
    path: Path,
    folder: Path,
    entries: Sequence[Entry],
    classes: tuple[str, ...],
) -> list[ListedClip]:
    indices = {name: number for number, name in enumerate(classes)}
    lines: dict[str, int] = {}
    listed = []
    for entry in entries:
        name = os.path.normpath(entry.path) if entry.path else ""
        problem, source, label = entry.problem, folder, None
        if problem is None:
            try:
                label = _label(entry.label, indices)
                source = inside(folder, entry.path)
            except ValueError as error:
                problem = str(error)
        if problem is None and name in lines:
            problem = (
                "a clip that is listed once is expected. Received: "
                f"{name!r}, as in line {lines[name]}"
            )
        if problem is None:
            lines[name] = entry.line
        else:
            # A clip without a problem may have the same name.
            name = f"{name} (line {entry.line})"
        listed.append(
            ListedClip(
                name,
                f"{path}, line {entry.line}",
                source,
                entry.frames,
                label,
                problem,
            )
        )
    return listed


def _names(labels: Sequence[str]) -> tuple[str, ...]:
    """Returns the classes that the labels of a list name."""
    known = set(labels) - {""}
    if known and all(label.isdecimal() for label in known):
        numbers = [int(label) for label in known if not _is_high(label)]
        return tuple(map(str, range(max(numbers, default=-1) + 1)))
    return tuple(sorted(known))


def _is_high(label: str) -> bool:
    """Tells a number that is too large for a list without class names."""
    # Python refuses to convert numbers of thousands of digits.
    return len(label.lstrip("0")) > 9 or int(label) >= _MOST_CLASSES


def _without_high_number(entry: Entry, names: tuple[str, ...]) -> Entry:
    """Adds a problem to an entry whose number asks for too many classes."""
    label = entry.label
    is_number = label.isdecimal() and label not in names
    if entry.problem or not is_number or not _is_high(label):
        return entry
    problem = (
        f"a number of a class below {_MOST_CLASSES} is expected where "
        f"`classes` does not name them. Received: label={label[:80]!r}"
    )
    return dataclasses.replace(entry, problem=problem)


def _label(label: str, indices: dict[str, int]) -> int:
    if label in indices:
        return indices[label]
    if not label:
        raise ValueError(
            "a label, the number or the name of a class, is expected. "
            "Received: nothing"
        )
    try:
        number = int(label)
    except ValueError:
        number = -1
    if not 0 <= number < len(indices):
        raise ValueError(
            f"a label from 0 to {len(indices) - 1}, or the name of a class, "
            f"is expected. Received: {label[:80]!r}"
        )
    return number
