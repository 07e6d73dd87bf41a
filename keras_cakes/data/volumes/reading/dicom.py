"""Finds DICOM series in folders and reads them."""

import dataclasses
import os
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import naming
from keras_cakes._errors import require
from keras_cakes.data.volumes.reading.dicom_slices import Slice
from keras_cakes.data.volumes.reading.dicom_slices import affine_of
from keras_cakes.data.volumes.reading.dicom_slices import by_position
from keras_cakes.data.volumes.reading.dicom_slices import slices_of
from keras_cakes.data.volumes.reading.scan import Scan
from keras_cakes.data.volumes.reading.scan import check_affine

# Elements of a header that are read; pydicom steps over the rest.
_KEYWORDS = """
    BitsAllocated Columns ImageOrientationPatient ImagePositionPatient Modality
    ModalityLUTSequence NumberOfFrames PerFrameFunctionalGroupsSequence
    PhotometricInterpretation PixelSpacing RescaleIntercept RescaleSlope Rows
    SOPClassUID SeriesDescription SeriesInstanceUID
    SharedFunctionalGroupsSequence SliceThickness SpacingBetweenSlices
""".split()


@dataclasses.dataclass(frozen=True)
class Series:
    """Names the files of one series.

    Args:
        uid: SeriesInstanceUID.
        description: SeriesDescription; may be empty.
        modality: Such as `"CT"` or `"MR"`.
        files: Paths, sorted by the position of their slices; by name where
            a position is missing.
    """

    uid: str
    description: str
    modality: str
    files: tuple[Path, ...]


def list_series(folder: str | os.PathLike[str]) -> list[Series]:
    """Lists the series of images below a folder, from headers alone.

    Names and endings do not matter. Files of other formats and DICOM files
    without an image, such as contours, are left out; links to folders are not
    followed.

    Args:
        folder: Folder of DICOM files, mixed and nested as they may be.

    Returns:
        The series, in the order of their first file by name.

    Raises:
        DataError: If there is no DICOM image, or a file is empty, damaged or
            cannot be opened; the message names it.
        ImportError: If pydicom is not installed.

    Examples:
        >>> from pydicom.data import get_testdata_file
        >>> [series] = list_series(get_testdata_file("CT_small.dcm"))
        >>> series.modality, [path.name for path in series.files]
        ('CT', ['CT_small.dcm'])
    """
    return [
        Series(
            uid,
            str(headers[0][1].get("SeriesDescription") or ""),
            str(headers[0][1].get("Modality") or ""),
            _sorted_files(headers),
        )
        for uid, headers in _find(Path(folder)).items()
    ]


def read_dicom(path: str | os.PathLike[str], series: str | None = None) -> Scan:
    """Reads one series of DICOM files.

    Slices are ordered by their position along the normal of their plane,
    never by name, and each is rescaled by its own slope and intercept: CT is
    in Hounsfield units. Values are int16 where slopes and intercepts are
    whole numbers and values fit, else float32; without a scale, they keep
    their type. MONOCHROME1, whose small values are shown bright, is not
    inverted, and voxels outside the field of view keep the scanner's number.

    The distance between slices is that of their positions. A single slice is
    as thick as its SpacingBetweenSlices or SliceThickness says.

    Args:
        path: Folder that is searched as by `list_series`, or one file, of a
            single frame or of several with functional groups.
        series: SeriesInstanceUID; needed if there is more than one series.

    Returns:
        A scan of axes `(column, row, slice)`, as NIfTI tools have them.

    Raises:
        DataError: If there is not one complete series of grey slices, evenly
            spaced on one grid; the message names the file.
        ImportError: If pydicom is not installed.

    Reference:

    - [Image plane](https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.7.6.2.html)
    - [Rescale slope and intercept](https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.11.html)

    Examples:
        >>> from pydicom.data import get_testdata_file
        >>> scan = read_dicom(get_testdata_file("CT_small.dcm"))
        >>> scan.array.shape, scan.array.dtype.name, scan.array.min()
        ((128, 128, 1), 'int16', np.int16(-896))
        >>> scan.orientation, scan.spacing
        ('LPS', (0.661468, 0.661468, 5.0))
    """
    slices = _stack(Path(path), series)
    affine = affine_of(slices)
    return Scan(_voxels(slices), affine, Path(path))


def read_dicom_grid(
    path: str | os.PathLike[str], series: str | None = None
) -> tuple[tuple[int, ...], np.ndarray]:
    """Reads shape and affine of a series from its headers."""
    slices = _stack(Path(path), series)
    affine = check_affine(affine_of(slices), Path(path))
    return (*slices[0].shape, len(slices)), affine


def reading(path: Path) -> AbstractContextManager[None]:
    """Turns errors of pydicom and its decoders into one that names a file."""
    # A damaged byte can make them raise an exception of any class.
    return naming(path, "complete, readable DICOM data are", Exception)


