"""Places the slices of DICOM files and stacks them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import require
from keras_cakes.data.volumes.reading.scan import MOST_EXPANSION

_LARGEST = 1e9
# Files hold rounded numbers. Products of unit vectors may differ this much,
_MOST_SKEW = 1e-3
# vectors and spacings of one series this much,
_ROUNDING = 1e-4
# and positions this part of the step from slice to slice.
_MOST_DRIFT = 0.05
# Two slices lie in one plane if they are closer than this part of a pixel.
_SAME_PLANE = 0.01


@dataclasses.dataclass(frozen=True, eq=False)
class Slice:
    """Holds the header of one slice, whose pixels are not yet read.

    Args:
        file: File that holds the slice.
        frame: Number of the frame in the file, from 0.
        label: Name of the slice in messages.
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
        """Returns the unit vector that is right-handed to rows and columns."""
        return np.cross(*self.orientation)

    @property
    def is_scaled(self) -> bool:
        """Tells whether values differ from the stored numbers."""
        return "ModalityLUTSequence" in self.scale or self._scale != (1, 0)

    @property
    def is_whole(self) -> bool:
        """Tells whether the scale turns whole numbers into whole numbers."""
        return all(float(number).is_integer() for number in self._scale)

    @property
    def _scale(self) -> tuple[Any, Any]:
        if "RescaleSlope" not in self.scale:
            return 1, 0
        return self.scale.RescaleSlope, self.scale.RescaleIntercept


def slices_of(path: Path, header: Any) -> list[Slice]:
    """Lists the slices of one file from its header; refuses a bad header."""
    groups = header.get("PerFrameFunctionalGroupsSequence") or []
    frames = 1
    if header.get("NumberOfFrames"):
        frames = int(_numbers(str(path), header, "NumberOfFrames", 1)[0])
    shape = _check_pixels(path, header, frames)
    if not groups:
        require(
            path,
            frames <= 1,
            "one frame, or a functional group for each, is",
            f"NumberOfFrames={frames} without PerFrameFunctionalGroupsSequence",
        )
        return [_slice(path, 0, str(path), shape, [header] * 4)]
    expected = f"a functional group for each of {frames} frames is"
    require(path, len(groups) == frames, expected, f"{len(groups)} groups")
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
    """Computes the affine of slices that are ordered by position.

    Returns:
        Affine from `(column, row, slice)` to millimetres, right, anterior and
        superior positive.

    Raises:
        DataError: If the slices are not evenly spaced on one grid; the
            message names two that do not fit.
    """
    first = slices[0]
    for other in slices[1:]:
        _check_same(first, other)
    affine = np.eye(4)
    affine[:3, :2] = first.orientation.T * first.spacing
    affine[:3, 2] = _step(slices)
    affine[:3, 3] = first.position
    # DICOM points to left and posterior; adding 0 turns -0 into 0.
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
    require(
        label,
        np.allclose(products, np.eye(2), atol=_MOST_SKEW),
        "ImageOrientationPatient of two perpendicular unit vectors is",
        vectors.tolist(),
    )
    spacing = _numbers(label, measures, "PixelSpacing", 2)
    received = f"PixelSpacing={spacing.tolist()}"
    require(label, spacing.min() > 0, "PixelSpacing above 0 is", received)
    if "RescaleSlope" in scale or "RescaleIntercept" in scale:
        slope = _numbers(label, scale, "RescaleSlope", 1)[0]
        _numbers(label, scale, "RescaleIntercept", 1)
        expected = "a RescaleSlope other than 0 is"
        require(label, slope != 0, expected, "RescaleSlope=0")
    # DICOM writes the distance between rows first.
    grid = position, orientation, spacing[::-1]
    return Slice(path, frame, label, shape, *grid, measures, scale)


def _check_pixels(path: Path, header: Any, frames: int) -> tuple[int, int]:
    """Returns columns and rows, if pixels are grey and fit into the file."""
    from pydicom.uid import UID

    columns, rows, bits = (
        int(_numbers(str(path), header, name, 1)[0])
        for name in ("Columns", "Rows", "BitsAllocated")
    )
    colours = header.get("PhotometricInterpretation")
    require(
        path,
        colours in ("MONOCHROME1", "MONOCHROME2"),
        "grey pixels, MONOCHROME1 or MONOCHROME2, are",
        f"PhotometricInterpretation={colours}",
    )
    syntax = UID(header.file_meta.get("TransferSyntaxUID") or "")
    received = f"TransferSyntaxUID={str(syntax) or None}"
    expected = "a known transfer syntax is"
    require(path, syntax.is_transfer_syntax, expected, received)
    claimed, size = columns * rows * frames * bits // 8, path.stat().st_size
    packed = syntax.is_compressed or syntax.is_deflated
    require(
        path,
        0 < claimed <= size * (MOST_EXPANSION if packed else 1),
        f"a complete file whose header fits its {size} bytes is",
        f"Rows={rows}, Columns={columns}, {frames} frames of {bits} bits",
    )
    return columns, rows


def _numbers(label: str, item: Any, keyword: str, count: int) -> np.ndarray:
    value = item.get(keyword)
    try:
        numbers = np.array(value, np.float64).reshape(-1)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    fits = len(numbers) == count and np.all(np.abs(numbers) < _LARGEST)
    expected = f"{keyword} of {count} finite number{'s' * (count > 1)} is"
    require(label, fits, expected, f"{keyword}={value}")
    return numbers


def _item(groups: Sequence[Any], name: str) -> Any:
    """Returns the first item of a sequence that a frame has, or shares."""
    for group in groups:
        if sequence := group.get(name):
            return sequence[0]
    return None


def _check_same(first: Slice, other: Slice) -> None:
    for name, key, most in (
        ("columns and rows", "shape", 0),
        ("PixelSpacing", "spacing", _ROUNDING * first.spacing.min()),
        ("ImageOrientationPatient", "orientation", _ROUNDING),
    ):
        expected, received = getattr(first, key), getattr(other, key)
        require(
            other.label,
            np.abs(np.subtract(received, expected)).max() <= most,
            f"the {name} of {first.label}, {np.ravel(expected).tolist()}, is",
            np.ravel(received).tolist(),
        )


def _step(slices: Sequence[Slice]) -> np.ndarray:
    """Returns the vector in millimetres from one slice to the next."""
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
        # If one slice is missing, the median step is still the usual one.
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
