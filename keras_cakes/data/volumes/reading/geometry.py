"""Defines grids of voxels and moves values from one grid to another."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# Part of a voxel; header fields are rounded.
_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Grid:
    """Represents a regular grid of voxels in the world.

    Args:
        shape: Voxels along each axis, `(i, j, k)`.
        affine: 4 x 4 array from voxel indices to millimetres, right,
            anterior and superior positive.

    Examples:
        >>> grid = Grid((10, 20, 5), np.diag([2.0, 2.0, 5.0, 1.0]))
        >>> grid.resampled((1.0, 1.0, 1.0)).shape
        (20, 40, 25)
    """

    shape: tuple[int, ...]
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, ...]:
        """Returns the millimetres between voxels along each axis."""
        return tuple(np.linalg.norm(self.affine[:3, :3], axis=0).tolist())

    def oriented(self, codes: str) -> "Grid":
        """Orders and directs the axes of the same voxels anew.

        Args:
            codes: Direction of each axis, such as `"RAS"`. Oblique axes take
                the closest one.
        """
        from nibabel.orientations import axcodes2ornt
        from nibabel.orientations import inv_ornt_aff
        from nibabel.orientations import io_orientation
        from nibabel.orientations import ornt_transform

        change = ornt_transform(
            io_orientation(self.affine), axcodes2ornt(tuple(codes))
        )
        shape = [0, 0, 0]
        for axis, place in enumerate(change[:, 0].astype(int)):
            shape[place] = self.shape[axis]
        affine = self.affine @ inv_ornt_aff(change, self.shape)
        return Grid(tuple(shape), affine)

    def resampled(self, spacing: Sequence[float]) -> "Grid":
        """Returns a grid of other spacing that covers the same box."""
        scale = [
            new / old for new, old in zip(spacing, self.spacing, strict=True)
        ]
        shape = tuple(
            max(round(size / factor), 1)
            for size, factor in zip(self.shape, scale, strict=True)
        )
        return Grid(shape, self.affine @ _scaling(scale))

    def cropped(self, start: Sequence[int], shape: Sequence[int]) -> "Grid":
        """Returns the part of the grid that begins at the voxel `start`."""
        move = np.eye(4)
        move[:3, 3] = start
        return Grid(tuple(shape), self.affine @ move)


@dataclasses.dataclass(frozen=True)
class Placement:
    """Holds the grids of a prepared volume and of its file.

    Args:
        original: The grid of the file.
        full: The grid after reorienting and resampling.
        grid: The part of `full` that is kept.
    """

    original: Grid
    full: Grid
    grid: Grid

    def restore(self, label: np.ndarray) -> np.ndarray:
        """Brings a label from the prepared grid back to the file's grid.

        Voxels that were cut off are background. Without resampling, the
        label is moved voxel by voxel.
        """
        if self.grid.shape != self.full.shape:
            label = transfer(
                label, self.grid, self.full, is_label=True, outside=0
            )
        return transfer(label, self.full, self.original, is_label=True)


def _scaling(scale: Sequence[float]) -> np.ndarray:
    """Returns the affine that scales voxels around the first one's corner."""
    matrix = np.diag([*scale, 1.0])
    matrix[:3, 3] = [(factor - 1) / 2 for factor in scale]
    return matrix


