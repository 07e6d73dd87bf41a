"""Volumes: one case read, checked and written back."""

import contextlib
import dataclasses
import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# A header may claim any size. Compressed medical images rarely shrink more
# than a hundredfold; a claim far beyond the file is damage or an attack.
_MOST_EXPANSION = 2000
_MOST_VOXELS = 1 << 31
_BLOCK = 1 << 20


class DataError(ValueError):
    """Something is wrong with a file; the message names it."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One case of a data set, not yet read.

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
    """One case in memory.

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


def load_case(case: Case, classes: tuple[str, ...]) -> Volume:
    """Reads and checks one case; intensities are normalized.

    Intensity scales differ by orders of magnitude between scanners, so each
    channel gets zero mean and unit variance over its own voxels.

    Args:
        case: The case to read.
        classes: Names of the classes that labels may hold.

    Raises:
        DataError: If a file is not a readable NIfTI volume, image and label
            do not lie on the same grid, voxels are not finite or all equal,
            or labels lie outside `classes`. The message names the file.
    """
    image_file = _open(case.image)
    shape = image_file.shape
    if len(shape) not in (3, 4):
        raise DataError(
            f"{case.image}: a 3D volume, or 4D with channels last, is "
            f"expected. Received: shape={shape}"
        )
    affine = image_file.affine
    if not (np.isfinite(affine).all() and np.linalg.det(affine[:3, :3])):
        raise DataError(
            f"{case.image}: a finite, invertible affine is expected. "
            f"Received: affine={affine.tolist()}"
        )
    label = None
    if case.label is not None:
        label_file = _open(case.label)
        if label_file.shape != shape[:3]:
            raise DataError(
                f"{case.label}: a label on the grid of its image "
                f"{case.image.name}, {shape[:3]}, is expected. "
                f"Received: shape={label_file.shape}"
            )
        if not np.allclose(label_file.affine, affine, atol=1e-3):
            raise DataError(
                f"{case.label}: the affine of its image {case.image.name} is "
                f"expected, {affine.tolist()}. "
                f"Received: affine={label_file.affine.tolist()}"
            )
        label = _labels(case.label, _voxels(case.label, label_file), classes)
    image = _voxels(case.image, image_file)
    image = image[..., None] if image.ndim == 3 else image
    if not np.isfinite(image).all():
        bad = np.count_nonzero(~np.isfinite(image))
        raise DataError(
            f"{case.image}: finite voxels are expected. "
            f"Received: {bad} of {image.size} NaN or infinite"
        )
    if np.any(image.max(axis=(0, 1, 2)) == image.min(axis=(0, 1, 2))):
        raise DataError(
            f"{case.image}: an image whose voxels differ is expected. "
            f"Received: a constant channel, value {float(image.flat[0])}"
        )
    return Volume(case.name, _normalized(image), label, affine, case.image)


def save_label(
    volume: Volume, label: np.ndarray | None, path: str | os.PathLike[str]
) -> None:
    """Writes a label as NIfTI on the grid of `volume`, whole or not at all.

    Raises:
        ValueError: If `label` is not of the volume's shape, or holds
            something besides integers from 0 to 255.
    """
    import nibabel

    path = Path(path)
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
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        nibabel.Nifti1Image(label.astype(np.uint8), volume.affine).to_filename(
            temporary
        )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Names the file in what nibabel and the decoders below it raise."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        yield
    except (
        EOFError,
        HeaderDataError,
        ImageFileError,
        OSError,
        OverflowError,
        ValueError,
        zlib.error,
    ) as error:
        raise DataError(
            f"{path}: a complete NIfTI file is expected. Received: "
            f"{type(error).__name__}: {str(error)[:150]}"
        ) from None


def _open(path: Path) -> Any:
    import nibabel

    with _reading(path):
        file: Any = nibabel.load(path)
        size = path.stat().st_size
    if not isinstance(file, nibabel.nifti1.Nifti1Image):
        raise DataError(
            f"{path}: a NIfTI file is expected. Received: {type(file).__name__}"
        )
    voxels = int(np.prod([int(size) for size in file.shape], dtype=object))
    if not 0 < voxels <= min(_MOST_VOXELS, _MOST_EXPANSION * size):
        raise DataError(
            f"{path}: a header whose size fits the file of {size} bytes is "
            f"expected. Received: shape={file.shape}"
        )
    if file.get_data_dtype().kind not in "biuf":
        raise DataError(
            f"{path}: voxels that are real numbers are expected. "
            f"Received: dtype={file.get_data_dtype()}"
        )
    return file


def _voxels(path: Path, file: Any) -> np.ndarray:
    # nibabel allocates what the header claims before it reads.
    claimed = file.dataobj.offset + file.dataobj.dtype.itemsize * int(
        np.prod(file.shape)
    )
    with _reading(path):
        held = _length(path, claimed)
    if held < claimed:
        raise DataError(
            f"{path}: a complete NIfTI file, by its header {claimed} bytes, "
            f"is expected. Received: {held} bytes"
        )
    with _reading(path), np.errstate(over="ignore", invalid="ignore"):
        # Slope and intercept are applied by nibabel; float32 is half of
        # what `get_fdata` would take.
        return np.asarray(file.dataobj, dtype=np.float32)


def _length(path: Path, enough: int) -> int:
    """Bytes that a file holds when unpacked, counted to a bit over `enough`.

    Reading to the end meets the checksum, which nibabel stops short of.
    """
    if path.suffix != ".gz":
        return path.stat().st_size
    with gzip.open(path) as stream:
        while stream.tell() <= enough + _BLOCK and stream.read(_BLOCK):
            pass
        return stream.tell()


def _normalized(image: np.ndarray) -> np.ndarray:
    """Zero mean, unit variance per channel; sums in float64, no copy so."""
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
    # More would not fit the type of a label.
    allowed = np.arange(min(len(classes), 256))
    outside = present[~np.isin(present, allowed)]
    if outside.size:
        raise DataError(
            f"{path}: the labels {allowed.tolist()} ({', '.join(classes)}) "
            f"are expected. Received: {outside[:5].tolist()}"
        )
    return values.astype(np.uint8)
