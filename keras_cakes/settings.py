"""The settings of a segmentation run."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from keras_cakes.layers.cakes_search_conv3d import DRAWS
from keras_cakes.models.parts import NORMALIZATIONS
from keras_cakes.selection import RULES
from keras_cakes.sub_kernels import kernel_set

PRIORITIES = ("performance", "cost")
VARIANTS = (
    "3d",
    "2d",
    "p3d",
    "manual_1d",
    "manual_2d",
    "manual_1d2d3d",
    *PRIORITIES,
    "random",
)
_CHOICES: dict[str, tuple[str, ...]] = {
    "normalization": NORMALIZATIONS,
    "draw": DRAWS,
    "aggregation": ("auto", "concat", "sum"),
    "rule": RULES,
}


@dataclasses.dataclass(frozen=True)
class SegmentationSettings:
    """Everything that the result of a segmentation run depends on.

    Args:
        data: Folder in the layout of the MSD, or a list of cases in it other
            than its `dataset.json`, or `"phantom"`.
        fold: Fold whose cases are for validation.
        cases: Number of cases used of each side; `None` for all.
        patch_shape: `(depth, height, width)` in voxels.
        batch_size: Patches per step.
        width: Channels of the first level of the U-Net.
        depth: Levels of the U-Net.
        normalization: `"batch"` or `"instance"`.
        steps: Training steps of each network.
        search_steps: Training steps of each supernet.
        steps_per_epoch: Steps from one checkpoint to the next.
        learning_rate: Learning rate at the start.
        kernel_set: Name of the kernel set that is searched.
        draw: `"independent"` or `"balanced"` random paths.
        lasso: Strength of the cost-priority lasso. Over 600 steps at 0.1,
            7e-4 shrinks as much as the paper's 1e-4 over 40,000 at 0.01.
        aggregation: `"auto"`, `"concat"` or `"sum"`; see `to_supernet`.
        rule: `"channel"` or `"layer"`; see `derive`.
        channel_multiple: Channels of each sub-kernel are rounded to a
            multiple of this; see `derive`.
        foreground: Share of patches placed around a foreground voxel.
        flip: Axes that training flips.
        rotate: Planes, such as `[[0, 2]]`, that training turns.
        overlap: Overlap of the sliding window, from 0 to below 1.
        seed: Start of all random numbers.
        variants: The networks to compare.

    Raises:
        ValueError: If a setting is not as stated.
    """

    data: str = "phantom"
    fold: int = 0
    cases: int | None = None
    patch_shape: tuple[int, ...] = (48, 64, 48)
    batch_size: int = 2
    width: int = 16
    depth: int = 3
    normalization: str = "batch"
    steps: int = 600
    search_steps: int = 600
    steps_per_epoch: int = 50
    learning_rate: float = 0.1
    kernel_set: str = "1d2d3d"
    draw: str = "independent"
    lasso: float = 7e-4
    aggregation: str = "auto"
    rule: str = "channel"
    channel_multiple: int = 1
    foreground: float = 0.67
    flip: tuple[int, ...] = (0, 1, 2)
    rotate: tuple[tuple[int, int], ...] = ()
    overlap: float = 0.5
    seed: int = 0
    variants: tuple[str, ...] = VARIANTS

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check_type(field, getattr(self, field.name))
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            _expect(name, value in allowed, self, f"to be one of {allowed}")
        kernel_set(self.kernel_set)
        positive = (
            "batch_size",
            "width",
            "depth",
            "steps",
            "search_steps",
            "steps_per_epoch",
            "learning_rate",
            "channel_multiple",
        )
        for name in positive:
            _expect(name, getattr(self, name) > 0, self, "to be positive")
        _expect(
            "cases",
            self.cases is None or self.cases > 0,
            self,
            "to be positive or None",
        )
        for name in ("steps", "search_steps"):
            steps = getattr(self, name)
            _expect(
                name,
                steps % min(self.steps_per_epoch, steps) == 0,
                self,
                f"to be a multiple of steps_per_epoch={self.steps_per_epoch}",
            )
        _expect(
            "variants",
            self.variants and set(self.variants) <= set(VARIANTS),
            self,
            f"to name some of {VARIANTS}",
        )
        for name in ("lasso", "fold"):
            value = getattr(self, name)
            _expect(name, value >= 0, self, "to be 0 or more")
        value = self.foreground
        _expect("foreground", 0 <= value <= 1, self, "to lie from 0 to 1")
        value = self.overlap
        _expect("overlap", 0 <= value < 1, self, "to lie from 0 to below 1")
        # Seeds of data and path draws are signed integers of 32 bits.
        _expect("seed", 0 <= self.seed < 2**31 - 1, self, "from 0 to 2**31 - 2")
        shape = self.patch_shape
        _expect(
            "patch_shape",
            len(shape) == 3 and all(_is_size(size) for size in shape),
            self,
            "to be three positive sizes",
        )
        _expect("flip", {*self.flip} <= {0, 1, 2}, self, "to name axes 0 to 2")
        if self.data != "phantom":
            # The same folder under two names is the same run.
            object.__setattr__(self, "data", str(Path(self.data).resolve()))


def read_settings(file: Path) -> dict[str, Any]:
    """Reads what a run folder says of its settings.

    Raises:
        ValueError: If the file does not hold settings; it names the file.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        names = {f.name for f in dataclasses.fields(SegmentationSettings)}
        if set(values) - names:
            raise ValueError(f"unknown settings {sorted(set(values) - names)}")
        values = {name: _tuples(value) for name, value in values.items()}
        SegmentationSettings(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{file}: the settings of a run are expected. Received: {error}"
        ) from None
    return values


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and value > 0


def _check_type(field: dataclasses.Field, value: Any) -> None:
    kind = type(field.default)
    allowed: Any = (int, float) if kind is float else kind
    if field.name == "cases":
        kind, allowed = int, (int, type(None))
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise ValueError(
            f"`{field.name}` is expected to be of type {kind.__name__}. "
            f"Received: {field.name}={value!r}"
        )


def _expect(name: str, holds: Any, settings: Any, expected: str) -> None:
    if not holds:
        value = json.dumps(getattr(settings, name))
        raise ValueError(
            f"`{name}` is expected {expected}. Received: {name}={value}"
        )
