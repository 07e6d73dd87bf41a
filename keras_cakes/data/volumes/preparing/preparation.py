"""Defines the settings of a preparation of volumes."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes._errors import number
from keras_cakes.data.volumes.reading.geometry import Grid

NORMALIZATIONS = ("case", "dataset", "none")
_AXES = ({"L", "R"}, {"P", "A"}, {"I", "S"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preparation:
    """Holds the steps that prepare every volume, in this order.

    Args:
        orientation: Directions of the axes, such as `"RAS"`; `None` keeps the
            file's.
        spacing: Millimetres between voxels along each axis; `None` keeps the
            file's. Images are interpolated linearly, labels by class.
        crop_below: Planes at the borders that hold no voxel above this
            intensity are cut off; `None` cuts nothing. -500 HU is between
            air and body.
        window: Lowest and highest intensity, in Hounsfield units for CT;
            others are clipped. `None` keeps all.
        normalization: `"case"` gives each channel of each volume zero mean
            and unit variance; `"dataset"` uses mean and deviation over the
            foreground of all prepared volumes, as befits CT; `"none"` keeps
            intensities.

    Raises:
        ValueError: If an argument is not as stated.
    """

    orientation: str | None = "RAS"
    spacing: tuple[float, float, float] | None = None
    crop_below: float | None = None
    window: tuple[float, float] | None = None
    normalization: str = "case"

    def __post_init__(self):
        codes = self.orientation
        expect(
            "orientation",
            codes,
            codes is None
            or isinstance(codes, str)
            and len(codes) == 3
            and all(any(code in axis for code in codes) for axis in _AXES),
            "to be three letters of RL, AP and SI, such as 'RAS', or None",
        )
        expect(
            "spacing",
            self.spacing,
            self.spacing is None
            or _are_numbers(self.spacing, 3)
            and all(0.01 <= size <= 100 for size in self.spacing),
            "to be three sizes from 0.01 to 100 mm, or None",
        )
        if self.crop_below is not None:
            number("crop_below", self.crop_below)
        expect(
            "window",
            self.window,
            self.window is None
            or _are_numbers(self.window, 2)
            and self.window[0] < self.window[1],
            "to be a lowest and a higher highest intensity, or None",
        )
        choose("normalization", self.normalization, NORMALIZATIONS)
        for name in ("spacing", "window"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(map(float, value)))

    def grid(self, grid: Grid) -> Grid:
        """Returns the grid that a volume on `grid` gets before cropping."""
        if self.orientation is not None:
            grid = grid.oriented(self.orientation)
        if self.spacing is not None:
            grid = grid.resampled(self.spacing)
        return grid

    def intensity(
        self,
        own: Mapping[str, list[float]],
        foreground: Mapping[str, list[float]],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns mean and deviation that normalize each channel of a volume.

        Args:
            own: `"mean"` and `"deviation"` of the volume.
            foreground: The same over the foreground of all volumes.
        """
        known = foreground if self.normalization == "dataset" else own
        mean = np.asarray(known["mean"], np.float32)
        deviation = np.asarray(known["deviation"], np.float32)
        if self.normalization == "none":
            return np.zeros_like(mean), np.ones_like(deviation)
        return mean, deviation

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Preparation":
        """Makes a preparation from the result of `settings`.

        Raises:
            TypeError: If an argument is unknown.
            ValueError: If an argument is not as stated.
        """
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
        }
        return cls(**values)

    def settings(self) -> dict[str, Any]:
        """Returns the arguments as plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def _are_numbers(values: Any, count: int) -> bool:
    return (
        not isinstance(values, str)
        and len(values) == count
        and bool(np.isfinite(np.asarray(values, np.float64)).all())
    )
