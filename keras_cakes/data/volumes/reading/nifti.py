"""Reads and writes NIfTI files."""

import gzip
import os
import zlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import naming
from keras_cakes._errors import require
from keras_cakes._files import atomic
from keras_cakes.data.volumes.reading.scan import MOST_EXPANSION
from keras_cakes.data.volumes.reading.scan import Scan
from keras_cakes.data.volumes.reading.scan import check_affine

_MOST_VOXELS = 1 << 31
_BLOCK = 1 << 20


def read_nifti(path: str | os.PathLike[str]) -> Scan:
    """Reads a NIfTI file, `.nii` or `.nii.gz`.

    Slope and intercept are applied; without them, integers keep their type.

    Args:
        path: The file.

    Returns:
        A scan of three axes, or of four with channels last.

    Raises:
        DataError: If the file is missing, not a complete NIfTI file of three
            or four axes, or its affine cannot be inverted.

    Reference:

    - [NIfTI-1](https://nifti.nimh.nih.gov/nifti-1)
    """
    path = Path(path)
    file = _open(path)
    return Scan(_voxels(path, file), file.affine, path)


def read_nifti_grid(
    path: str | os.PathLike[str],
) -> tuple[tuple[int, ...], np.ndarray]:
    """Reads shape and affine from the header of a NIfTI file."""
    file = _open(Path(path))
    return file.shape, check_affine(file.affine, Path(path))


def write_nifti(
    array: np.ndarray, affine: np.ndarray, *, path: str | os.PathLike[str]
) -> None:
    """Writes a NIfTI file, whole or not at all; the type of voxels is kept."""
    import nibabel

    with atomic(path) as temporary:
        nibabel.Nifti1Image(array, affine).to_filename(temporary)


def _reading(path: Path) -> AbstractContextManager[None]:
    """Turns errors of nibabel and its decoders into one that names a file."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    own = (HeaderDataError, ImageFileError)
    known = (EOFError, OSError, OverflowError, ValueError, zlib.error)
    return naming(path, "a complete NIfTI file is", own + known)


def _open(path: Path) -> Any:
    import nibabel

    with _reading(path):
        file: Any = nibabel.load(path)
        size = path.stat().st_size
    is_nifti = isinstance(file, nibabel.nifti1.Nifti1Image)
    require(path, is_nifti, "a NIfTI file is", type(file).__name__)
    voxels = int(np.prod([int(size) for size in file.shape], dtype=object))
    require(
        path,
        0 < voxels <= min(_MOST_VOXELS, MOST_EXPANSION * size),
        f"a header whose size fits the file of {size} bytes is",
        f"shape={file.shape}",
    )
    dtype = file.get_data_dtype()
    expected = "voxels that are real numbers are"
    require(path, dtype.kind in "biuf", expected, f"dtype={dtype}")
    expected = "a 3D volume, or 4D with channels last, is"
    require(path, len(file.shape) in (3, 4), expected, f"shape={file.shape}")
    return file


def _voxels(path: Path, file: Any) -> np.ndarray:
    # nibabel allocates what the header claims before it reads.
    claimed = file.dataobj.offset + file.dataobj.dtype.itemsize * int(
        np.prod(file.shape)
    )
    with _reading(path):
        held = _length(path, claimed)
    expected = f"a complete NIfTI file, by its header {claimed} bytes, is"
    require(path, held >= claimed, expected, f"{held} bytes")
    with _reading(path), np.errstate(over="ignore", invalid="ignore"):
        proxy = file.dataobj
        if proxy.dtype.kind in "bui" and (proxy.slope, proxy.inter) == (1, 0):
            return np.asarray(proxy.get_unscaled())
        # nibabel applies slope and intercept; float32 takes half of the
        # memory of `get_fdata`.
        return np.asarray(proxy, dtype=np.float32)


def _length(path: Path, enough: int) -> int:
    """Counts the unpacked bytes of a file, to one block over `enough`.

    Reading to the end makes gzip compare its checksum; nibabel stops before.
    """
    if path.suffix != ".gz":
        return path.stat().st_size
    with gzip.open(path) as stream:
        while stream.tell() <= enough + _BLOCK and stream.read(_BLOCK):
            pass
        return stream.tell()
