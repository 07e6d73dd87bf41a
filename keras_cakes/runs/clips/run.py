"""Runs networks for clips: one prediction a clip, scored by accuracy."""

import functools
import os
from typing import Any

import keras

from keras_cakes.data.clips.batches.clip_augmentation import ClipAugmentation
from keras_cakes.data.clips.batches.clip_views import clip_views
from keras_cakes.data.clips.batches.clips import clips
from keras_cakes.evaluation.clips.clip_predictions import predict_clips
from keras_cakes.evaluation.clips.clip_scores import clip_rows
from keras_cakes.models.backbones.residual_video import residual_video
from keras_cakes.models.backbones.resnet50_video import resnet50_video
from keras_cakes.runs.clips.data import VideoData
from keras_cakes.runs.clips.data import load_video_data
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.run import SearchRun
from keras_cakes.training.recipes import compile_video


class VideoTask:
    """Trains a network on clips and scores its accuracy on others.

    See `keras_cakes.runs.task.Task` for the methods.

    Args:
        settings: The settings of the run.
    """

    def __init__(self, settings: VideoSettings):
        self.settings = settings

    @functools.cached_property
    def data(self) -> VideoData:
        return load_video_data(self.settings)

    def build(self, convolution: Any) -> keras.Model:
        settings = self.settings
        channels = self.data.training.channels
        shape = (settings.frames, *settings.size, channels)
        classes = len(self.data.classes)
        if settings.network == "resnet50":
            return resnet50_video(
                shape,
                classes,
                convolution=convolution,
                dropout=settings.dropout,
            )
        return residual_video(
            shape,
            classes,
            convolution=convolution,
            width=settings.width,
            stages=settings.stages,
            blocks=settings.blocks,
            dropout=settings.dropout,
            stem_kernel_size=settings.stem_kernel_size,
        )

    def compile(
        self,
        model: keras.Model,
        training: Any,
        priority: str | None,
        *,
        tuning: int | None = None,
    ) -> tuple[int, int]:
        # The rest of an incomplete batch comes first in the next epoch.
        steps_per_epoch = len(training) // self.settings.batch_size
        epochs = self.settings.epochs_of(priority)
        if tuning is not None:
            steps_per_epoch, epochs = tuning, 1
        compile_video(
            model,
            steps_per_epoch,
            epochs=epochs,
            is_search=priority == "performance",
            is_tuning=tuning is not None,
            learning_rate=(
                self.settings.learning_rate if tuning is None else None
            ),
            decay=self.settings.decay,
        )
        return steps_per_epoch * epochs, steps_per_epoch

    def batches(self, training: Any, start_step: int, steps: int) -> Any:
        settings = self.settings
        return clips(
            training,
            settings.frames,
            batch_size=settings.batch_size,
            seed=settings.seed,
            start_step=start_step,
            steps=steps,
            augmentation=augmentation_of(settings),
            short=settings.short,
            remainder=settings.remainder,
            on_error=settings.on_error,
        )

    def score(self, network: keras.Model) -> list[dict[str, Any]]:
        validation = self.data.validation
        views = views_of(validation, self.settings)
        return clip_rows(predict_clips(network, views), validation.names)


class VideoRun(SearchRun):
    """Runs the search and the training of a network for clips in a folder.

    Args:
        folder: The run folder.
        settings: The settings of the run.
        verbose: As in `model.fit`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: VideoSettings,
        *,
        verbose: int | str = "auto",
    ):
        super().__init__(folder, VideoTask(settings), verbose=verbose)


def augmentation_of(settings: VideoSettings) -> ClipAugmentation:
    """Returns the augmentation that turns frames into inputs."""
    height, width = settings.size
    return ClipAugmentation(
        (height, width),
        settings.crop,
        flip=settings.flip,
        flip_pairs=settings.label_swaps,
        standardize=settings.standardize,
    )


def views_of(source: Any, settings: VideoSettings) -> Any:
    """Returns the samplings and crops of clips that evaluation averages."""
    return clip_views(
        source,
        settings.frames,
        batch_size=settings.batch_size,
        clips=settings.views,
        crops=settings.crops,
        augmentation=augmentation_of(settings),
        short=settings.short,
    )
