"""States what a kind of run has to define."""

import abc
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import keras


class RunTask(abc.ABC):
    """Defines the data, the network, the recipe and the scores of a run."""

    # What `build(...)` takes for the variants that need no search.
    convolutions: ClassVar[dict[str, Any]]
    # Settings that say where the data lie, which may move.
    places: ClassVar[tuple[str, ...]] = ("data",)
    # What `data_record` is made of.
    compared: ClassVar[str]

    @abc.abstractmethod
    def prepare(self) -> None:
        """Loads the data."""

    @abc.abstractmethod
    def build(self, convolution: Any) -> keras.Model:
        """The network of certain convolutions."""

    @abc.abstractmethod
    def compile(self, model: keras.Model, steps: int, is_search: bool) -> None:
        """Compiles a network, or a supernet, for a number of steps."""

    @abc.abstractmethod
    def batches(self, start_step: int, steps: int) -> Any:
        """The training data from one step on."""

    @abc.abstractmethod
    def steps(self, priority: str | None) -> tuple[int, int]:
        """Steps of a search, or of a network, and those of an epoch."""

    @abc.abstractmethod
    def score(self, network: keras.Model) -> list[dict[str, Any]]:
        """A row for each validation case."""

    @property
    @abc.abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    @abc.abstractmethod
    def training_names(self) -> tuple[str, ...]:
        """Names of the training cases."""

    @abc.abstractmethod
    def data_record(self) -> dict[str, Any]:
        """Tells the data from others, wherever they lie."""

    @abc.abstractmethod
    def prediction_record(self) -> dict[str, Any]:
        """Holds what prediction needs to know of the data."""

    @abc.abstractmethod
    def keep(self, names: Sequence[str]) -> None:
        """Leaves only these training cases; `prepare` brings all back."""
