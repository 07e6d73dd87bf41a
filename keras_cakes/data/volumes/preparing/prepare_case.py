"""One case prepared: from its files to a folder of arrays."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._files import atomic
from keras_cakes._files import checksum
from keras_cakes._files import explained
from keras_cakes.data.volumes.cases import Case
from keras_cakes.data.volumes.cases import read_case
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.preparing.prepared import CASE
from keras_cakes.data.volumes.preparing.prepared import grid_record
from keras_cakes.data.volumes.reading.geometry import Grid
from keras_cakes.data.volumes.reading.geometry import Placement
from keras_cakes.data.volumes.reading.geometry import transfer
from keras_cakes.data.volumes.reading.scan import Scan

# A random draw needs no more voxels of a class than these.
_MOST_FOREGROUND = 20_000


def prepare_case(
    case: Case,
    classes: tuple[str, ...],
    preparation: Preparation,
    folder: Path,
) -> None:
    """Prepares one case; its folder is there whole or not at all.

    Args:
        case: The case.
        classes: Names of the classes that labels may hold.
        preparation: What is done.
        folder: Folder to make.

    Raises:
        DataError: If a file is not what it should be.
    """
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
    """Prepares an image in memory.

    Args:
        scan: The image, with an axis of channels.
        preparation: What is done.

    Returns:
        The image, not normalized yet; where it lies; and the window of the
        full grid that it is.

    Raises:
        DataError: If nothing of it would be kept.
    """
    stored = scan.array.dtype
    original = Grid(scan.array.shape[:3], scan.affine)
    full = preparation.grid(original)
    image = transfer(scan.array, original, full)
    # Before intensities are clipped, which may lift air to the rest.
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
    """Checksums of the files that a case is read from."""
    sources = {"image": case.image, "label": case.label}
    return {
        role: checksum(path)
        for role, path in sources.items()
        if path is not None
    }


def _clip(image: np.ndarray, low: float, high: float) -> None:
    if image.dtype.kind in "ui":
        # Bounds of the type of the voxels, so that they need no copy.
        least, most = np.iinfo(image.dtype).min, np.iinfo(image.dtype).max
        low = int(np.clip(math.ceil(low), least, most))
        high = int(np.clip(math.floor(high), least, most))
    np.clip(image, low, high, out=image)


def _window(
    source: Path, image: np.ndarray, crop_below: float | None
) -> tuple[slice, ...]:
    """The box of the voxels that are kept."""
    if crop_below is None:
        return tuple(slice(0, size) for size in image.shape[:3])
    inside: np.ndarray = np.any(image > crop_below, axis=-1)
    if not inside.any():
        raise DataError(
            f"{source}: voxels above crop_below={crop_below} are "
            f"expected. Received: at most {float(image.max())}"
        )
    window = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(np.any(inside, axis=others))
        window.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(window)


def statistics(image: np.ndarray) -> dict[str, list[float]]:
    """Mean and deviation of each channel, in double precision."""
    mean = image.mean(axis=(0, 1, 2), dtype=np.float64)
    deviation = image.std(axis=(0, 1, 2), dtype=np.float64)
    # A window may have made a channel constant.
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
    """Voxels of each class, evenly thinned out where there are many."""
    lists, listed = [], []
    flat = label.ravel()
    inside = np.flatnonzero(flat)
    for value in range(1, classes):
        found = inside[flat[inside] == value]
        step = max(-(-len(found) // _MOST_FOREGROUND), 1)
        found = found[step // 2 :: step]
        lists.append(np.stack(np.unravel_index(found, label.shape), -1))
        listed.append(len(found))
    voxels = np.concatenate(lists) if lists else np.zeros((0, 3))
    return voxels.astype(np.int32), {"listed": listed}


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
