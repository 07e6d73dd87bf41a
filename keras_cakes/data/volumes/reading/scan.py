"""One image or label as it was stored, whatever the format."""

import dataclasses
from pathlib import Path

import numpy as np

from keras_cakes._errors import DataError


def check_affine(affine: np.ndarray, source: Path) -> np.ndarray:
    """Returns the affine if it can be inverted.

    Raises:
        DataError: If not; the message names the source.
    """
    if affine.shape != (4, 4) or not (
        np.isfinite(affine).all() and np.linalg.det(affine[:3, :3])
    ):
        raise DataError(
            f"{source}: a finite, invertible affine is expected. "
            f"Received: affine={affine.tolist()}"
        )
    return affine


@dataclasses.dataclass(frozen=True)
class Scan:
    """An image or a label in memory, with its place in the world.

    Args:
        array: Voxels `(i, j, k)` or `(i, j, k, channels)`, in the order of
            the file. Integers keep their type where the file has no scale;
            those of CT are Hounsfield units.
        affine: 4 x 4 array from voxel indices `(i, j, k)` to millimetres,
            right, anterior and superior positive, as in NIfTI.
        source: File or folder that it was read from.
    """

    array: np.ndarray
    affine: np.ndarray
    source: Path

    def __post_init__(self):
        check_affine(self.affine, self.source)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres from one voxel to the next, along each axis."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return i, j, k

    @property
    def orientation(self) -> str:
        """Where each axis points to, such as `"RAS"` or `"LPS"`."""
        from nibabel.orientations import aff2axcodes

        return "".join(aff2axcodes(self.affine))
