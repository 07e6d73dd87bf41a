"""Segmentation runs: a U-Net on patches of volumes, scored by DSC."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import keras

from keras_cakes.data.volumes.patches.patches import patches
from keras_cakes.data.volumes.preparing.prepared import PreparedDataset
from keras_cakes.evaluation.volumes.scores import score_cases
from keras_cakes.models.backbones.unet3d import unet3d
from keras_cakes.runs.run import SearchRun
from keras_cakes.runs.segmentation.data import load_segmentation_data
from keras_cakes.runs.segmentation.settings import SegmentationSettings
from keras_cakes.training.recipes import compile_segmentation


class SegmentationRun(SearchRun):
    """The run of a segmentation.

    Args:
        folder: The run folder.
        settings: The settings of the run.
        verbose: As in `model.fit`.
    """

    # "2d" names one plane in `unet3d`, so the three planes are listed.
    convolutions: ClassVar[dict[str, Any]] = {
        "3d": "3d",
        "2d": "2d",
        "p3d": "p3d",
        "manual_1d": "1d",
        "manual_2d": ("1x3x3", "3x1x3", "3x3x1"),
        "manual_1d2d3d": "1d2d3d",
    }
    compared = "classes, names and shapes of cases, and the manifest"

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: SegmentationSettings,
        verbose: int | str = "auto",
    ):
        self.settings = settings
        super().__init__(folder, settings, verbose)

    def prepare(self) -> None:
        self.data = load_segmentation_data(self.settings)

    def data_record(self) -> dict[str, Any]:
        return self.data.record()

    def prediction_record(self) -> dict[str, Any]:
        return self.data.prediction_record(self.settings)

    @property
    def training_names(self) -> tuple[str, ...]:
        training = self.data.training
        if isinstance(training, PreparedDataset):
            return tuple(case.name for case in training.cases)
        return tuple(volume.name for volume in training)

    def keep(self, names: Sequence[str]) -> None:
        training = self.data.training
        if isinstance(training, PreparedDataset):
            training = training.subset(tuple(names))
        else:
            known = {volume.name: volume for volume in training}
            training = [known[name] for name in names]
        self.data = dataclasses.replace(self.data, training=training)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.data.classes

    def build(self, convolution: Any) -> keras.Model:
        settings = self.settings
        channels = self.data.validation[0].image.shape[-1]
        return unet3d(
            input_shape=(*settings.patch_shape, channels),
            classes=len(self.data.classes),
            convolution=convolution,
            width=settings.width,
            depth=settings.depth,
            normalization=settings.normalization,
            stem_kernel_size=settings.stem_kernel_size,
        )

    def compile(self, model: keras.Model, steps: int, is_search: bool) -> None:
        compile_segmentation(
            model,
            self.data.classes,
            steps=steps,
            learning_rate=self.settings.learning_rate,
        )

    def batches(self, start_step: int, steps: int) -> Any:
        settings = self.settings
        return patches(
            self.data.training,
            settings.patch_shape,
            batch_size=settings.batch_size,
            seed=settings.seed,
            start_step=start_step,
            steps=steps,
            foreground=settings.foreground,
            flip=settings.flip,
            rotate=settings.rotate,
        )

    def steps(self, priority: str | None) -> tuple[int, int]:
        settings = self.settings
        steps = settings.search_steps if priority else settings.steps
        return steps, min(settings.steps_per_epoch, steps)

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
