"""Defines the settings of a run on clips."""

import dataclasses
from typing import ClassVar

from keras_cakes._errors import number
from keras_cakes.data.arguments import ON_ERROR
from keras_cakes.data.clips.batches.clip_augmentation import CROPS
from keras_cakes.data.clips.batches.sampling import REMAINDERS
from keras_cakes.data.clips.batches.sampling import SHORT
from keras_cakes.data.clips.sources import CHANNELS
from keras_cakes.data.clips.synthetic.planted_clips import PLANTED_KINDS
from keras_cakes.runs.settings import SEARCHED
from keras_cakes.runs.settings import RunSettings

CONVOLUTIONS = {
    "3d": "3d",
    "2d": "2d",
    "p3d": "p3d",
    "manual_1d2d": "video_1d2d",
    "manual_2d3d": "video_2d3d",
    "manual_1d2d3d": "video_1d2d3d",
}
VARIANTS = (*CONVOLUTIONS, *SEARCHED)
NETWORKS = ("residual", "resnet50")


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoSettings(RunSettings):
    """Holds every setting that a run on clips depends on.

    The settings of every run, and

    Args:
        data: A CSV list with a column `split`, a folder with a pack or class
            folders for each of the two splits, or `"phantom"`. With
            `validation`: a pack, a list or class folders.
        validation: Clips to validate with, if `data` holds none.
        training_split: Name of the split to train on.
        validation_split: Name of the split to validate with.
        root: Folder that the paths of a list are below; by default its own.
        network: `"residual"`, a small network of `width` and `stages`, or
            `"resnet50"`, the paper's.
        stages: Stages of the residual network.
        blocks: Blocks in each of its stages.
        stem_kernel_size: Sizes of its first convolution.
        frames: Frames per clip, one of each segment.
        size: `(height, width)` of frames, in pixels.
        crop: `"multi_scale"`, `"random"`, `"centre"` or `"none"`; see
            `ClipAugmentation`.
        channels: 3, or 1 for grey.
        flip: Whether training mirrors clips.
        label_swaps: Pairs of labels, such as 86,87, that a mirror turns into
            each other.
        standardize: Whether each clip is brought to zero mean and unit
            deviation, instead of those of ImageNet.
        short: Frames of clips shorter than `frames`: `"spread"` or
            `"published"`; see `segment_frames`.
        remainder: Frames behind the last segment in training: `"dropped"`, as
            published, or `"spread"`; see `segment_frames`.
        views: Samplings of frames in evaluation.
        crops: Crops of each sampling in evaluation, 1 or 3.
        on_error: Training stops at a clip that it cannot read (`"raise"`),
            or puts another in its place (`"skip"`).
        clips_per_class: Training clips used of each class, drawn by the seed;
            `None` for all.
        epochs: Epochs of each network.
        search_epochs: Epochs of each supernet; by default twice as many for
            the performance priority, as many for the cost priority.
        decay: Weight decay of kernels.
        dropout: Share of features that the head drops.

    Raises:
        ValueError: If a setting is not as stated.
    """

    validation: str = ""
    training_split: str = "train"
    validation_split: str = "val"
    root: str = ""
    network: str = "residual"
    stages: int = 3
    blocks: int = 1
    stem_kernel_size: tuple[int, ...] = (1, 3, 3)
    frames: int = 8
    size: tuple[int, ...] = (112, 112)
    crop: str = "multi_scale"
    channels: int = 3
    flip: bool = False
    label_swaps: tuple[tuple[int, int], ...] = ()
    standardize: bool = False
    short: str = "spread"
    remainder: str = "dropped"
    views: int = 1
    crops: int = 1
    on_error: str = "raise"
    clips_per_class: int | None = None
    epochs: int = 70
    search_epochs: int | None = None
    decay: float = 3e-4
    dropout: float = 0.3
    # The paper's recipe for clips.
    batch_size: int = 16
    learning_rate: float = 0.04
    kernel_set: str = "video_1d2d3d"
    lasso: float = 1e-4
    variants: tuple[str, ...] = VARIANTS

    convolutions: ClassVar = CONVOLUTIONS
    synthetic: ClassVar = (
        "phantom",
        *(f"planted_{kind}" for kind in PLANTED_KINDS),
    )
    places: ClassVar = ("data", "validation", "root")

    def __post_init__(self):
        super().__post_init__()
        self.choose(
            network=NETWORKS,
            crop=CROPS,
            channels=CHANNELS,
            crops=(1,) if self.crop == "none" else (1, 3),
            short=SHORT,
            remainder=REMAINDERS,
            on_error=ON_ERROR,
        )
        self.require_positive(
            (
                *("stages", "blocks", "frames", "views"),
                *("clips_per_class", "epochs", "search_epochs"),
            )
        )
        self.require_sizes(size=2, stem_kernel_size=3)
        number("decay", self.decay, least=0)
        number("dropout", self.dropout, least=0, below=1)
        self.resolve_paths(("validation", "root"))

    def epochs_of(self, priority: str | None) -> int:
        """Counts the epochs of a search, or without a priority of a network."""
        if priority is None:
            return self.epochs
        if self.search_epochs is not None:
            return self.search_epochs
        return self.epochs * (2 if priority == "performance" else 1)
