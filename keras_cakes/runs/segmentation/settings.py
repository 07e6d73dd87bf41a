"""Defines the settings of a segmentation run."""

import dataclasses
from typing import ClassVar

from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.data.volumes.synthetic.planted import PLANTED_AXES
from keras_cakes.models.backbones.parts import NORMALIZATIONS
from keras_cakes.runs.settings import SEARCHED
from keras_cakes.runs.settings import RunSettings

CONVOLUTIONS = {
    "3d": "3d",
    "2d": "2d",
    "p3d": "p3d",
    "manual_1d": "1d",
    # "2d" names one plane in `unet3d`, so the three planes are listed.
    "manual_2d": ("1x3x3", "3x1x3", "3x3x1"),
    "manual_1d2d3d": "1d2d3d",
}
VARIANTS = (*CONVOLUTIONS, *SEARCHED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentationSettings(RunSettings):
    """Holds every setting that a segmentation depends on.

    The settings of every run, and

    Args:
        data: Folder in the layout of the MSD, or a list of cases in it other
            than its `dataset.json`, a prepared folder, or `"phantom"`.
        fold: Fold whose cases are for validation.
        cases: Cases to train with, and to validate with; `None` for all.
        patch_shape: `(depth, height, width)` in voxels.
        depth: Levels of the U-Net.
        normalization: `"batch"` or `"instance"`.
        stem_kernel_size: Sizes of the first convolution.
        steps: Training steps of each network.
        search_steps: Training steps of each supernet.
        steps_per_epoch: Steps from one checkpoint to the next.
        foreground: Share of patches placed around a foreground voxel.
        flip: Axes that training flips.
        rotate: Planes, such as `[[0, 2]]`, that training turns.
        overlap: Overlap of the sliding window, from 0 to below 1.
        tolerance: Millimetres by which surfaces may differ for NSD.

    Raises:
        ValueError: If a setting is not as stated.
    """

    fold: int = 0
    cases: int | None = None
    patch_shape: tuple[int, ...] = (48, 64, 48)
    depth: int = 3
    normalization: str = "batch"
    stem_kernel_size: tuple[int, ...] = (3, 3, 3)
    steps: int = 600
    search_steps: int = 600
    steps_per_epoch: int = 50
    foreground: float = 0.67
    flip: tuple[int, ...] = (0, 1, 2)
    rotate: tuple[tuple[int, int], ...] = ()
    overlap: float = 0.5
    tolerance: float = 1.0
    variants: tuple[str, ...] = VARIANTS

    convolutions: ClassVar = CONVOLUTIONS
    synthetic: ClassVar = (
        "phantom",
        *(f"planted_{axis}" for axis in PLANTED_AXES),
        *(f"lines_{axis}" for axis in PLANTED_AXES),
    )

    def __post_init__(self):
        super().__post_init__()
        self.choose(normalization=NORMALIZATIONS)
        self.require_positive(
            ("cases", "depth", "steps", "search_steps", "steps_per_epoch")
        )
        for name in ("steps", "search_steps"):
            steps = getattr(self, name)
            self.expect(
                name,
                steps % min(self.steps_per_epoch, steps) == 0,
                f"to be a multiple of steps_per_epoch={self.steps_per_epoch}",
            )
        whole("fold", self.fold, least=0)
        number("foreground", self.foreground, least=0, most=1)
        number("overlap", self.overlap, least=0, below=1)
        number("tolerance", self.tolerance, least=0)
        self.require_sizes(patch_shape=3, stem_kernel_size=3)
        self.expect("flip", {*self.flip} <= {0, 1, 2}, "to name axes 0 to 2")
