"""Runs the steps of a comparison: search, derive, train, evaluate.

A run is one folder. Every step leaves its result there, and returns at once
if the result is there. A training that was stopped goes on from its last
checkpoint. The steps and their files, in order:

    every step          checks settings, data and folder; locks the folder
      settings.json         settings of the last start
      versions.json         packages of the first start
      data.json             counts and hashes of the data
    search(priority)    trains a supernet, in search/<priority>/
      checkpoint.keras      state after the last epoch, with the random states
      seeds.json            in this file; both are removed at the end
      history.csv           metrics of each epoch; tensorboard/ has them too
      path_weights.csv      path weight and draws of each candidate
      supernet.keras        the result
    derive(priority)    chooses sub-kernels, in search/<priority>/
      derivation.json       settings of the choice
      configuration.json    the result
    train(variant)      trains from scratch, in networks/<variant>/
      ../../prediction.json how a new scan or clip is prepared
      configuration.json    of searched and random variants
      classes.json          names of the classes
      checkpoint.keras, seeds.json, history.csv, as in a search
      network.keras         the result
    evaluate(variant)   scores and times, in networks/<variant>/
      cost.json             parameters, multiply-adds, time
      scores.csv            the result, a row for each validation case

`complete` takes all steps; `runs/report.py` then writes `report.md`.
"""

import contextlib
import dataclasses
import functools
import logging
import os
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes.cost.counting import count_cost
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.models.rewriting.replace import replace
from keras_cakes.models.rewriting.specification import PRIORITIES
from keras_cakes.runs.cost_comparison import compare_cost
from keras_cakes.runs.derivations import DERIVING
from keras_cakes.runs.derivations import Derivation
from keras_cakes.runs.derivations import searches_behind
from keras_cakes.runs.files import write_json
from keras_cakes.runs.files import write_table
from keras_cakes.runs.files import write_text
from keras_cakes.runs.folder import RunFolder
from keras_cakes.runs.records import DATA
from keras_cakes.runs.records import keep_data
from keras_cakes.runs.records import keep_prediction
from keras_cakes.runs.resume import VERBOSE
from keras_cakes.runs.resume import finish_training
from keras_cakes.runs.resume import fit_resumable
from keras_cakes.runs.resume import load_network
from keras_cakes.runs.task import Task
from keras_cakes.search.baselines import random_configuration
from keras_cakes.search.scores.path_weights import path_weight_rows
from keras_cakes.search.supernet import Supernet
from keras_cakes.search.to_supernet import to_supernet

logger = logging.getLogger(__name__)

# No training takes so many steps: batches from here on are other crops.
OTHER_BATCHES = 1_000_000


