"""Windows: where they lie in a volume and what their voxels weigh."""

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

# nnU-Net and MONAI have settled on this share of the window.
_SIGMA = 1 / 8
# The corners of a large window would weigh so little that float32 sums of
# voxels which no other window covers lose their digits.
_LEAST_WEIGHT = 1e-3


@dataclasses.dataclass(frozen=True)
class Windows:
    """What all windows of a prediction have in common.

    Args:
        shape: `(depth, height, width)`.
        batch_size: Windows per pass.
        weighting: `"constant"`, or `"gaussian"`: voxels in the middle of a
            window count for more.
        flip: Axes of the volume that windows are also turned over along.

    Raises:
        ValueError: If an argument is not as stated.
    """

    shape: tuple[int, ...]
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
        """Float32 array of `shape`, 1 in the middle."""
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
        """All combinations of the axes to flip, none first."""
        return [
            axes
            for number in range(len(self.flip) + 1)
            for axes in itertools.combinations(self.flip, number)
        ]

    def steps(
        self, overlap: float, stride: int | Sequence[int] | None
    ) -> tuple[int, ...]:
        """Returns the voxels from one window to the next, along each axis.

        Args:
            overlap: See `starts`.
            stride: See `starts`.

        Raises:
            ValueError: See `starts`.
        """
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
        stride: int | Sequence[int] | None = None,
    ) -> np.ndarray:
        """First voxels of the windows that cover a volume.

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
            ValueError: If windows would leave gaps or not go on.

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
            The volume as float32, the same one where nothing had to be
            done, and the place of the image in it.
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
