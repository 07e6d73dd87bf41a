"""Runs segmentations: a U-Net on patches of volumes, scored by DSC."""

import functools
import math
import os
from typing import Any

import keras

from keras_cakes.data.volumes.patches.patches import patches
from keras_cakes.evaluation.volumes.scores import score_cases
from keras_cakes.models.backbones.unet3d import unet3d
from keras_cakes.runs.run import SearchRun
from keras_cakes.runs.segmentation.data import SegmentationData
from keras_cakes.runs.segmentation.data import load_segmentation_data
from keras_cakes.runs.segmentation.settings import SegmentationSettings
from keras_cakes.training.recipes import compile_segmentation


class SegmentationTask:
    """Trains a residual U-Net on patches and scores it on whole volumes.

    See `keras_cakes.runs.task.Task` for the methods.

    Args:
        settings: The settings of the run.
    """

    def __init__(self, settings: SegmentationSettings):
        self.settings = settings

    @functools.cached_property
    def data(self) -> SegmentationData:
        return load_segmentation_data(self.settings)

    def build(self, convolution: Any) -> keras.Model:
        settings = self.settings
        return unet3d(
            input_shape=(*settings.patch_shape, self.data.channels),
            classes=len(self.data.classes),
            convolution=convolution,
            width=settings.width,
            depth=settings.depth,
            normalization=settings.normalization,
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
        settings = self.settings
        steps = settings.search_steps if priority else settings.steps
        if tuning is not None:
            steps = tuning
        compile_segmentation(
            model,
            self.data.classes,
            steps=steps,
            learning_rate=settings.learning_rate if tuning is None else None,
            is_tuning=tuning is not None,
        )
        return steps, math.gcd(steps, min(settings.steps_per_epoch, steps))

    def batches(self, training: Any, start_step: int, steps: int) -> Any:
        settings = self.settings
        return patches(
            training,
            settings.patch_shape,
            batch_size=settings.batch_size,
            seed=settings.seed,
            start_step=start_step,
            steps=steps,
            foreground=settings.foreground,
            flip=settings.flip,
            rotate=settings.rotate,
        )

    def score(self, network: keras.Model) -> list[dict[str, Any]]:
        return score_cases(
            network,
            self.data.validation,
            class_names=self.data.classes,
            patch_shape=self.settings.patch_shape,
            overlap=self.settings.overlap,
            surface=True,
            tolerance=self.settings.tolerance,
        )


class SegmentationRun(SearchRun):
    """Runs a segmentation in a folder.

    Args:
        folder: The run folder.
        settings: The settings of the run.
        verbose: As in `model.fit`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: SegmentationSettings,
        *,
        verbose: int | str = "auto",
    ):
        super().__init__(folder, SegmentationTask(settings), verbose=verbose)