class SearchRun:
    """Fills a run folder, step by step; the module lists steps and files.

    The first step that needs the data loads them. `derive` needs them only to
    sample paths, `evaluate` only if there are no scores yet.

    Args:
        folder: The run folder.
        task: Data, network, recipe and scores; see `Task`.
        verbose: As in `model.fit`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        task: Task,
        *,
        verbose: int | str = "auto",
    ):
        self.verbose = choose("verbose", verbose, VERBOSE)
        self.task = task
        self.settings: Any = task.settings
        # A derivation binds its own settings, and each network is made alone.
        free = ("variants", *DERIVING, *task.settings.places)
        values = dataclasses.asdict(task.settings)
        self.folder = RunFolder(folder, values, free)
        self._is_checked = False

    @property
    def data(self) -> Any:
        """Returns the data, which are loaded at the first access."""
        return self.task.data

    @property
    def classes(self) -> tuple[str, ...]:
        """Names the classes."""
        return self.data.classes

    @property
    def variants(self) -> tuple[str, ...]:
        """Names the networks that are compared."""
        return self.settings.variants

    def check(self) -> None:
        """Loads the data, builds the network and compares the folder.

        Writes nothing, so that bad data, or settings that do not fit them,
        leave no folder behind. A second call returns at once.

        Raises:
            RunError: If the folder holds something else, or results of other
                settings.
        """
        if not self._is_checked:
            self.folder.check()
            self.task.build("3d")
            self._is_checked = True

    @contextlib.contextmanager
    def open(
        self, needs_data: Callable[[], bool] = lambda: True
    ) -> Iterator[None]:
        """Checks the run and locks the folder, before anything is written.

        Every step opens the folder. To take several steps under one lock,
        open it around them.

        Args:
            needs_data: Tells whether to compare data that have not moved.

        Raises:
            RunError: If another process works in the folder, or it holds
                results of other settings or other data.
        """
        if needs_data() or not (self.folder / DATA).is_file():
            self.check()
        with self.folder.open(functools.partial(self._compare, needs_data)):
            yield

    def search(self, priority: str) -> Path:
        """Trains the supernet of a search; returns its file."""
        choose("priority", priority, PRIORITIES)
        folder = self.folder / "search" / priority
        supernet_file = folder / "supernet.keras"
        with self.open():
            if supernet_file.is_file():
                return supernet_file
            keras.utils.set_random_seed(self.settings.seed)
            trained = self._fit(self._supernet(priority), folder, priority)
            write_table(folder / "path_weights.csv", path_weight_rows(trained))
            finish_training(trained, supernet_file)
        return supernet_file

    def derive(self, priority: str) -> Configuration:
        """Derives the configuration of a finished search."""
        choose("priority", priority, PRIORITIES)
        derivation = Derivation(self.folder, priority)
        with self.open(derivation.needs_data):
            return derivation.make(self._other_batches, self.settings.seed)

    def train(self, variant: str) -> Path:
        """Trains a network from scratch; returns its file."""
        choose("variant", variant, self.settings.known_variants())
        folder = self.folder / "networks" / variant
        file = folder / "network.keras"
        with self.open():
            record = self.data.prediction_record(self.settings)
            keep_prediction(self.folder.path, record)
            if file.is_file():
                return file
            chosen = self._configuration(variant)
            keras.utils.set_random_seed(self.settings.seed)
            if chosen is None:
                convolution = self.settings.convolutions[variant]
                network = self.task.build(convolution)
            else:
                network = replace(self.task.build("3d"), chosen)
                write_text(folder / "configuration.json", chosen.to_json())
            write_json(folder / "classes.json", list(self.classes))
            trained = self._fit(network, folder, None)
            finish_training(trained, file)
        return file

    def network(self, variant: str) -> keras.Model:
        """Loads a trained network."""
        choose("variant", variant, self.settings.known_variants())
        return load_network(self.folder.path, variant)

    def evaluate(self, variant: str) -> Path:
        """Scores a trained network and measures its cost; returns the file."""
        choose("variant", variant, self.settings.known_variants())
        folder = self.folder / "networks" / variant
        file = folder / "scores.csv"
        with self.open(lambda: not file.is_file()):
            if file.is_file():
                return file
            network = self.network(variant)
            cost = compare_cost(network, self.task.build("3d"))
            write_json(folder / "cost.json", cost)
            write_table(file, self.task.score(network))
        return file

    def complete(self) -> None:
        """Takes every step of the variants that is not done yet."""
        with self.open():
            self._check_variants()
            for variant in self.variants:
                for priority in searches_behind(variant):
                    self.search(priority)
                    self.derive(priority)
                self.train(variant)
                self.evaluate(variant)

    def _compare(
        self, needs_data: Callable[[], bool], known: dict[str, Any] | None
    ) -> None:
        """Compares derivations and data with those of the folder."""
        if known is not None:
            for priority in PRIORITIES:
                Derivation(self.folder, priority).check(known)
        keep_data(self.folder, self.task, known=known, is_needed=needs_data())

    def _check_variants(self) -> None:
        """Builds each network that is missing, before the first trains."""
        for variant in self.variants:
            networks = self.folder / "networks" / variant
            if (networks / "network.keras").is_file():
                continue
            if variant in self.settings.convolutions:
                self.task.build(self.settings.convolutions[variant])
            for priority in searches_behind(variant):
                search = self.folder / "search" / priority
                if not (search / "supernet.keras").is_file():
                    self._supernet(priority)

    def _supernet(self, priority: str) -> Supernet:
        settings = self.settings
        return to_supernet(
            self.task.build("3d"),
            kernel_set=settings.kernel_set,
            priority=priority,
            lasso=settings.lasso,
            draw=settings.draw,
            aggregation=settings.aggregation,
            seed=settings.seed,
            candidate_kernels=settings.candidate_kernels,
        )

    def _configuration(self, variant: str) -> Configuration | None:
        if variant in PRIORITIES:
            return self.derive(variant)
        if variant != "random":
            return None
        model = self.task.build("3d")
        searched = replace(model, self.derive("performance"))
        return random_configuration(
            model,
            self.settings.kernel_set,
            budget={"macs": count_cost(searched).macs},
            seed=self.settings.seed,
        )

    def _other_batches(self) -> Any:
        training = self.data.training_data()
        return self.task.batches(training, OTHER_BATCHES, 4)

    def _fit(
        self, model: keras.Model, folder: Path, priority: str | None
    ) -> keras.Model:
        training = self.data.training_data()
        steps, steps_per_epoch = self.task.compile(model, training, priority)
        name = folder.relative_to(self.folder.path)
        logger.info("%s: %d steps", name, steps)
        return fit_resumable(
            model,
            functools.partial(self.task.batches, training),
            steps=steps,
            steps_per_epoch=steps_per_epoch,
            folder=folder,
            verbose=self.verbose,
        )
