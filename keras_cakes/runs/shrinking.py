"""Shrinks a trained network of a run, beside controls of equal cost.

Each network has a folder, and a step returns at once if its file is there:

    shrink/<variant>/scores.csv     of the trained network
    shrink/<variant>/<choice>_<per cent>/
      configuration.json    the sub-kernels
      network.keras         with fitted weights, not trained
      cost.json             parameters, multiply-adds, time
      scores.csv            a row for each validation case
      recalibrated.csv      the same, moving statistics estimated anew
      tuned_<steps>/        trained for some steps; files as in a training
        network.keras
        scores.csv
      draw_<number>/        of a random choice: another draw, not tuned
"""

import functools
import logging
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.cost.counting import count_cost
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.kernels.sub_kernels import check_kernels
from keras_cakes.runs.cost_comparison import compare_cost
from keras_cakes.runs.files import write_atomic
from keras_cakes.runs.files import write_json
from keras_cakes.runs.files import write_table
from keras_cakes.runs.files import write_text
from keras_cakes.runs.resume import finish_training
from keras_cakes.runs.resume import fit_resumable
from keras_cakes.runs.resume import load_whole
from keras_cakes.runs.run import OTHER_BATCHES
from keras_cakes.runs.run import SearchRun
from keras_cakes.search.baselines import random_configuration
from keras_cakes.search.baselines import uniform_configuration
from keras_cakes.search.shrinking.reconstruct import reconstruct
from keras_cakes.search.shrinking.reconstruction import Reconstruction
from keras_cakes.training.recalibration import recalibrate

logger = logging.getLogger(__name__)

# Who chooses the sub-kernels; the weights are fitted in one way.
CHOICES = ("shrink", "random", "even")
# Cases that weights are fitted to, and batches that statistics are taken of.
_CASES = 16
_BATCHES = 16
# How often sub-kernels are priced and chosen.
_ROUNDS = 2


class Shrinking:
    """Shrinks one trained network of a run; the module lists the files.

    Args:
        run: The run, which has trained the network.
        variant: Name of the network.
        budgets: Shares of the multiply-adds of the network, above 0 and at
            most 1.
        choices: Names of `CHOICES`.
        finetune_steps: Training steps of each network; 0 for none.
        draws: Random configurations of each budget; one of them is tuned.
        kernel_set: The sub-kernels to choose from.
    """

    def __init__(
        self,
        run: SearchRun,
        variant: str = "3d",
        *,
        budgets: Sequence[float] = (0.5, 0.25),
        choices: Sequence[str] = ("shrink", "random"),
        finetune_steps: int = 0,
        draws: int = 1,
        kernel_set: str = "0d1d2d3d",
    ):
        self.run = run
        self.variant = choose("variant", variant, run.settings.known_variants())
        self.budgets = tuple(
            number("budget", budget, above=0, most=1) for budget in budgets
        )
        self.choices = tuple(choose("choice", c, CHOICES) for c in choices)
        self.finetune_steps = whole("finetune_steps", finetune_steps, least=0)
        self.draws = whole("draws", draws, least=1)
        check_kernels("kernel_set", kernel_set)
        self.kernel_set = kernel_set
        self.folder = run.folder.path / "shrink" / variant

    def networks(self) -> Iterator[tuple[str, float, list[Path]]]:
        """Yields choice, budget and folders; the first network is tuned."""
        for choice in self.choices:
            for budget in self.budgets:
                folder = self.folder / f"{choice}_{100 * budget:g}"
                draws = self.draws if choice == "random" else 1
                others = (folder / f"draw_{draw}" for draw in range(1, draws))
                yield choice, budget, [folder, *others]

    def complete(self) -> None:
        """Takes every step that is not done yet.

        Raises:
            RunError: If the network has not been trained, or another process
                works in the run.
            ValueError: If a budget is below the least.
        """
        with self.run.open():
            # Every budget is checked before anything is fitted.
            chosen = [
                (
                    folder,
                    draw,
                    self._configuration(choice, budget, folder, draw),
                )
                for choice, budget, folders in self.networks()
                for draw, folder in enumerate(folders)
            ]
            self._score(self.folder / "scores.csv", lambda: self._trained)
            for folder, draw, configuration in chosen:
                self._fit(folder, configuration)
                if self.finetune_steps and draw == 0:
                    self._tune(folder)

    @property
    def trained_macs(self) -> int:
        """Counts the multiply-adds of the trained network."""
        return count_cost(self._trained).macs

    @functools.cached_property
    def _trained(self) -> keras.Model:
        return self.run.network(self.variant)

    @functools.cached_property
    def _reconstruction(self) -> Reconstruction:
        run = self.run
        return reconstruct(
            self._trained,
            self._batches(_CASES),
            kernel_set=self.kernel_set,
            cases=_CASES,
            seed=run.settings.seed,
            verbose=0 if run.verbose in (0, False) else 2,
        )

    def _batches(self, count: int) -> Any:
        training = self.run.data.training_data()
        return self.run.task.batches(training, OTHER_BATCHES, count)

    def _configuration(
        self, choice: str, budget: float, folder: Path, draw: int
    ) -> Configuration:
        settings = self.run.settings
        if (folder / "network.keras").is_file():
            return Configuration.load(folder / "configuration.json")
        if choice == "shrink":
            return self._reconstruction.derive(
                {"macs": budget},
                channel_multiple=settings.channel_multiple,
                rounds=_ROUNDS,
            )
        if choice == "random":
            return random_configuration(
                self._trained,
                self.kernel_set,
                budget={"macs": budget},
                seed=settings.seed + draw,
            )
        return uniform_configuration(
            self._trained, self.kernel_set, budget={"macs": budget}
        )

    def _fit(self, folder: Path, configuration: Configuration) -> None:
        """Fits the weights of a network and scores it, without training."""
        file = folder / "network.keras"
        if not file.is_file():
            logger.info("%s: fitting weights", folder.name)
            network = self._reconstruction.project(configuration)
            write_text(folder / "configuration.json", configuration.to_json())
            cost = compare_cost(network, self.run.task.build("3d"))
            write_json(folder / "cost.json", cost)
            write_atomic(file, network.save)
        self._score(folder / "scores.csv", lambda: load_whole(file))
        self._score(
            folder / "recalibrated.csv", lambda: self._recalibrated(file)
        )

    def _tune(self, folder: Path) -> None:
        """Trains a network for some steps and scores it."""
        tuned = folder / f"tuned_{self.finetune_steps}"
        file = tuned / "network.keras"
        if not file.is_file():
            run = self.run
            training = run.data.training_data()
            network = load_whole(folder / "network.keras")
            keras.utils.set_random_seed(run.settings.seed)
            steps, steps_per_epoch = run.task.compile(
                network, training, None, tuning=self.finetune_steps
            )
            network = fit_resumable(
                network,
                functools.partial(run.task.batches, training),
                steps=steps,
                steps_per_epoch=steps_per_epoch,
                folder=tuned,
                verbose=run.verbose,
            )
            # Moving statistics lag behind so few steps.
            recalibrate(network, self._batches(_BATCHES))
            finish_training(network, file)
        self._score(tuned / "scores.csv", lambda: load_whole(file))

    def _recalibrated(self, file: Path) -> keras.Model:
        network = load_whole(file)
        recalibrate(network, self._batches(_BATCHES))
        return network

    def _score(self, file: Path, load: Callable[[], keras.Model]) -> None:
        """Scores a network, which is loaded only if its scores are missing."""
        if not file.is_file():
            write_table(file, self.run.task.score(load()))
