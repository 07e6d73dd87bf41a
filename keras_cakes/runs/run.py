"""The steps of any run: search, derive, train, evaluate."""

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_cakes._errors import RunError
from keras_cakes._errors import choose
from keras_cakes.cost.counting import count_cost
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.models.rewriting.replace import replace
from keras_cakes.runs.cost_comparison import compare_cost
from keras_cakes.runs.derivations import DERIVING
from keras_cakes.runs.derivations import check_derivations
from keras_cakes.runs.derivations import deriving_settings
from keras_cakes.runs.derivations import is_derived
from keras_cakes.runs.derivations import keep_derivation
from keras_cakes.runs.derivations import searches_behind
from keras_cakes.runs.files import write_json
from keras_cakes.runs.files import write_table
from keras_cakes.runs.files import write_text
from keras_cakes.runs.folder import RunFolder
from keras_cakes.runs.records import keep_data
from keras_cakes.runs.records import keep_prediction
from keras_cakes.runs.resume import VERBOSE
from keras_cakes.runs.resume import finish_training
from keras_cakes.runs.resume import fit_resumable
from keras_cakes.runs.resume import load_network
from keras_cakes.runs.resume import load_whole
from keras_cakes.runs.settings import PRIORITIES
from keras_cakes.runs.settings import RunSettings
from keras_cakes.runs.task import RunTask
from keras_cakes.search.baselines import random_configuration
from keras_cakes.search.deriving.derive import derive
from keras_cakes.search.scores.path_weights import path_weight_rows
from keras_cakes.search.scores.sampling import sample_paths
from keras_cakes.search.supernet import Supernet
from keras_cakes.search.to_supernet import to_supernet

logger = logging.getLogger(__name__)

# Training batches beyond those of any training: other crops of the same data.
OTHER_BATCHES = 1_000_000


