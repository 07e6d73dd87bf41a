"""Reads and writes the files of a run."""

import csv
import io
import json
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_cakes._errors import RunError
from keras_cakes._files import atomic
from keras_cakes._files import explained


def write_atomic(path: Path, writer: Callable[[Path], Any]) -> None:
    """Lets `writer` fill a file beside `path` and puts it there when done.

    A reader finds the old file, or the new one, never a part of it.

    Args:
        path: The file to write; its folder is made.
        writer: Called with a path of the same ending.

    Raises:
        RunError: If the file cannot be written, for example because the
            disk is full. Nothing is left of the attempt.
    """
    with explained(path, RunError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            writer(temporary)


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    write_atomic(path, lambda file: file.write_text(text, encoding="utf-8"))


def write_json(path: Path, document: Any) -> None:
    """Writes a JSON file, whole or not at all."""
    write_text(path, json.dumps(document, indent=1) + "\n")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows of equal columns as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_table(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Reads the rows of a CSV file.

    Args:
        path: The file.
        columns: Names of columns that it is expected to have.

    Raises:
        RunError: If the file is no CSV, or lacks a column or a value.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
        missing = sorted(set(columns) - set(reader.fieldnames or ()))
        if missing:
            raise ValueError(f"a table without the columns {missing}")
        if any(None in row.values() for row in rows):
            raise ValueError("a line with too few values")
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(
            f"{path}: a table of a run is expected. Received: {error}"
        ) from None
    return rows


def read_json(path: Path, keys: Sequence[str] = ()) -> Any:
    """Reads a JSON file of a run.

    Args:
        path: The file.
        keys: Names that it is expected to map.

    Raises:
        RunError: If the file is no JSON, or lacks a key.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in keys if key not in document]
        if missing:
            raise ValueError(f"JSON without {missing}")
    except (OSError, RecursionError, TypeError, ValueError) as error:
        raise RunError(
            f"{path}: a JSON file of a run is expected. Received: {error}"
        ) from None
    return document
