"""Slices of DICOM files, and how they are stacked."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError

# A header may claim any size. Compressed slices rarely shrink more than a
# hundredfold; a claim far beyond the file is damage or an attack.
_MOST_EXPANSION = 2000
_LARGEST = 1e9
# Numbers are rounded when they are written: products of unit vectors, vectors
# and spacings of one series, ...
_MOST_SKEW = 1e-3
_ROUNDING = 1e-4
# ... and positions, in parts of the step from slice to slice. Two slices lie
# in one plane if they are closer than this part of a pixel.
_MOST_DRIFT = 0.05
_SAME_PLANE = 0.01


@dataclasses.dataclass(frozen=True, eq=False)
class Slice:
    """One slice, its pixels not yet read.

    Args:
        file: File that holds it.
        frame: Number of the frame in the file, from 0.
        label: How messages call it.
        shape: `(columns, rows)`.
        position: Millimetres to the centre of the first pixel; left,
            posterior and superior positive, as everywhere in DICOM.
        orientation: Two unit vectors, one along the rows (as the column
            number rises) and one along the columns.
        spacing: Millimetres between columns and between rows.
        measures: Dataset of its thickness.
        scale: Dataset of its rescale slope and intercept.
    """

    file: Path
    frame: int
    label: str
    shape: tuple[int, int]
    position: np.ndarray
    orientation: np.ndarray
    spacing: np.ndarray
    measures: Any
    scale: Any

    @property
    def normal(self) -> np.ndarray:
        """Unit vector that rows, columns and slices make right-handed."""
        return np.cross(*self.orientation)

    @property
    def is_scaled(self) -> bool:
        """Whether stored numbers are not yet the values."""
        return "ModalityLUTSequence" in self.scale or self._scale != (1, 0)

    @property
    def is_whole(self) -> bool:
        """Whether values are whole numbers if stored ones are."""
        return all(float(number).is_integer() for number in self._scale)

    @property
    def _scale(self) -> tuple[Any, Any]:
        if "RescaleSlope" not in self.scale:
            return 1, 0
        return self.scale.RescaleSlope, self.scale.RescaleIntercept


def slices_of(path: Path, header: Any) -> list[Slice]:
    """The slices of one file, from its header.

    Raises:
        DataError: If the header lacks what is needed to read and place them,
            or claims more pixels than the file can hold.
    """
    groups = header.get("PerFrameFunctionalGroupsSequence") or []
    frames = 1
    if header.get("NumberOfFrames"):
        frames = int(_numbers(str(path), header, "NumberOfFrames", 1)[0])
    shape = _check_pixels(path, header, frames)
    if not groups:
        if frames > 1:
            raise DataError(
                f"{path}: one frame, or a functional group for each, is "
                f"expected. Received: NumberOfFrames={frames} without "
                "PerFrameFunctionalGroupsSequence"
            )
        return [_slice(path, 0, str(path), shape, [header] * 4)]
    if len(groups) != frames:
        raise DataError(
            f"{path}: a functional group for each of {frames} frames is "
            f"expected. Received: {len(groups)} groups"
        )
    shared = header.get("SharedFunctionalGroupsSequence") or []
    found = []
    for frame, group in enumerate(groups):
        items = [
            _item([group, *shared], name) or header
            for name in (
                "PlanePositionSequence",
                "PlaneOrientationSequence",
                "PixelMeasuresSequence",
                "PixelValueTransformationSequence",
            )
        ]
        label = f"{path}, frame {frame + 1}"
        found.append(_slice(path, frame, label, shape, items))
    return found


def by_position(slices: Sequence[Slice]) -> list[Slice]:
    """Orders slices along the normal of the first."""
    normal = slices[0].normal
    return sorted(slices, key=lambda piece: float(piece.position @ normal))


def affine_of(slices: Sequence[Slice]) -> np.ndarray:
    """Where the voxels of a stack lie.

    Args:
        slices: Slices of one series, ordered by position.

    Returns:
        Affine from `(column, row, slice)` to millimetres, right, anterior and
        superior positive.

    Raises:
        DataError: If they are not the evenly spaced slices of one grid; the
            message names two that do not fit.
    """
    first = slices[0]
    for other in slices[1:]:
        _check_same(first, other)
    affine = np.eye(4)
    affine[:3, :2] = first.orientation.T * first.spacing
    affine[:3, 2] = _step(slices)
    affine[:3, 3] = first.position
    # DICOM points to left and posterior; adding 0 takes the sign from -0.
    return np.diag([-1.0, -1, 1, 1]) @ affine + 0.0


def _slice(
    path: Path,
    frame: int,
    label: str,
    shape: tuple[int, int],
    items: Sequence[Any],
) -> Slice:
    place, plane, measures, scale = items
    position = _numbers(label, place, "ImagePositionPatient", 3)
    vectors = _numbers(label, plane, "ImageOrientationPatient", 6)
    orientation = vectors.reshape(2, 3)
    products = orientation @ orientation.T
    if not np.allclose(products, np.eye(2), atol=_MOST_SKEW):
        raise DataError(
            f"{label}: ImageOrientationPatient of two perpendicular unit "
            f"vectors is expected. Received: {vectors.tolist()}"
        )
    spacing = _numbers(label, measures, "PixelSpacing", 2)
    if spacing.min() <= 0:
        raise DataError(
            f"{label}: PixelSpacing above 0 is expected. "
            f"Received: PixelSpacing={spacing.tolist()}"
        )
    if "RescaleSlope" in scale or "RescaleIntercept" in scale:
        slope = _numbers(label, scale, "RescaleSlope", 1)[0]
        _numbers(label, scale, "RescaleIntercept", 1)
        if slope == 0:
            raise DataError(
                f"{label}: a RescaleSlope other than 0 is expected. "
                "Received: RescaleSlope=0"
            )
    # DICOM writes the distance between rows first.
    grid = position, orientation, spacing[::-1]
    return Slice(path, frame, label, shape, *grid, measures, scale)


def _check_pixels(path: Path, header: Any, frames: int) -> tuple[int, int]:
    """Columns and rows, if pixels are grey and fit into the file."""
    from pydicom.uid import UID

    columns, rows, bits = (
        int(_numbers(str(path), header, name, 1)[0])
        for name in ("Columns", "Rows", "BitsAllocated")
    )
    colours = header.get("PhotometricInterpretation")
    if colours not in ("MONOCHROME1", "MONOCHROME2"):
        raise DataError(
            f"{path}: grey pixels, MONOCHROME1 or MONOCHROME2, are expected. "
            f"Received: PhotometricInterpretation={colours}"
        )
    syntax = UID(header.file_meta.get("TransferSyntaxUID") or "")
    if not syntax.is_transfer_syntax:
        raise DataError(
            f"{path}: a known transfer syntax is expected. "
            f"Received: TransferSyntaxUID={str(syntax) or None}"
        )
    claimed, size = columns * rows * frames * bits // 8, path.stat().st_size
    packed = syntax.is_compressed or syntax.is_deflated
    if not 0 < claimed <= size * (_MOST_EXPANSION if packed else 1):
        raise DataError(
            f"{path}: a complete file whose header fits its {size} bytes is "
            f"expected. Received: Rows={rows}, Columns={columns}, "
            f"{frames} frames of {bits} bits"
        )
    return columns, rows


def _numbers(label: str, item: Any, keyword: str, count: int) -> np.ndarray:
    value = item.get(keyword)
    try:
        numbers = np.array(value, np.float64).reshape(-1)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if len(numbers) != count or not np.all(np.abs(numbers) < _LARGEST):
        raise DataError(
            f"{label}: {keyword} of {count} finite number"
            f"{'s' * (count > 1)} is expected. Received: {keyword}={value}"
        )
    return numbers


def _item(groups: Sequence[Any], name: str) -> Any:
    """The first item of a sequence that a frame has itself, or shares."""
    for group in groups:
        if sequence := group.get(name):
            return sequence[0]
    return None


def _check_same(first: Slice, other: Slice) -> None:
    for name, expected, received, most in (
        ("columns and rows", first.shape, other.shape, 0),
        (
            "PixelSpacing",
            first.spacing,
            other.spacing,
            _ROUNDING * first.spacing.min(),
        ),
        (
            "ImageOrientationPatient",
            first.orientation,
            other.orientation,
            _ROUNDING,
        ),
    ):
        if np.abs(np.subtract(received, expected)).max() > most:
            raise DataError(
                f"{other.label}: the {name} of {first.label}, "
                f"{np.ravel(expected).tolist()}, is expected. "
                f"Received: {np.ravel(received).tolist()}"
            )


def _step(slices: Sequence[Slice]) -> np.ndarray:
    """Millimetres from one slice to the next, as a vector."""
    first = slices[0]
    if len(slices) == 1:
        given = first.measures.get("SpacingBetweenSlices")
        keyword = "SliceThickness" if given is None else "SpacingBetweenSlices"
        thickness = _numbers(first.label, first.measures, keyword, 1)
        return first.normal * np.abs(thickness)
    positions = np.array([piece.position for piece in slices])
    steps = np.diff(positions, axis=0)
    distances = np.linalg.norm(steps, axis=1)
    heights = steps @ first.normal
    least = int(np.argmin(heights))
    if heights[least] < _SAME_PLANE * first.spacing.min():
        raise DataError(
            f"{slices[least + 1].label}: one slice in each plane is "
            f"expected, but {slices[least].label} lies there too. Received: "
            f"ImagePositionPatient={positions[least + 1].tolist()}"
        )
    step = (positions[-1] - positions[0]) / len(steps)
    places = positions[0] + np.arange(len(slices))[:, None] * step
    drift = np.linalg.norm(positions - places, axis=1)
    if drift.max() > _MOST_DRIFT * np.linalg.norm(step):
        # Where one slice is missing, most steps are still the usual one.
        usual = np.argsort(distances, kind="stable")[(len(steps) - 1) // 2]
        strange = np.linalg.norm(steps - steps[usual], axis=1)
        worst = int(np.argmax(strange))
        raise DataError(
            f"{slices[worst + 1].label}: slices in even steps, here of "
            f"{distances[usual]:g} mm, are expected; one may be missing. "
            f"Received: {distances[worst]:g} mm from {slices[worst].label}, "
            f"a step of {steps[worst].tolist()}"
        )
    return step