def check_pydicom() -> None:
    """Raises an ImportError that says what to install."""
    try:
        import pydicom  # noqa: F401
    except ImportError:
        raise ImportError(
            "Reading DICOM files needs pydicom: pip install "
            "'keras-cakes[dicom]'. Received: no module pydicom"
        ) from None


def _find(path: Path) -> dict[str, list[tuple[Path, Any]]]:
    """Reads the headers of each series: pairs of file and header."""
    check_pydicom()
    exists = path.is_dir() or path.is_file()
    require(path, exists, "a folder or a file is", "none there")
    files = _files(path) if path.is_dir() else [path]
    found: dict[str, list[tuple[Path, Any]]] = {}
    for file in files:
        header = _read_header(file)
        if header is None:
            continue
        uid = str(header.SeriesInstanceUID)
        found.setdefault(uid, []).append((file, header))
    expected = "a DICOM image is"
    require(path, found, expected, f"none in {len(files)} files")
    return found


def _files(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise error

    with reading(folder):
        files = [
            Path(parent, name)
            for parent, _, names in os.walk(folder, onerror=refuse)
            for name in names
        ]
    # Reading a pipe would hang; a broken link has no file.
    return sorted(file for file in files if file.is_file())


def _read_header(path: Path) -> Any:
    """Reads the header of a file; `None` if it is not a DICOM image."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.uid import UID

    with reading(path):
        # An empty file is a copy that was cut short, unless it is hidden:
        # other programs keep markers.
        if path.stat().st_size == 0 and not path.name.startswith("."):
            raise EOFError("an empty file")
        try:
            header = dcmread(
                path, stop_before_pixels=True, specific_tags=_KEYWORDS
            )
        except InvalidDicomError:
            return None
        # pydicom decodes a value, and finds damage, when it is looked at.
        for part in (header.file_meta, header):
            list(part.iterall())
        kind = (
            header.file_meta.get("MediaStorageSOPClassUID")
            or header.get("SOPClassUID")
            or ""
        )
        if kind and "Rows" not in header and "Image" not in UID(kind).name:
            return None
        if not header.get("SeriesInstanceUID"):
            raise ValueError("no SeriesInstanceUID")
        return header


def _sorted_files(headers: Sequence[tuple[Path, Any]]) -> tuple[Path, ...]:
    try:
        files = [piece.file for piece in _slices(headers)]
    except DataError:
        # The series is listed all the same; reading it reports the fault.
        files = [file for file, _ in headers]
    return tuple(dict.fromkeys(files))


def _slices(headers: Sequence[tuple[Path, Any]]) -> list[Slice]:
    pieces = [slices_of(file, header) for file, header in headers]
    return by_position([piece for several in pieces for piece in several])


def _stack(path: Path, series: str | None) -> list[Slice]:
    """Returns the slices of one series, ordered by position."""
    found = _find(path)
    if series is None and len(found) == 1:
        [series] = found
    if series not in found:
        listed = ", ".join(
            f"{uid} ({headers[0][1].get('SeriesDescription') or 'no name'}, "
            f"{len(headers)} files)"
            for uid, headers in found.items()
        )
        raise DataError(
            f"{path}: `series` is expected to be one of {listed[:2000]}. "
            f"Received: series={series}"
        )
    return _slices(found[series])


def _voxels(slices: Sequence[Slice]) -> np.ndarray:
    shape = (*slices[0].shape, len(slices))
    is_scaled = any(piece.is_scaled for piece in slices)
    is_whole = all(piece.is_whole for piece in slices)
    array = np.empty(0, np.uint8)
    for index, stored, values in _values(slices):
        is_float = stored.kind == "f" or not is_whole
        if array.size == 0:
            kind = np.int16 if is_scaled else stored.newbyteorder("=")
            array = np.empty(shape, np.float32 if is_float else kind, "F")
        if is_float or not _holds(array.dtype, values):
            array = array.astype(np.float32, copy=False)
        array[:, :, index] = values.T
    return array


def _holds(dtype: np.dtype, values: np.ndarray) -> bool:
    room = np.iinfo(dtype) if dtype.kind in "ui" else np.finfo(dtype)
    return bool(values.min() >= room.min and values.max() <= room.max)


def _values(
    slices: Sequence[Slice],
) -> Iterator[tuple[int, np.dtype, np.ndarray]]:
    """Yields index, stored type and values `(row, column)` of each slice."""
    from pydicom import dcmread
    from pydicom.pixels import apply_rescale
    from pydicom.pixels import iter_pixels

    files: dict[Path, dict[int, int]] = {}
    for index, piece in enumerate(slices):
        files.setdefault(piece.file, {})[piece.frame] = index
    for file, frames in files.items():
        with reading(file):
            frames_read = iter_pixels(dcmread(file), raw=True)
            for frame, pixels in zip(sorted(frames), frames_read, strict=True):
                index = frames[frame]
                values = apply_rescale(pixels, slices[index].scale)
                yield index, pixels.dtype, values
