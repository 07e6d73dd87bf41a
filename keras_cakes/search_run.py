"""The steps of any run: search, derive, train, evaluate."""

import abc
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import ClassVar

import keras

from keras_cakes._errors import RunError
from keras_cakes._errors import choose
from keras_cakes.baselines import random_configuration
from keras_cakes.configuration import Configuration
from keras_cakes.conversion import replace
from keras_cakes.cost import count_cost
from keras_cakes.cost_comparison import compare_cost
from keras_cakes.derivation import derive
from keras_cakes.derivation import path_weight_rows
from keras_cakes.runs import RunFolder
from keras_cakes.runs import write_atomic
from keras_cakes.runs import write_json
from keras_cakes.runs import write_table
from keras_cakes.runs import write_text
from keras_cakes.scoring import sample_paths
from keras_cakes.search import to_supernet
from keras_cakes.settings import PRIORITIES
from keras_cakes.settings import RunSettings
from keras_cakes.supernet import Supernet
from keras_cakes.training import VERBOSE
from keras_cakes.training import fit_resumable
from keras_cakes.training import load_whole

# Training batches beyond those of any training: other crops of the same data.
OTHER_BATCHES = 1_000_000


class SearchRun(abc.ABC):
    """One run folder and the steps that fill it.

    Every step returns at once if its result is there already, and takes up
    its training where it stopped. A kind of run says what its data, its
    network, its recipe and its scores are.

    Args:
        folder: The run folder.
        settings: The settings of the run.
        verbose: As in `model.fit`.
    """

    # What `build(...)` takes for the variants that need no search.
    convolutions: ClassVar[dict[str, Any]]

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: RunSettings,
        verbose: int | str = "auto",
    ):
        self.verbose = choose("verbose", verbose, VERBOSE)
        # Bad data, and settings that do not fit them, are found before the
        # folder exists.
        self.prepare()
        self.build("3d")
        self.folder = RunFolder(
            folder,
            dataclasses.asdict(settings),
            # Each network is made alone, so others may join later.
            free=("variants",),
        )
        self._settings = settings

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
    def keep(self, names: Sequence[str]) -> None:
        """Leaves only these training cases; `prepare` brings all back."""

    @property
    def variants(self) -> tuple[str, ...]:
        """The networks that are compared."""
        return self._settings.variants

    @property
    def kernel_set(self) -> Any:
        """The sub-kernels that a search may choose."""
        return self._settings.kernel_set

    def search(self, priority: str) -> Path:
        """Trains the supernet of a search; returns its file."""
        choose("priority", priority, PRIORITIES)
        settings = self._settings
        folder = self.folder / "search" / priority
        supernet_file = folder / "supernet.keras"
        if supernet_file.is_file():
            return supernet_file
        self._seed()
        supernet = to_supernet(
            self.build("3d"),
            kernel_set=settings.kernel_set,
            priority=priority,
            lasso=settings.lasso,
            draw=settings.draw,
            aggregation=settings.aggregation,
            seed=settings.seed,
            weights=settings.weights,
        )
        trained = self._fit(supernet, folder, priority)
        write_table(folder / "path_weights.csv", path_weight_rows(trained))
        _finish(trained, supernet_file)
        return supernet_file

    def derive(self, priority: str) -> Configuration:
        """Derives the configuration of a search, which has to be done."""
        choose("priority", priority, PRIORITIES)
        folder = self.folder / "search" / priority
        file = folder / "configuration.json"
        if not file.is_file():
            supernet_file = folder / "supernet.keras"
            if not supernet_file.is_file():
                raise RunError(
                    f"{supernet_file}: a finished search is expected; run "
                    f"`search --priority {priority}` first. "
                    "Received: no such file"
                )
            settings = self._settings
            supernet = load_whole(supernet_file)
            scores, rule = self._scores(supernet)
            configuration = derive(
                supernet,
                scores,
                rule=rule,
                channel_multiple=settings.channel_multiple,
                # Every network keeps a budget of one.
                budget={"macs": settings.budget},
            )
            write_text(file, configuration.to_json())
        return Configuration.load(file)

    def train(self, variant: str) -> Path:
        """Trains a network from scratch; returns its file."""
        choose("variant", variant, self._settings.known_variants())
        folder = self.folder / "networks" / variant
        file = folder / "network.keras"
        if file.is_file():
            return file
        configuration = self._configuration(variant)
        self._seed()
        if configuration is None:
            network = self.build(self.convolutions[variant])
        else:
            network = replace(self.build("3d"), configuration)
            write_text(folder / "configuration.json", configuration.to_json())
        write_json(folder / "classes.json", list(self.classes))
        trained = self._fit(network, folder, None)
        _finish(trained, file)
        return file

    def network(self, variant: str) -> keras.Model:
        """Loads a trained network."""
        choose("variant", variant, self._settings.known_variants())
        return load_network(self.folder.path, variant)

    def evaluate(self, variant: str) -> Path:
        """Scores a trained network and measures it; returns the scores."""
        network = self.network(variant)
        folder = self.folder / "networks" / variant
        file = folder / "scores.csv"
        if file.is_file():
            return file
        cost = compare_cost(network, self.build("3d"))
        write_json(folder / "cost.json", cost)
        write_table(file, self.score(network))
        return file

    def complete(self) -> None:
        """Does every step of the variants that is not done yet."""
        for variant in self._settings.variants:
            for priority in searches_behind(variant):
                self.search(priority)
                self.derive(priority)
            self.train(variant)
            self.evaluate(variant)

    def _configuration(self, variant: str) -> Configuration | None:
        if variant in PRIORITIES:
            return self.derive(variant)
        if variant != "random":
            return None
        model = self.build("3d")
        searched = replace(model, self.derive("performance"))
        return random_configuration(
            model,
            self._settings.kernel_set,
            budget={"macs": count_cost(searched).macs},
            seed=self._settings.seed,
        )

    def _scores(self, supernet: Supernet) -> tuple[Any, str]:
        """What to choose by, and the rule that goes with it."""
        settings = self._settings
        if settings.score == "path_weights" or supernet.priority == "cost":
            return "path_weights", settings.rule
        batches = self.batches(OTHER_BATCHES, 4)
        samples = sample_paths(supernet, batches, seed=settings.seed)
        print(
            "sampled paths: correlation of their losses with those predicted "
            f"{samples.correlation():.2f}"
        )
        return samples.scores(), "layer"

    def _fit(
        self, model: keras.Model, folder: Path, priority: str | None
    ) -> keras.Model:
        steps, steps_per_epoch = self.steps(priority)
        self.compile(model, steps, priority == "performance")
        print(f"{folder.relative_to(self.folder.path)}: {steps} steps")
        return fit_resumable(
            model,
            self.batches,
            steps=steps,
            steps_per_epoch=steps_per_epoch,
            folder=folder,
            verbose=self.verbose,
        )

    def _seed(self) -> None:
        keras.utils.set_random_seed(self._settings.seed)


def load_network(folder: Path, variant: str) -> keras.Model:
    """Loads a trained network of a run folder.

    Raises:
        RunError: If there is none, or it is damaged.
    """
    file = folder / "networks" / variant / "network.keras"
    if not file.is_file():
        raise RunError(
            f"{file}: a trained network is expected; run "
            f"`train --variant {variant}` first. Received: no such file"
        )
    return load_whole(file)


def _finish(model: keras.Model, file: Path) -> None:
    """The trained model takes its place; only then its checkpoint may go."""
    write_atomic(file, model.save)
    for name in ("checkpoint.keras", "seeds.json"):
        (file.parent / name).unlink(missing_ok=True)


def searches_behind(variant: str) -> tuple[str, ...]:
    """The searches that a variant needs; a random one matches a cost."""
    if variant == "random":
        return ("performance",)
    return (variant,) if variant in PRIORITIES else ()
