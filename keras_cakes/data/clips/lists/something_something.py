"""Reads Something-Something, versions 1 and 2, as published."""

import json
import os
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.lists.list_files import list_text
from keras_cakes.data.clips.lists.listed import ListedClip
from keras_cakes.data.clips.lists.listed import check_options
from keras_cakes.data.clips.lists.listed import collect

# Clips with a label in each split, and classes, as published.
SOMETHING_SOMETHING_SIZES = {
    1: {"train": 86_017, "validation": 11_522},
    2: {"train": 168_913, "validation": 24_777},
}
SOMETHING_SOMETHING_CLASSES = 174


def read_something_something(
    folder: str | os.PathLike[str],
    version: int,
    *,
    split: str,
    min_frames: int = 1,
    partial: bool = False,
    on_error: str = "raise",
) -> ClipDataset:
    """Reads a split of Something-Something and counts the frames of clips.

    Version 1 is folders `20bn-something-something-v1/<number>` of frames
    `00001.jpg`, ... and CSV files `something-something-v1-train.csv`, ...
    Version 2 is files `20bn-something-something-v2/<number>.webm` and JSON
    files, called `something-something-v2-train.json` or `train.json`, ...
    These annotations may lie in `folder` or in a folder below it.

    Classes are sorted by name. Version 2 numbers its labels in this order, so
    do the lists of other programs for both versions, and so does
    `SOMETHING_SOMETHING_PAIRS`. The label file of version 1 has another order.

    Args:
        folder: Folder of the data set.
        version: 1 or 2.
        split: `"train"` or `"validation"`; the test split has no labels.
        min_frames: Clips of fewer frames are left out, and are in `skipped`.
        partial: Accepts other numbers of clips and classes than published.
        on_error: `"raise"` stops at the first missing or damaged clip;
            `"skip"` goes on without it, logs it and lists it in `skipped`.

    Returns:
        The clips, in the order of the annotations, named after their paths.

    Raises:
        DataError: If annotations are missing, damaged or not as many as
            published, a clip is missing or damaged, or none is left.
        ImportError: If there are video files, and PyAV is not installed.
        ValueError: If an argument is not as stated.

    Reference:

    - [Goyal et al., 2017](https://arxiv.org/abs/1706.04261)
    """
    folder = Path(folder)
    check_options(on_error, min_frames)
    choose("version", version, tuple(SOMETHING_SOMETHING_SIZES))
    sizes: Mapping[str, int] = SOMETHING_SOMETHING_SIZES[version]
    choose("split", split, tuple(sizes))
    source, read, ending = _LAYOUTS[version]
    labels = _annotation(folder, version, "labels")
    classes = read_labels(labels)
    path = _annotation(folder, version, split)
    clips = read(path)
    if not partial:
        _check_number(labels, "classes", SOMETHING_SOMETHING_CLASSES, classes)
        _check_number(path, "clips", sizes[split], clips)
    numbers = {name: number for number, name in enumerate(classes)}
    listed = []
    for clip, label in clips.items():
        if label not in numbers:
            raise DataError(
                f"{path}: a label of {labels.name} is expected for clip "
                f"{clip}. Received: {label[:80]!r}"
            )
        name = f"{source}/{clip}{ending}"
        listed.append(
            ListedClip(name, str(path), folder / name, None, numbers[label])
        )
    return collect(
        ClipDataset(f"something_something_v{version}", (), classes),
        listed,
        min_frames=min_frames,
        on_error=on_error,
        where=str(path),
    )


def read_labels(path: Path) -> tuple[str, ...]:
    """Reads the names of the classes and sorts them.

    Args:
        path: A file with a name in each line, or a JSON object whose keys
            are the names.

    Raises:
        DataError: If the file is something else, or an index of version 2
            is not the place of its name.
    """
    if path.suffix == ".json":
        known = _json(path, dict)
        names = list(known)
    else:
        names = [line.strip() for line in _text(path).splitlines()]
        names = [name for name in names if name]
        known = None
    classes = tuple(sorted(names))
    if len(set(classes)) < len(classes) or not classes:
        raise DataError(
            f"{path}: names of classes, each once, are expected. "
            f"Received: {len(classes)}, {len(set(classes))} of them different"
        )
    if known is not None and [str(known[name]) for name in classes] != [
        str(number) for number in range(len(classes))
    ]:
        raise DataError(
            f"{path}: numbers of the classes sorted by name are expected, "
            f"from 0 to {len(classes) - 1}. "
            f"Received: {str([known[name] for name in classes])[:80]}"
        )
    return classes


def _read_csv(path: Path) -> dict[str, str]:
    """Reads lines `number;label` of version 1."""
    clips: dict[str, str] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip():
            clip, _, label = line.strip().partition(";")
            _add(clips, f"{path}, line {number}", clip, label)
    return clips


def _read_json(path: Path) -> dict[str, str]:
    """Reads records of version 2; a template without brackets is the label."""
    clips: dict[str, str] = {}
    for number, record in enumerate(_json(path, list)):
        where = f"{path}, record {number}"
        if not isinstance(record, dict):
            raise DataError(
                f"{where}: an object with id and template is expected. "
                f"Received: {str(record)[:80]!r}"
            )
        template = str(record.get("template", ""))
        label = template.replace("[", "").replace("]", "")
        _add(clips, where, str(record.get("id", "")), label)
    return clips


def _add(clips: dict[str, str], where: str, clip: str, label: str) -> None:
    # The number becomes part of a path.
    if not clip.isdecimal() or not label or clip in clips:
        raise DataError(
            f"{where}: the number of a clip, each once, and its label are "
            f"expected. Received: {clip[:80]!r} and {label[:80]!r}"
        )
    clips[clip] = label


_LAYOUTS: dict[int, tuple[str, Callable[[Path], dict[str, str]], str]] = {
    1: ("20bn-something-something-v1", _read_csv, ""),
    2: ("20bn-something-something-v2", _read_json, ".webm"),
}


def _annotation(folder: Path, version: int, part: str) -> Path:
    """Finds a file of annotations in the folder, or in one below."""
    if not folder.is_dir():
        raise DataError(
            f"{folder}: the folder of the data set is expected. "
            "Received: no such folder"
        )
    names = {
        1: [f"something-something-v1-{part}.csv"],
        2: [f"something-something-v2-{part}.json", f"{part}.json"],
    }[version]
    for pattern in ("", "*/"):
        for name in names:
            # Asks each folder for this name only; large folders are not listed.
            for path in sorted(folder.glob(f"{pattern}{name}")):
                return path
    raise DataError(
        f"{folder}: {' or '.join(names)}, there or in a folder below, is "
        "expected. Received: no such file"
    )


def _check_number(path: Path, what: str, number: int, found: Any) -> None:
    if len(found) != number:
        raise DataError(
            f"{path}: {number} {what} are expected, as published. "
            f"Received: {len(found)}"
        )


def _json(path: Path, kind: type) -> Any:
    try:
        document = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: JSON is expected. Received: {str(error)[:200]}"
        ) from None
    if not isinstance(document, kind):
        raise DataError(
            f"{path}: JSON of a {kind.__name__} is expected. "
            f"Received: a {type(document).__name__}"
        )
    return document


def _text(path: Path) -> str:
    return list_text(path, "annotations in UTF-8 are")
