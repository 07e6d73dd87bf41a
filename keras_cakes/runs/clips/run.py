"""Runs on clips: a network of one prediction a clip, scored by accuracy."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import keras

from keras_cakes.data.clips.batches.clip_augmentation import ClipAugmentation
from keras_cakes.data.clips.batches.clip_views import clip_views
from keras_cakes.data.clips.batches.clips import clips
from keras_cakes.evaluation.clips.clip_predictions import predict_clips
from keras_cakes.evaluation.clips.clip_scores import clip_rows
from keras_cakes.models.backbones.residual_video import residual_video
from keras_cakes.models.backbones.resnet50_video import resnet50_video
from keras_cakes.runs.clips.data import load_video_data
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.run import SearchRun
from keras_cakes.training.recipes import compile_video


class VideoRun(SearchRun):
    """The run of a network for clips.

    Args:
        folder: The run folder.
        settings: The settings of the run.
        verbose: As in `model.fit`.
    """

    convolutions: ClassVar[dict[str, Any]] = {
        "3d": "3d",
        "2d": "2d",
        "p3d": "p3d",
        "manual_1d2d": "video_1d2d",
        "manual_2d3d": "video_2d3d",
        "manual_1d2d3d": "video_1d2d3d",
    }
    compared = "classes, names, labels and frames of clips, and manifests"
    places = ("data", "validation", "root")

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: VideoSettings,
        verbose: int | str = "auto",
    ):
        self.settings = settings
        super().__init__(folder, settings, verbose)

    def prepare(self) -> None:
        self.data = load_video_data(self.settings)
        self.augmentation = augmentation_of(self.settings)

    def data_record(self) -> dict[str, Any]:
        return self.data.record()

    def prediction_record(self) -> dict[str, Any]:
        return self.data.prediction_record(self.settings)

    @property
    def training_names(self) -> tuple[str, ...]:
        return self.data.training.names

    def keep(self, names: Sequence[str]) -> None:
        training = self.data.training.subset(names)
        self.data = dataclasses.replace(self.data, training=training)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.data.classes

    def build(self, convolution: Any) -> keras.Model:
        settings = self.settings
        channels = self.data.training.channels
        shape = (settings.frames, *settings.size, channels)
        classes = len(self.data.classes)
        if settings.network == "resnet50":
            return resnet50_video(
                shape, classes, convolution, dropout=settings.dropout
            )
        return residual_video(
            shape,
            classes,
            convolution,
            width=settings.width,
            stages=settings.stages,
            blocks=settings.blocks,
            dropout=settings.dropout,
            stem_kernel_size=settings.stem_kernel_size,
        )

    def compile(self, model: keras.Model, steps: int, is_search: bool) -> None:
        steps_per_epoch = self._steps_per_epoch
        epochs = steps // steps_per_epoch
        compile_video(
            model,
            steps_per_epoch,
            epochs,
            is_search=is_search,
            learning_rate=self.settings.learning_rate,
            decay=self.settings.decay,
        )

    def batches(self, start_step: int, steps: int) -> Any:
        settings = self.settings
        return clips(
            self.data.training,
            settings.frames,
            batch_size=settings.batch_size,
            seed=settings.seed,
            start_step=start_step,
            steps=steps,
            augmentation=self.augmentation,
            short=settings.short,
            remainder=settings.remainder,
            on_error=settings.on_error,
        )

    def steps(self, priority: str | None) -> tuple[int, int]:
        steps = self._steps_per_epoch
        return steps * self.settings.epochs_of(priority), steps

    def score(self, network: keras.Model) -> list[dict[str, Any]]:
        validation = self.data.validation
        predictions = predict_clips(
            network, views_of(validation, self.settings)
        )
        return clip_rows(predictions, validation.names)

    @property
    def _steps_per_epoch(self) -> int:
        # The rest of an incomplete batch comes first in the next epoch.
        return len(self.data.training) // self.settings.batch_size


def augmentation_of(settings: VideoSettings) -> ClipAugmentation:
    """How frames become what a network sees."""
    height, width = settings.size
    return ClipAugmentation(
        (height, width),
        settings.crop,
        flip=settings.flip,
        flip_pairs=settings.label_swaps,
        standardize=settings.standardize,
    )


def views_of(source: Any, settings: VideoSettings) -> Any:
    """What evaluation sees of clips."""
    return clip_views(
        source,
        settings.frames,
        batch_size=settings.batch_size,
        clips=settings.views,
        crops=settings.crops,
        augmentation=augmentation_of(settings),
        short=settings.short,
    )
