"""Defines the protocol of a task: data, network, recipe and scores."""

from collections.abc import Sequence
from typing import Any
from typing import Protocol

import keras

from keras_cakes.runs.settings import RunSettings


class Data(Protocol):
    """Holds the cases to train on and to validate with."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names the classes."""

    @property
    def training_names(self) -> tuple[str, ...]:
        """Names the training cases."""

    @property
    def compared(self) -> str:
        """Names the contents of `record`, in words."""

    def training_data(self, names: Sequence[str] | None = None) -> Any:
        """Returns the training cases, all or only those named."""

    def record(self) -> dict[str, Any]:
        """Describes the data without their place, for `data.json`."""

    def prediction_record(self, settings: Any) -> dict[str, Any]:
        """Describes how a new case is prepared, for `prediction.json`."""


class Task(Protocol):
    """Defines the data, the network, the recipe and the scores of a run.

    `SearchRun` calls nothing else. A class with these members makes another
    kind of run; it needs no base class.
    """

    @property
    def settings(self) -> RunSettings:
        """Returns the settings of the run."""

    @property
    def data(self) -> Data:
        """Loads the data at the first access, and keeps them."""

    def build(self, convolution: Any) -> keras.Model:
        """Builds the network with a kind of convolution."""

    def compile(
        self,
        model: keras.Model,
        training: Any,
        priority: str | None,
        *,
        tuning: int | None = None,
    ) -> tuple[int, int]:
        """Compiles a model; returns its training steps and those of an epoch.

        Args:
            model: A supernet or a network.
            training: Training cases, from `Data.training_data`.
            priority: Priority of a search; `None` for a network.
            tuning: Steps of a trained network that was shrunk, which has a
                recipe of its own; `None` for a training.
        """

    def batches(self, training: Any, start_step: int, steps: int) -> Any:
        """Returns the batches of `steps` steps, from a step on."""

    def score(self, network: keras.Model) -> list[dict[str, Any]]:
        """Scores a network; returns a row for each validation case."""
