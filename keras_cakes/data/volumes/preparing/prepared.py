"""Prepared volumes: memory-mapped arrays with a manifest."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
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
# What `case.json` says, and of a case with a label.
_RECORD = (
    *("name", "shape", "original", "full", "grid"),
    *("mean", "deviation", "sources", "files"),
)
_FOREGROUND = ("listed", "voxels", "sum", "squares")


class PreparedCase:
    """One case of a prepared data set; voxels stay on disk until read.

    Args:
        folder: Its folder.
        record: What `case.json` says.
    """

    def __init__(self, folder: Path, record: Mapping[str, Any]):
        self.folder = folder
        self.record = record
        self.name = str(record["name"])

    @functools.cached_property
    def image(self) -> np.ndarray:
        """Intensities `(depth, height, width, channels)`, not normalized."""
        return self._map("image.npy")

    @functools.cached_property
    def label(self) -> np.ndarray | None:
        """Classes `(depth, height, width)`, uint8, where there is a label."""
        if "label.npy" not in self.record["files"]:
            return None
        return self._map("label.npy")

    @functools.cached_property
    def foreground(self) -> np.ndarray:
        """Voxels `(number, 3)` of the classes, one class after the other.

        All, or an even sample of many; `foreground_counts` says how many of
        each class.
        """
        return self._map("foreground.npy")

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(depth, height, width)`."""
        depth, height, width = self.record["shape"][:3]
        return depth, height, width

    @property
    def foreground_counts(self) -> list[int]:
        """Listed voxels of each class but background."""
        return list(self.record["foreground"]["listed"])

    @functools.cached_property
    def placement(self) -> Placement:
        """Its grid, and the one of the file it was read from."""
        return Placement(
            *(_grid(self.record[name]) for name in ("original", "full", "grid"))
        )

    def verify(self) -> None:
        """Compares the arrays with their checksums.

        Raises:
            DataError: If a file is not what was written.
        """
        for name, known in self.record["files"].items():
            found = checksum(self.folder / name)
            if found != known["sha256"]:
                raise DataError(
                    f"{self.folder / name}: the SHA-256 {known['sha256']} is "
                    f"expected. Received: {found}"
                )

    def _map(self, name: str) -> np.ndarray:
        path = self.folder / name
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"{path}: an array of a prepared case is expected. "
                f"Received: {type(error).__name__}: {error}"
            ) from None
        return array


@dataclasses.dataclass(frozen=True)
class PreparedDataset:
    """Prepared cases of one data set.

    Args:
        folder: Where they lie.
        classes: Names of the classes, background first.
        cases: The cases, in the order of the data set.
        preparation: What was done to them.
        skipped: For each case that is missing what was wrong with it.
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
        """Mean and deviation that normalize each channel of a case."""
        return self.preparation.intensity(case.record, self.statistics)

    def volume(self, case: PreparedCase) -> Volume:
        """A case in memory, normalized, as networks see it."""
        mean, deviation = self.intensity(case)
        image = (case.image.astype(np.float32) - mean) / deviation
        label = None if case.label is None else np.array(case.label)
        return Volume(
            case.name, image, label, case.placement.grid.affine, case.folder
        )

    def subset(self, names: "tuple[str, ...] | list[str]") -> "PreparedDataset":
        """The cases of these names, such as those of a fold.

        Raises:
            DataError: If one is not prepared, unless it was skipped.
        """
        known = {case.name: case for case in self.cases}
        missing = sorted(set(names) - set(known) - set(self.skipped))
        if missing:
            raise DataError(
                f"{self.folder}: prepared cases are expected. Received: "
                f"{missing[:5]}, which are not among them"
            )
        chosen = tuple(known[name] for name in names if name in known)
        return dataclasses.replace(self, cases=chosen)


def open_prepared(folder: "str | Path") -> PreparedDataset:
    """Opens a folder that `prepare` has finished.

    Raises:
        DataError: If it is no such folder, or something in it is missing or
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
    try:
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        names = list(document["cases"])
        cases = [
            PreparedCase(
                folder / CASES / name, read_record(folder / CASES / name)
            )
            for name in names
        ]
        for case in cases:
            for name, known in case.record["files"].items():
                held = (case.folder / name).stat().st_size
                if held != known["bytes"]:
                    raise ValueError(
                        f"{case.folder / name} of {held} bytes instead of "
                        f"{known['bytes']}"
                    )
        statistics = {
            name: list(document["statistics"][name])
            for name in ("mean", "deviation")
        }
        return PreparedDataset(
            folder,
            tuple(document["classes"]),
            tuple(cases),
            Preparation.from_settings(document["preparation"]),
            dict(document["skipped"]),
            statistics,
        )
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: the manifest of a preparation, version {VERSION}, and "
            f"all its cases are expected. Received: {type(error).__name__}: "
            f"{error}"
        ) from None


def read_record(folder: Path) -> dict[str, Any]:
    """Reads what the folder of a prepared case says of it.

    Raises:
        DataError: If there is no such record, or it lacks an entry.
    """
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
    """Reads a JSON file of the cache.

    Raises:
        DataError: If there is none; the message names it.
    """
    try:
        return json.loads(read_text(path, _MOST_BYTES))
    except (OSError, RecursionError, ValueError) as error:
        raise DataError(
            f"{path}: JSON of a preparation is expected. Received: "
            f"{type(error).__name__}: {error}"
        ) from None


def grid_record(grid: Grid) -> dict[str, Any]:
    """A grid as JSON holds it."""
    return {"shape": list(grid.shape), "affine": grid.affine.tolist()}


def _grid(record: Mapping[str, Any]) -> Grid:
    return Grid(tuple(record["shape"]), np.array(record["affine"]))
