"""Places windows in a volume and weighs their voxels."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence

import numpy as np

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes._errors import number
from keras_cakes._errors import three
from keras_cakes._errors import whole

WEIGHTINGS = ("constant", "gaussian")

# The standard deviation, as a share of the window, of nnU-Net and MONAI.
_SIGMA = 1 / 8
# Smaller weights would cost float32 sums their digits, in voxels that only
# the corner of a large window covers.
_LEAST_WEIGHT = 1e-3


@dataclasses.dataclass(frozen=True)
class Windows:
    """Describes the windows of a prediction.

    Args:
        shape: `(depth, height, width)`.
        batch_size: Windows per pass.
        weighting: `"constant"`, or `"gaussian"`: voxels in the middle of a
            window count for more.
        flip: Axes of the volume along which windows are also flipped.

    Raises:
        ValueError: If an argument is not as stated.
    """

    shape: tuple[int, ...]
    _: dataclasses.KW_ONLY
    batch_size: int = 1
    weighting: str = "constant"
    flip: tuple[int, ...] = ()

    def __post_init__(self):
        three("patch_shape", self.shape)
        whole("batch_size", self.batch_size, least=1)
        choose("weighting", self.weighting, WEIGHTINGS)
        expect(
            "flip",
            self.flip,
            set(self.flip) <= {0, 1, 2}
            and len(set(self.flip)) == len(self.flip),
            "to hold the axes 0, 1 and 2 at most once",
        )

    @functools.cached_property
    def weights(self) -> np.ndarray:
        """Returns the weights of voxels: a float32 array, 1 in the middle."""
        weights = np.ones(self.shape)
        if self.weighting == "gaussian":
            for axis, size in enumerate(self.shape):
                away = (np.arange(size) - (size - 1) / 2) / (_SIGMA * size)
                along = [1, 1, 1]
                along[axis] = size
                weights = weights * np.exp(-(away**2) / 2).reshape(along)
            weights = np.maximum(weights, _LEAST_WEIGHT)
        return weights.astype(np.float32)

    @property
    def poses(self) -> list[tuple[int, ...]]:
        """Returns all combinations of the axes to flip, none first."""
        return [
            axes
            for number in range(len(self.flip) + 1)
            for axes in itertools.combinations(self.flip, number)
        ]

    def steps(
        self, overlap: float, stride: int | Sequence[int] | None
    ) -> tuple[int, ...]:
        """Returns the voxels from one window to the next; see `starts`."""
        number("overlap", overlap, least=0, below=1)
        if stride is None:
            return tuple(
                max(size - round(size * overlap), 1) for size in self.shape
            )
        steps = three("stride", stride)
        expect(
            "stride",
            stride,
            all(a <= b for a, b in zip(steps, self.shape, strict=True)),
            f"to be from 1 to the size of the window, {self.shape}",
        )
        return steps

    def starts(
        self,
        extents: Sequence[int],
        overlap: float = 0.5,
        *,
        stride: int | Sequence[int] | None = None,
    ) -> np.ndarray:
        """Returns the first voxels of the windows that cover a volume.

        The last window of an axis ends where the volume ends.

        Args:
            extents: `(depth, height, width)` of the volume, at least as
                large as the window.
            overlap: Share of a window that the next one covers again, from
                0 to below 1.
            stride: Voxels from one window to the next, along all axes or
                each; by default they follow from `overlap`.

        Returns:
            Int32 array `(windows, 3)`, in the order of depth, then of height.

        Raises:
            ValueError: If windows would leave gaps or not advance.

        Examples:
            >>> Windows((4, 1, 1)).starts((9, 1, 1)).tolist()
            [[0, 0, 0], [2, 0, 0], [4, 0, 0], [5, 0, 0]]
        """
        steps = self.steps(overlap, stride)
        axes = [
            [*range(0, extent - size, step), extent - size]
            for extent, size, step in zip(
                extents, self.shape, steps, strict=True
            )
        ]
        grid = np.meshgrid(*axes, indexing="ij")
        return np.stack(grid, axis=-1).reshape(-1, 3).astype(np.int32)

    def fill(self, image: np.ndarray) -> tuple[np.ndarray, tuple[slice, ...]]:
        """Pads a volume smaller than the window with zeros, centred.

        Args:
            image: Array `(depth, height, width, channels)`.

        Returns:
            The volume as float32, without a copy if it already is large
            enough and float32, and the place of the image in it.
        """
        size = np.array(image.shape[:3])
        missing = np.maximum(np.array(self.shape) - size, 0)
        before = missing // 2
        inside = tuple(
            slice(first, first + length)
            for first, length in zip(
                before.tolist(), size.tolist(), strict=True
            )
        )
        volume = image.astype(np.float32, copy=False)
        if missing.any():
            widths = zip(before, missing - before, strict=True)
            volume = np.pad(volume, [*widths, (0, 0)])
        return volume, inside
