"""Defines a scan: voxels and the affine that places them."""

import dataclasses
from pathlib import Path

import numpy as np

from keras_cakes._errors import require

# A header may claim any size. Compressed medical images rarely shrink more
# than a hundredfold; a claim far beyond the file is damage or an attack.
MOST_EXPANSION = 2000


def check_affine(affine: np.ndarray, source: Path) -> np.ndarray:
    """Returns the affine; refuses one that cannot be inverted."""
    fits = (
        affine.shape == (4, 4)
        and np.isfinite(affine).all()
        and np.linalg.det(affine[:3, :3])
    )
    expected = "a finite, invertible affine is"
    require(source, fits, expected, f"affine={affine.tolist()}")
    return affine


@dataclasses.dataclass(frozen=True)
class Scan:
    """Holds an image or a label, with its place in the world.

    Args:
        array: Voxels `(i, j, k)` or `(i, j, k, channels)`, in the order of
            the file. Integers keep their type where the file has no scale.
            CT has Hounsfield units.
        affine: 4 x 4 array from voxel indices `(i, j, k)` to millimetres,
            right, anterior and superior positive, as in NIfTI.
        source: File or folder of the scan.
    """

    array: np.ndarray
    affine: np.ndarray
    source: Path

    def __post_init__(self):
        check_affine(self.affine, self.source)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Returns the millimetres between voxels along each axis."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return i, j, k

    @property
    def orientation(self) -> str:
        """Returns the direction of each axis, such as `"RAS"` or `"LPS"`."""
        from nibabel.orientations import aff2axcodes

        return "".join(aff2axcodes(self.affine))
