"""Prepares one case: reads its files and writes a folder of arrays."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import require
from keras_cakes._files import atomic
from keras_cakes._files import checksum
from keras_cakes._files import explained
from keras_cakes.data.volumes.cases import Case
from keras_cakes.data.volumes.cases import read_case
from keras_cakes.data.volumes.cases import voxels_of_classes
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.preparing.prepared import CASE
from keras_cakes.data.volumes.preparing.prepared import grid_record
from keras_cakes.data.volumes.reading.geometry import Grid
from keras_cakes.data.volumes.reading.geometry import Placement
from keras_cakes.data.volumes.reading.geometry import transfer
from keras_cakes.data.volumes.reading.scan import Scan

# Random draws of patches need no more voxels of a class.
_MOST_FOREGROUND = 20_000


def prepare_case(
    case: Case,
    classes: tuple[str, ...],
    preparation: Preparation,
    folder: Path,
) -> None:
    """Prepares one case; its folder is there whole or not at all."""
    scan, label = read_case(case, classes)
    image, placement, window = prepare_image(scan, preparation)
    del scan
    arrays: dict[str, np.ndarray] = {"image.npy": image}
    record: dict[str, Any] = {
        "name": case.name,
        "shape": list(image.shape),
        "original": grid_record(placement.original),
        "full": grid_record(placement.full),
        "grid": grid_record(placement.grid),
        **statistics(image),
        "sources": source_record(case),
    }
    if label is not None:
        label = transfer(
            label, placement.original, placement.full, is_label=True
        )
        label = label[window]
        arrays["label.npy"] = np.ascontiguousarray(label)
        voxels, record["foreground"] = _foreground(label, len(classes))
        record["foreground"].update(_moments(image, label > 0))
        arrays["foreground.npy"] = voxels
    _write(folder, arrays, record)


def prepare_image(
    scan: Scan, preparation: Preparation
) -> tuple[np.ndarray, Placement, tuple[slice, ...]]:
    """Prepares an image, with an axis of channels, in memory.

    Returns:
        The image, not normalized yet; its grids; and its window in the full
        grid.

    Raises:
        DataError: If all voxels would be cut off.
    """
    stored = scan.array.dtype
    original = Grid(scan.array.shape[:3], scan.affine)
    full = preparation.grid(original)
    image = transfer(scan.array, original, full)
    # Clipping may lift air to body intensities, so the window comes first.
    window = _window(scan.source, image, preparation.crop_below)
    grid = full.cropped(
        [part.start for part in window],
        [part.stop - part.start for part in window],
    )
    image = image[window]
    if preparation.window is not None:
        _clip(image, *preparation.window)
    if stored.kind in "bui" and image.dtype.kind == "f" and stored.itemsize < 4:
        image = np.rint(image).astype(stored)
    placement = Placement(original, full, grid)
    return np.ascontiguousarray(image), placement, window


def source_record(case: Case) -> dict[str, str]:
    """Computes the checksums of the files of a case."""
    sources = {"image": case.image, "label": case.label}
    return {role: checksum(path) for role, path in sources.items() if path}


def _clip(image: np.ndarray, low: float, high: float) -> None:
    if image.dtype.kind in "ui":
        # Bounds of the voxels' type allow clipping in place.
        least, most = np.iinfo(image.dtype).min, np.iinfo(image.dtype).max
        low = int(np.clip(math.ceil(low), least, most))
        high = int(np.clip(math.floor(high), least, most))
    np.clip(image, low, high, out=image)


def _window(
    source: Path, image: np.ndarray, crop_below: float | None
) -> tuple[slice, ...]:
    """Finds the box of voxels above `crop_below`."""
    if crop_below is None:
        return tuple(slice(0, size) for size in image.shape[:3])
    inside: np.ndarray = np.any(image > crop_below, axis=-1)
    expected = f"voxels above crop_below={crop_below} are"
    require(source, inside.any(), expected, f"at most {float(image.max())}")
    window = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(np.any(inside, axis=others))
        window.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(window)


def statistics(image: np.ndarray) -> dict[str, list[float]]:
    """Computes mean and deviation of each channel in double precision."""
    mean = image.mean(axis=(0, 1, 2), dtype=np.float64)
    deviation = image.std(axis=(0, 1, 2), dtype=np.float64)
    # Clipping can make a channel constant.
    deviation[deviation == 0] = 1.0
    return {"mean": mean.tolist(), "deviation": deviation.tolist()}


def _moments(image: np.ndarray, inside: np.ndarray) -> dict[str, Any]:
    values = image[inside].astype(np.float64)
    return {
        "voxels": len(values),
        "sum": values.sum(axis=0).tolist(),
        "squares": np.square(values).sum(axis=0).tolist(),
    }


def _foreground(
    label: np.ndarray, classes: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """Lists at most `_MOST_FOREGROUND` voxels of each class, evenly thinned."""
    lists = [np.zeros((0, 3), np.int32)]
    for found in voxels_of_classes(label, classes):
        step = max(-(-len(found) // _MOST_FOREGROUND), 1)
        lists.append(found[step // 2 :: step])
    voxels = np.concatenate(lists).astype(np.int32)
    return voxels, {"listed": [len(found) for found in lists[1:]]}


def _write(
    folder: Path, arrays: dict[str, np.ndarray], record: dict[str, Any]
) -> None:
    with explained(folder, DataError), atomic(folder) as temporary:
        temporary.mkdir(parents=True)
        files = {}
        for name, array in arrays.items():
            path = temporary / name
            np.save(path, array, allow_pickle=False)
            files[name] = {
                "bytes": path.stat().st_size,
                "sha256": checksum(path),
            }
        text = json.dumps({**record, "files": files}, indent=1)
        (temporary / CASE).write_text(text, encoding="utf-8")
