"""Reads, checks and writes the volumes of one case."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import require
from keras_cakes.data.volumes.reading.nifti import write_nifti
from keras_cakes.data.volumes.reading.read_scan import read_grid
from keras_cakes.data.volumes.reading.read_scan import read_scan
from keras_cakes.data.volumes.reading.scan import Scan


@dataclasses.dataclass(frozen=True)
class Case:
    """Names the files of one case.

    Args:
        name: File name of the image without endings.
        image: Path of the image.
        label: Path of the label, or `None`.
    """

    name: str
    image: Path
    label: Path | None


@dataclasses.dataclass(frozen=True)
class Volume:
    """Holds one case in memory.

    Args:
        name: Name of the case.
        image: Float32 array `(depth, height, width, channels)`, zero mean
            and unit variance per channel. Axes keep the order of the file.
        label: Uint8 array `(depth, height, width)`, or `None`.
        affine: 4 x 4 array from voxel indices to millimetres.
        source: Path of the image; for synthetic data its name.
    """

    name: str
    image: np.ndarray
    label: np.ndarray | None
    affine: np.ndarray
    source: Path


def name_of(image: Path) -> str:
    """Names a case after its image, without endings."""
    return image.name.removesuffix(".gz").removesuffix(".nii")


def is_folder_name(name: str) -> bool:
    """Tells whether a folder may have the name of a case."""
    return bool(name) and Path(name).name == name and not name.startswith(".")


def load_case(case: Case, classes: tuple[str, ...]) -> Volume:
    """Reads and checks one case; intensities are normalized.

    Intensity scales differ by orders of magnitude between scanners, so each
    channel gets zero mean and unit variance over its own voxels. Arguments
    and errors are those of `read_case`.
    """
    scan, label = read_case(case, classes)
    image = _normalized(scan.array.astype(np.float32, copy=False))
    return Volume(case.name, image, label, scan.affine, case.image)


def read_case(
    case: Case, classes: tuple[str, ...]
) -> tuple[Scan, np.ndarray | None]:
    """Reads and checks one case as it was stored.

    Args:
        case: The case to read.
        classes: Names of the classes that labels may hold.

    Returns:
        The image with an axis of channels, and the label as uint8.

    Raises:
        DataError: If a file is not a readable NIfTI volume or DICOM series,
            image and label do not lie on the same grid, voxels are not
            finite or all equal, or labels lie outside `classes`. The message
            names the file.
    """
    # Headers first: a label of another grid may be a large file.
    shape, affine = read_grid(case.image)
    label = None
    if case.label is not None:
        label_shape, label_affine = read_grid(case.label)
        require(
            case.label,
            label_shape == shape[:3],
            f"a label on the grid of its image {case.image.name}, "
            f"{shape[:3]}, is",
            f"shape={label_shape}",
        )
        if not np.allclose(label_affine, affine, atol=1e-3):
            raise DataError(
                f"{case.label}: the affine of its image {case.image.name} is "
                f"expected, {affine.tolist()}. "
                f"Received: affine={label_affine.tolist()}"
            )
        label = _labels(case.label, read_scan(case.label).array, classes)
    scan = read_scan(case.image)
    image = scan.array
    image = image[..., None] if image.ndim == 3 else image
    if not np.isfinite(image).all():
        bad = np.count_nonzero(~np.isfinite(image))
        raise DataError(
            f"{case.image}: finite voxels are expected. "
            f"Received: {bad} of {image.size} NaN or infinite"
        )
    differ = image.max(axis=(0, 1, 2)) != image.min(axis=(0, 1, 2))
    received = f"a constant channel, value {float(image.flat[0])}"
    expected = "an image whose voxels differ is"
    require(case.image, differ.all(), expected, received)
    return dataclasses.replace(scan, array=image), label


def save_label(
    volume: Volume, label: np.ndarray | None, *, path: str | os.PathLike[str]
) -> None:
    """Writes a label as NIfTI on the grid of `volume`, whole or not at all.

    Raises:
        ValueError: If `label` is not of the volume's shape, or holds
            something besides integers from 0 to 255.
    """
    if label is None or label.shape != volume.image.shape[:3]:
        raise ValueError(
            f"`label` is expected to be of shape {volume.image.shape[:3]}. "
            f"Received: label.shape={None if label is None else label.shape}"
        )
    if label.dtype.kind not in "bui" or label.min() < 0 or label.max() > 255:
        raise ValueError(
            "`label` is expected to hold integers from 0 to 255. Received: "
            f"label.dtype={label.dtype}, from {label.min()} to {label.max()}"
        )
    write_nifti(label.astype(np.uint8), volume.affine, path=path)


def voxels_of_classes(label: np.ndarray, classes: int) -> list[np.ndarray]:
    """Lists the voxels `(number, 3)` of each class from 1 to `classes - 1`."""
    flat = label.ravel()
    inside = np.flatnonzero(flat)
    return [
        np.stack(
            np.unravel_index(inside[flat[inside] == value], label.shape), -1
        )
        for value in range(1, classes)
    ]


def _normalized(image: np.ndarray) -> np.ndarray:
    """Normalizes each channel; sums are float64, without a float64 copy."""
    mean = image.mean(axis=(0, 1, 2), dtype=np.float64)
    result = np.empty(image.shape, np.float32)
    np.subtract(image, mean, out=result, casting="same_kind")
    square = np.einsum("dhwc,dhwc->c", result, result, dtype=np.float64)
    deviation = np.sqrt(square / result[..., 0].size)
    return np.divide(result, deviation, out=result, casting="same_kind")


def _labels(
    path: Path, values: np.ndarray, classes: tuple[str, ...]
) -> np.ndarray:
    present = np.unique(values)
    # Labels are uint8.
    allowed = np.arange(min(len(classes), 256))
    outside = present[~np.isin(present, allowed)]
    if outside.size:
        raise DataError(
            f"{path}: the labels {allowed.tolist()} ({', '.join(classes)}) "
            f"are expected. Received: {outside[:5].tolist()}"
        )
    return values.astype(np.uint8)