class SearchRun(RunTask):
    """One run folder and the steps that fill it.

    Every step returns at once if its result is there already, and takes up
    its training where it stopped. No step writes before it holds the lock of
    the folder. `RunTask` lists what a kind of run has to define.

    Args:
        folder: The run folder.
        settings: The settings of the run.
        verbose: As in `model.fit`.

    Raises:
        RunError: If the folder holds something else, or results of other
            settings.
    """

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
        self.folder = self.folder_of(folder, settings)
        self.folder.check()
        self._settings = settings
        # Of all training cases, before a search may `keep` fewer.
        self._data_record = self.data_record()

    @classmethod
    def folder_of(
        cls, folder: str | os.PathLike[str], settings: RunSettings
    ) -> RunFolder:
        """Ties a folder to settings, without opening it."""
        # Each network is made alone, so others may join later; `open` looks
        # at the other settings that may change.
        free = ("variants", *DERIVING, *cls.places)
        return RunFolder(folder, dataclasses.asdict(settings), free)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Locks the folder, and compares it with the settings and the data.

        Every step does so; who takes several may open the folder around them.

        Raises:
            RunError: If another process works in the folder, or it holds
                results of other settings or other data.
        """
        with self.folder.open(self._check_start):
            yield

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
        folder = self.folder / "search" / priority
        supernet_file = folder / "supernet.keras"
        with self.open():
            if supernet_file.is_file():
                return supernet_file
            keras.utils.set_random_seed(self._settings.seed)
            trained = self._fit(self._supernet(priority), folder, priority)
            write_table(folder / "path_weights.csv", path_weight_rows(trained))
            finish_training(trained, supernet_file)
        return supernet_file

    def derive(self, priority: str) -> Configuration:
        """Derives the configuration of a search, which has to be done.

        A configuration of other settings is replaced, unless networks depend
        on it: the run can then not be opened.
        """
        choose("priority", priority, PRIORITIES)
        folder = self.folder / "search" / priority
        file = folder / "configuration.json"
        with self.open():
            if is_derived(folder, priority, self.folder.settings):
                return Configuration.load(file)
            supernet_file = folder / "supernet.keras"
            if not supernet_file.is_file():
                raise RunError(
                    f"{supernet_file}: a finished search is expected; run "
                    f"`search --priority {priority}` first. "
                    "Received: no such file"
                )
            supernet = load_whole(supernet_file)
            scores, rule = self._scores(supernet)
            configuration = derive(
                supernet,
                scores,
                rule=rule,
                channel_multiple=self._settings.channel_multiple,
                # Every network keeps a budget of one.
                budget={"macs": self._settings.budget},
            )
            keep_derivation(folder, priority, self.folder.settings)
            write_text(file, configuration.to_json())
        return configuration

    def train(self, variant: str) -> Path:
        """Trains a network from scratch; returns its file."""
        choose("variant", variant, self._settings.known_variants())
        folder = self.folder / "networks" / variant
        file = folder / "network.keras"
        with self.open():
            keep_prediction(self.folder.path, self.prediction_record())
            if file.is_file():
                return file
            chosen = self._configuration(variant)
            keras.utils.set_random_seed(self._settings.seed)
            if chosen is None:
                network = self.build(self.convolutions[variant])
            else:
                network = replace(self.build("3d"), chosen)
                write_text(folder / "configuration.json", chosen.to_json())
            write_json(folder / "classes.json", list(self.classes))
            trained = self._fit(network, folder, None)
            finish_training(trained, file)
        return file

    def network(self, variant: str) -> keras.Model:
        """Loads a trained network."""
        choose("variant", variant, self._settings.known_variants())
        return load_network(self.folder.path, variant)

    def evaluate(self, variant: str) -> Path:
        """Scores a trained network and measures it; returns the scores."""
        choose("variant", variant, self._settings.known_variants())
        folder = self.folder / "networks" / variant
        file = folder / "scores.csv"
        with self.open():
            if file.is_file():
                return file
            network = self.network(variant)
            cost = compare_cost(network, self.build("3d"))
            write_json(folder / "cost.json", cost)
            write_table(file, self.score(network))
        return file

    def complete(self) -> None:
        """Does every step of the variants that is not done yet."""
        with self.open():
            self._check_variants()
            for variant in self._settings.variants:
                for priority in searches_behind(variant):
                    self.search(priority)
                    self.derive(priority)
                self.train(variant)
                self.evaluate(variant)

    def _check_start(self, known: dict[str, Any] | None) -> None:
        """Compares derivations and data with those of the folder."""
        if known is not None:
            variants = self._settings.known_variants()
            check_derivations(self.folder, known, variants)
        keep_data(
            self.folder, known, self.places, self._data_record, self.compared
        )

    def _check_variants(self) -> None:
        """Builds what is not trained yet: none fails after others trained."""
        for variant in self._settings.variants:
            networks = self.folder / "networks" / variant
            if (networks / "network.keras").is_file():
                continue
            if variant in self.convolutions:
                self.build(self.convolutions[variant])
            for priority in searches_behind(variant):
                search = self.folder / "search" / priority
                if not (search / "supernet.keras").is_file():
                    self._supernet(priority)

    def _supernet(self, priority: str) -> Supernet:
        settings = self._settings
        return to_supernet(
            self.build("3d"),
            kernel_set=settings.kernel_set,
            priority=priority,
            lasso=settings.lasso,
            draw=settings.draw,
            aggregation=settings.aggregation,
            seed=settings.seed,
            candidate_kernels=settings.weights,
        )

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
        chosen = deriving_settings(supernet.priority, self.folder.settings)
        if chosen["score"] == "path_weights":
            return "path_weights", chosen["rule"]
        batches = self.batches(OTHER_BATCHES, 4)
        samples = sample_paths(supernet, batches, seed=self._settings.seed)
        logger.info(
            "sampled paths: correlation of their losses with those predicted "
            "%.2f",
            samples.correlation(),
        )
        return samples.scores(), chosen["rule"]

    def _fit(
        self, model: keras.Model, folder: Path, priority: str | None
    ) -> keras.Model:
        steps, steps_per_epoch = self.steps(priority)
        self.compile(model, steps, priority == "performance")
        name = folder.relative_to(self.folder.path)
        logger.info("%s: %d steps", name, steps)
        return fit_resumable(
            model,
            self.batches,
            steps=steps,
            steps_per_epoch=steps_per_epoch,
            folder=folder,
            verbose=self.verbose,
        )
