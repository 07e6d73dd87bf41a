"""Run folders: what a command leaves behind, whole or not at all."""

import contextlib
import csv
import importlib
import io
import json
import os
import platform
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_cakes import __version__
from keras_cakes._errors import RunError
from keras_cakes.files import atomic
from keras_cakes.files import is_temporary
from keras_cakes.files import locked

# What a folder holds before the first step has left anything.
_OWN_FILES = ("settings.json", "versions.json", ".lock")


def write_atomic(path: Path, writer: Callable[[Path], None]) -> None:
    """Lets `writer` fill a file beside `path` and puts it there when done.

    A reader finds the old file, or the new one, never a part of it.

    Args:
        path: The file to write; its folder is made.
        writer: Called with a path of the same ending.

    Raises:
        RunError: If the file cannot be written, for example because the
            disk is full. Nothing is left of the attempt.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            writer(temporary)
    except OSError as error:
        raise RunError(
            f"{path}: could not be written. Expected: a writable disk with "
            f"room. Received: {error} ({_free(path)} free)"
        ) from error


def _free(path: Path) -> str:
    for folder in path.parents:
        if folder.is_dir():
            return f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB"
    return "unknown space"


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    write_atomic(path, lambda p: _fill(p, text))


def _fill(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


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


class RunFolder:
    """The folder of one run, tied to the settings it was started with.

    A step of the run is done when its last file exists; since files appear
    whole, a run that was killed or ran out of disk goes on where it stopped.
    `settings.json` holds the settings, `versions.json` the versions of what
    the run was started with.

    Args:
        path: The folder; it is made when missing.
        settings: The settings of the run as plain JSON values.
        free: Names of settings that no result depends on; they may differ
            from one start to the next.

    Raises:
        RunError: If the folder holds something else, or results of other
            settings.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        settings: dict[str, Any],
        free: Sequence[str] = (),
    ):
        self.path = Path(path)
        file = self.path / "settings.json"
        settings = json.loads(json.dumps(settings))
        found = _contents(self.path)
        known = None
        if file.is_file():
            known = _read_settings(file)
            # Nothing depends on settings under which nothing was made.
            if set(found) - set(_OWN_FILES):
                _compare(file, known, settings, free)
        elif set(found) - set(_OWN_FILES):
            raise RunError(
                f"{self.path}: an empty folder or that of a run is expected. "
                f"Received: a folder with {found[:5]}"
            )
        if known != settings:
            write_json(file, settings)
        versions = self.path / "versions.json"
        if not versions.is_file():
            write_json(versions, _versions())

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second process out; a killed one leaves no lock behind.

        Raises:
            RunError: If another process works in the folder.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.path / ".lock"))
            except BlockingIOError:
                raise RunError(
                    f"{self.path}: one process at a time is expected. "
                    "Received: another one works in this folder"
                ) from None
            # What a killed process was writing; nobody else is here.
            for path in self.path.rglob(".*"):
                if is_temporary(path.name):
                    path.unlink(missing_ok=True)
            yield


def _contents(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    names = (path.name for path in folder.iterdir())
    return sorted(n for n in names if not is_temporary(n))


def _versions() -> dict[str, str]:
    return {
        "keras_cakes": __version__,
        **{
            name: importlib.import_module(name).__version__
            for name in ("keras", "tensorflow", "numpy")
        },
        "python": platform.python_version(),
    }


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(known, dict):
            raise ValueError(f"JSON of type {type(known).__name__}")
    except ValueError as error:
        raise RunError(
            f"{file}: the settings of a run are expected. Received: {error}"
        ) from None
    return known


def _compare(
    file: Path,
    known: dict[str, Any],
    settings: dict[str, Any],
    free: Sequence[str],
) -> None:
    changed = [
        f"{key}: {known.get(key)!r} in the run, {settings.get(key)!r} now"
        for key in sorted({*known, *settings} - {*free})
        if known.get(key) != settings.get(key)
    ]
    if changed:
        raise RunError(
            f"{file}: the settings that the run was started with are "
            "expected; use another folder for others. Received: "
            + "; ".join(changed)
        )
