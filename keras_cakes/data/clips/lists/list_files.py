"""Reads the lines of list files, as text and as CSV."""

import csv
import dataclasses
import io
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes._files import read_text

_MOST_BYTES = 256 << 20
# Four days at 30 frames a second; larger numbers are damage.
_MOST_FRAMES = 10_000_000
_COLUMNS = ("path", "label", "num_frames", "split")


@dataclasses.dataclass(frozen=True)
class Entry:
    """Holds one line of a list.

    Args:
        line: Number of the line, from 1.
        path: Path of the clip.
        label: Number or name of its class; empty if unknown.
        frames: Number of frames, or `None`.
        problem: An error in the line, or `None`.
        split: Name of its split; empty if unknown.
    """

    line: int
    path: str
    label: str
    frames: int | None
    problem: str | None = None
    split: str = ""


def read_text_list(path: Path) -> list[Entry]:
    """Reads lines `folder frames label`."""
    entries = []
    lines = list_text(path, "a list in UTF-8 is").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        # Blanks may be part of the name; the two numbers have none.
        fields = line.strip().rsplit(maxsplit=2)
        if len(fields) < 3:
            problem = (
                "`folder frames label` is expected. "
                f"Received: {line.strip()[:80]!r}"
            )
            entries.append(Entry(number, line.strip()[:80], "", None, problem))
        else:
            entries.append(_entry(number, fields[0], fields[2], fields[1]))
    return entries


def read_csv_list(path: Path) -> list[Entry]:
    """Reads CSV with names of columns in the first line.

    Raises:
        DataError: If the file is no CSV in UTF-8, or a column is missing or
            there twice.
    """
    text = list_text(path, "a list in UTF-8 is")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    entries = []
    try:
        columns = [column.strip() for column in next(reader, [])]
        twice = [name for name in _COLUMNS if columns.count(name) > 1]
        if twice or not {"path", "label"} <= set(columns):
            raise DataError(
                f"{path}, line 1: the columns `path` and `label`, and perhaps "
                "`num_frames` and `split`, are expected. "
                f"Received: {columns[:9]}"
            )
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            row = dict(zip(columns, map(str.strip, values), strict=False))
            entry = _entry(
                reader.line_num,
                row.get("path", ""),
                row.get("label", ""),
                row.get("num_frames", ""),
            )
            if len(values) != len(columns):
                problem = (
                    f"{len(columns)} values are expected. "
                    f"Received: {len(values)}"
                )
                entry = dataclasses.replace(entry, problem=problem)
            entries.append(
                dataclasses.replace(entry, split=row.get("split", ""))
            )
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: CSV is expected. "
            f"Received: {error}"
        ) from None
    return entries


def list_text(path: Path, expected: str) -> str:
    """Reads a file of at most 256 MiB, without a byte-order mark.

    Raises:
        DataError: If it cannot be read; `expected` begins the sentence.
    """
    if not path.is_file():
        raise DataError(f"{path}: a list is expected. Received: no file")
    try:
        return read_text(path, _MOST_BYTES).removeprefix("\ufeff")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: {expected} expected. Received: {error}"
        ) from None


def _entry(line: int, path: str, label: str, frames: str) -> Entry:
    problem = count = None
    try:
        count = int(frames) if frames else None
    except ValueError:
        problem = f"a number of frames is expected. Received: {frames[:80]!r}"
    if count is not None and count < 1:
        problem = f"1 frame or more is expected. Received: {count}"
    elif count is not None and count > _MOST_FRAMES:
        problem = (
            f"at most {_MOST_FRAMES} frames are expected. "
            f"Received: {frames[:80]}"
        )
    if not path:
        problem = "the path of a clip is expected. Received: nothing"
    return Entry(line, path, label, count, problem)
