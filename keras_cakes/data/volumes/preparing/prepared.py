"""Reads prepared volumes: memory-mapped arrays with a manifest."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import naming
from keras_cakes._errors import require
from keras_cakes._files import checksum
from keras_cakes._files import read_text
from keras_cakes.data.volumes.cases import Volume
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.reading.geometry import Grid
from keras_cakes.data.volumes.reading.geometry import Placement

VERSION = 1
MANIFEST = "manifest.json"
CASE = "case.json"
CASES = "cases"
_MOST_BYTES = 1 << 26
# Reading a damaged manifest may raise these.
_DAMAGE = (AttributeError, KeyError, OSError, TypeError, ValueError)
# Keys of `case.json`, and of its entry for a case with a label.
_RECORD = (
    *("name", "shape", "original", "full", "grid"),
    *("mean", "deviation", "sources", "files"),
)
_FOREGROUND = ("listed", "voxels", "sum", "squares")


class PreparedCase:
    """Opens one prepared case, whose voxels stay on disk until they are read.

    Args:
        folder: Folder of the case.
        record: Content of `case.json`.
    """

    def __init__(self, folder: Path, record: Mapping[str, Any]):
        self.folder = folder
        self.record = record
        self.name = str(record["name"])

    @functools.cached_property
    def image(self) -> np.ndarray:
        """Maps raw intensities `(depth, height, width, channels)`."""
        return self._map("image.npy")

    @functools.cached_property
    def label(self) -> np.ndarray | None:
        """Maps classes `(depth, height, width)`, uint8, if there is a label."""
        if "label.npy" not in self.record["files"]:
            return None
        return self._map("label.npy")

    @functools.cached_property
    def foreground(self) -> np.ndarray:
        """Maps voxels `(number, 3)` of the classes, one class after another.

        These are all voxels, or an even sample of them; `foreground_counts`
        holds the number of each class.
        """
        return self._map("foreground.npy")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Returns `(depth, height, width)`."""
        depth, height, width = self.record["shape"][:3]
        return depth, height, width

    @property
    def foreground_counts(self) -> list[int]:
        """Returns the number of listed voxels of each class but background."""
        return list(self.record["foreground"]["listed"])

    @functools.cached_property
    def placement(self) -> Placement:
        """Returns the grids of the case and of its file."""
        return Placement(
            *(_grid(self.record[name]) for name in ("original", "full", "grid"))
        )

    def verify(self) -> None:
        """Compares the arrays with their checksums.

        Raises:
            DataError: If a file has changed.
        """
        for name, known in self.record["files"].items():
            file, expected = self.folder / name, known["sha256"]
            found = checksum(file)
            require(
                file, found == expected, f"the SHA-256 {expected} is", found
            )

    def _map(self, name: str) -> np.ndarray:
        path, expected = self.folder / name, "an array of a prepared case is"
        with naming(path, expected, (OSError, ValueError, EOFError)):
            return np.load(path, mmap_mode="r", allow_pickle=False)


@dataclasses.dataclass(frozen=True)
class PreparedDataset:
    """Holds the prepared cases of one data set.

    Args:
        folder: Folder of the preparation.
        classes: Names of the classes, background first.
        cases: The cases, in the order of the data set.
        preparation: Settings of the preparation.
        skipped: Error message of each case that was left out.
        statistics: Mean and deviation of each channel over the foreground of
            all cases.
    """

    folder: Path
    classes: tuple[str, ...]
    cases: tuple[PreparedCase, ...]
    preparation: Preparation
    skipped: Mapping[str, str]
    statistics: Mapping[str, list[float]]

    def __len__(self) -> int:
        return len(self.cases)

    def intensity(self, case: PreparedCase) -> tuple[np.ndarray, np.ndarray]:
        """Returns mean and deviation that normalize each channel of a case."""
        return self.preparation.intensity(case.record, self.statistics)

    def volume(self, case: PreparedCase) -> Volume:
        """Loads a case into memory, normalized as networks see it."""
        mean, deviation = self.intensity(case)
        image = (case.image.astype(np.float32) - mean) / deviation
        label = None if case.label is None else np.array(case.label)
        return Volume(
            case.name, image, label, case.placement.grid.affine, case.folder
        )

    def subset(self, names: "tuple[str, ...] | list[str]") -> "PreparedDataset":
        """Keeps the cases of these names, such as the training cases.

        Raises:
            DataError: If one is not prepared, unless it was skipped.
        """
        known = {case.name: case for case in self.cases}
        missing = sorted(set(names) - set(known) - set(self.skipped))
        received = f"{missing[:5]}, which are not among them"
        require(self.folder, not missing, "prepared cases are", received)
        chosen = tuple(known[name] for name in names if name in known)
        return dataclasses.replace(self, cases=chosen)


def open_prepared(folder: "str | Path") -> PreparedDataset:
    """Opens a folder that `prepare` has finished.

    Raises:
        DataError: If the folder is unfinished, or a file in it is missing or
            damaged.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(
            f"{path}: the manifest of a finished preparation is expected; "
            "the same `prepare` goes on where it stopped. Received: no such "
            "file"
        )
    document = read_json(path)
    expected = f"the manifest of a preparation, version {VERSION}, and all its "
    with naming(path, expected + "cases are", _DAMAGE):
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        folders = [folder / CASES / name for name in document["cases"]]
        cases = [PreparedCase(inner, read_record(inner)) for inner in folders]
        for case in cases:
            for name, known in case.record["files"].items():
                held = (case.folder / name).stat().st_size
                if held != known["bytes"]:
                    raise ValueError(
                        f"{case.folder / name} of {held} bytes instead of "
                        f"{known['bytes']}"
                    )
        known = document["statistics"]
        return PreparedDataset(
            folder,
            tuple(document["classes"]),
            tuple(cases),
            Preparation.from_settings(document["preparation"]),
            dict(document["skipped"]),
            {name: list(known[name]) for name in ("mean", "deviation")},
        )


def read_record(folder: Path) -> dict[str, Any]:
    """Reads the record of a prepared case, and checks its keys."""
    path = folder / CASE
    record = read_json(path)
    try:
        missing = set(_RECORD) - record.keys()
        for name in ("original", "full", "grid"):
            missing |= {"shape", "affine"} - record.get(name, {}).keys()
        for name, known in record.get("files", {}).items():
            missing |= {"bytes", "sha256"} - known.keys()
            if name == "foreground.npy":
                missing |= set(_FOREGROUND) - record["foreground"].keys()
    except (AttributeError, KeyError, TypeError):
        missing = {"a mapping where one belongs"}
    if missing:
        raise DataError(
            f"{path}: the record of a prepared case is expected; delete its "
            "folder, and `prepare` makes it anew. Received: a record without "
            f"{sorted(missing)}"
        )
    return record


def read_json(path: Path) -> Any:
    """Reads a JSON file of a preparation or a pack; names a damaged file."""
    damage = (OSError, RecursionError, ValueError)
    with naming(path, "JSON of a preparation is", damage):
        return json.loads(read_text(path, _MOST_BYTES))


def grid_record(grid: Grid) -> dict[str, Any]:
    """Returns a grid as plain JSON values."""
    return {"shape": list(grid.shape), "affine": grid.affine.tolist()}


def _grid(record: Mapping[str, Any]) -> Grid:
    return Grid(tuple(record["shape"]), np.array(record["affine"]))