def transfer(
    values: np.ndarray,
    source: Grid,
    target: Grid,
    *,
    is_label: bool = False,
    outside: float | None = None,
) -> np.ndarray:
    """Brings values from one grid to another.

    If the grids share their voxels, values are moved, bit for bit. Otherwise
    images are interpolated linearly. Labels are interpolated class by class,
    and a voxel takes the class with the largest share, so that no class
    appears between two others.

    Args:
        values: Array `(i, j, k)` or `(i, j, k, channels)` on `source`.
        source: The grid of the values.
        target: Another grid, whose axes are parallel to those of `source`.
        is_label: Whether values are classes.
        outside: Value of voxels beyond `source`; by default the nearest
            voxel's.

    Returns:
        Array on `target`; of float32 if values had to be interpolated.

    Raises:
        ValueError: If axes are not parallel.
    """
    if tuple(values.shape[:3]) != tuple(source.shape):
        raise ValueError(
            f"`values` is expected to lie on its grid, {source.shape}. "
            f"Received: values.shape={values.shape}"
        )
    matrix = np.linalg.inv(source.affine) @ target.affine
    order, scale = _axes(matrix, target.shape)
    values = np.transpose(values, [*order, *range(3, values.ndim)])
    offset = matrix[:3, 3][order]
    whole = np.allclose(np.abs(scale), 1, atol=_TOLERANCE / max(target.shape))
    if whole and np.allclose(offset, np.rint(offset), atol=_TOLERANCE):
        return _moved(values, scale, np.rint(offset), target.shape, outside)
    extra = (*target.shape, *values.shape[3:])
    if is_label:
        return _interpolated_label(values, scale, offset, extra, outside)
    result = np.empty(extra, np.float32)
    for channel in np.ndindex(values.shape[3:]):
        result[(..., *channel)] = _interpolated(
            values[(..., *channel)], scale, offset, target.shape, outside
        )
    return result


def _axes(
    matrix: np.ndarray, shape: Sequence[int]
) -> tuple[list[int], np.ndarray]:
    """Finds the source's axis for each target axis, and its step."""
    linear = matrix[:3, :3]
    order = np.argmax(np.abs(linear), axis=0).tolist()
    scale = linear[order, range(3)]
    rest = np.abs(linear).copy()
    rest[order, range(3)] = 0
    # The sideways drift of an axis, from one end of the target to the other.
    if len(set(order)) < 3 or np.any(rest * shape > 0.5):
        raise ValueError(
            "`target` is expected to have axes parallel to those of "
            "`source`. Received: voxels of the source per voxel of the "
            f"target {linear.round(3).tolist()}"
        )
    return order, scale


def _moved(
    values: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    shape: Sequence[int],
    outside: float | None,
) -> np.ndarray:
    """Flips, crops and pads values of grids that share their voxels."""
    window, widths = [], []
    for step, begin, size, held in zip(
        scale, offset, shape, values.shape, strict=False
    ):
        places = int(begin) + np.arange(size) * int(np.sign(step))
        inside = (places >= 0) & (places < held)
        if outside is None:
            window.append(np.clip(places, 0, held - 1))
            widths.append((0, 0))
        else:
            window.append(places[inside])
            first = int(np.argmax(inside)) if inside.any() else size
            widths.append((first, size - first - int(inside.sum())))
    moved = values[np.ix_(*window)]
    if outside is not None and any(map(any, widths)):
        extra = [(0, 0)] * (values.ndim - 3)
        moved = np.pad(moved, [*widths, *extra], constant_values=outside)
    return np.ascontiguousarray(moved)


def _interpolated(
    values: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    shape: Sequence[int],
    outside: float | None,
) -> np.ndarray:
    from scipy.ndimage import affine_transform

    edge: dict[str, Any] = {"mode": "nearest"}
    if outside is not None:
        edge = {"mode": "grid-constant", "cval": outside}
    return affine_transform(
        values.astype(np.float32, copy=False),
        np.asarray(scale, float),
        offset,
        output_shape=tuple(shape),
        output=np.float32,
        order=1,
        **edge,
    )


def _interpolated_label(
    values: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    shape: Sequence[int],
    outside: float | None,
) -> np.ndarray:
    most = np.full(shape, -math.inf, np.float32)
    label = np.zeros(shape, values.dtype)
    for value in np.unique(values):
        beyond = None if outside is None else float(outside == value)
        share = _interpolated(values == value, scale, offset, shape, beyond)
        larger = share > most
        label[larger] = value
        most[larger] = share[larger]
    return label
