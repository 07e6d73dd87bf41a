"""Defines the tasks of the search study: data, networks, recipes."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from keras_cakes.models.backbones.convolution import apply_convolution
from keras_cakes.models.backbones.convolution import build_with
from keras_cakes.models.backbones.parts import normalize
from keras_cakes.runs import SegmentationSettings
from keras_cakes.runs import VideoSettings
from keras_cakes.runs.clips.run import VideoTask
from keras_cakes.runs.segmentation.run import SegmentationTask
from keras_cakes.runs.settings import RunSettings
from keras_cakes.runs.task import Task as RunTask

# Only what is searched may see neighbours: a stem of 3x3x3 would see what is
# planted.
PLANTED_VOLUMES = SegmentationSettings(
    data="planted_height",
    patch_shape=(16, 16, 16),
    width=8,
    depth=2,
    stem_kernel_size=(1, 1, 1),
    batch_size=4,
    steps=300,
    search_steps=400,
    steps_per_epoch=100,
    flip=(),
)
ONE = dataclasses.replace(PLANTED_VOLUMES, search_steps=1500)
SHORT = dataclasses.replace(
    PLANTED_VOLUMES,
    data="lines_height",
    width=4,
    steps=6,
    search_steps=6,
    steps_per_epoch=3,
)
HIPPOCAMPUS = dataclasses.replace(
    PLANTED_VOLUMES,
    depth=3,
    stem_kernel_size=(3, 3, 3),
    steps=400,
    search_steps=800,
)
PLANTED_CLIPS = VideoSettings(
    data="planted_time",
    channels=1,
    frames=8,
    size=(16, 16),
    crop="none",
    flip=False,
    width=8,
    stages=2,
    stem_kernel_size=(1, 1, 1),
    batch_size=16,
    epochs=12,
    learning_rate=0.1,
    draw="balanced",
    kernel_set="1d2d3d",
)
FIR = dataclasses.replace(
    PLANTED_CLIPS,
    data="",
    flip=True,
    standardize=True,
    remainder="spread",
    width=16,
    stages=3,
    stem_kernel_size=(1, 3, 3),
    epochs=60,
    clips_per_class=20,
    kernel_set="video_1d2d3d",
)


class OneConvolution(SegmentationTask):
    """Segments with a network that has one convolution to search."""

    def build(self, convolution: Any) -> keras.Model:
        """Builds one 3x3x3 convolution between two of 1x1x1."""

        def network(apply):
            image = keras.Input((*self.settings.patch_shape, 1), name="image")
            x = apply_convolution(image, 4, 1, "stem")
            x = apply(x, 4 * self.settings.width, 3, "conv")
            x = normalize(x, "batch", "norm")
            x = keras.layers.ReLU(name="relu")(x)
            x = apply_convolution(x, len(self.data.classes), 1, "logits")
            return keras.Model(image, x, name="one_convolution")

        return build_with(network, convolution)


@dataclasses.dataclass(frozen=True)
class Task:
    """Describes a task.

    Args:
        kind: Makes the task of a run from its settings.
        settings: Its settings.
        lasso: Strength of the lasso, in proportion to the length of the
            search.
        axes: Names of the axes, if one of them is planted.
    """

    kind: Callable[[Any], RunTask]
    settings: RunSettings
    lasso: float = 6e-3
    axes: tuple[str, ...] = ()


VOLUME_AXES = ("depth", "height", "width")
CLIP_AXES = ("time", "height", "width")


def _planted(
    kind: Callable[[Any], RunTask],
    settings: Any,
    data: str,
    axes: tuple[str, ...],
    lasso: float,
) -> Task:
    return Task(kind, dataclasses.replace(settings, data=data), lasso, axes)


TASKS = {
    **{
        f"one_{axis}": _planted(
            OneConvolution, ONE, f"planted_{axis}", VOLUME_AXES, 6e-4
        )
        for axis in VOLUME_AXES
    },
    **{
        f"lines_{axis}": _planted(
            SegmentationTask,
            PLANTED_VOLUMES,
            f"lines_{axis}",
            VOLUME_AXES,
            1e-3,
        )
        for axis in VOLUME_AXES
    },
    **{
        f"clips_{kind}": _planted(
            VideoTask, PLANTED_CLIPS, f"planted_{kind}", CLIP_AXES, 1e-3
        )
        for kind in (*CLIP_AXES, "mixed")
    },
    "short": Task(SegmentationTask, SHORT, axes=VOLUME_AXES),
    "hippocampus": Task(SegmentationTask, HIPPOCAMPUS),
    "fir_20": Task(VideoTask, FIR),
}
