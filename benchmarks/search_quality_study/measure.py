"""Trains the searches, controls and retrained networks of a study.

For each seed of a task, it trains the supernets of the methods, the
configurations that they give within each budget, random and even ones of the
same budget, and the plain networks, all by the same recipe from the same seed.
Every result is a file, so a study can stop and go on; `statistics` reads them.
"""

import dataclasses
import functools
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_cakes.cost import count_cost
from keras_cakes.kernels import Configuration
from keras_cakes.models import replace
from keras_cakes.runs.files import write_json
from keras_cakes.runs.run import OTHER_BATCHES
from keras_cakes.runs.run import SearchRun
from keras_cakes.search import derive
from keras_cakes.search import kernel_energy
from keras_cakes.search import random_configuration
from keras_cakes.search import to_supernet
from keras_cakes.search import uniform_configuration
from search_quality_study.methods import METHODS
from search_quality_study.methods import Method
from search_quality_study.readings import read_supernet

# Spacing of the random configurations' seeds from one seed to the next.
_SEEDS = 1000


@dataclasses.dataclass(frozen=True)
class SearchQuality:
    """Measures one task.

    Args:
        folder: Folder of the results.
        make_run: Makes the run of a seed from its folder and the seed; a run
            has data, network, recipe and scores.
        methods: Ways to search, of different names.
        budgets: Shares of the multiply-adds of the 3D network.
        seeds: Number of seeds.
        randoms: Random configurations of each budget and seed.
        repeated: Further random configurations of each budget, the same with
            every seed. A search can gain as much as they differ beyond the
            seeds; see `headroom_rows`.
        plain: Other networks that the run can build.
        samples: Paths that the score `"sampled"` evaluates.
        batches: Batches that each path is evaluated on.
    """

    folder: Path
    make_run: Callable[[Path, int], SearchRun]
    methods: tuple[Method, ...] = METHODS
    budgets: tuple[float, ...] = (0.25, 0.35, 0.5)
    seeds: int = 5
    randoms: int = 5
    repeated: int = 0
    plain: tuple[str, ...] = ("3d", "2d", "p3d")
    samples: int = 300
    batches: int = 4

    def complete(self) -> None:
        """Trains and scores whatever has no file yet."""
        for seed in range(self.seeds):
            _Seed(self, seed).complete()

    def searches(self) -> list[dict[str, Any]]:
        """Reads the results of each supernet of each seed."""
        return self._read("searches")

    def networks(self) -> list[dict[str, Any]]:
        """Reads the results of the trained networks of each seed."""
        return self._read("networks")

    def _read(self, kind: str) -> list[dict[str, Any]]:
        return [
            json.loads(file.read_text("utf-8"))
            for seed in range(self.seeds)
            for file in sorted((self.folder / f"seed{seed}" / kind).glob("*"))
        ]


class _Seed:
    """Measures one seed."""

    def __init__(self, quality: SearchQuality, seed: int):
        self.quality = quality
        self.seed = seed
        self.folder = quality.folder / f"seed{seed}"
        self.run = quality.make_run(self.folder / "run", seed)
        self.task = self.run.task
        self.kernel_set = self.task.settings.kernel_set
        self.model = self.task.build("3d")
        self.plain_macs = count_cost(self.model).macs

    def complete(self) -> None:
        quality = self.quality
        with self.run.open():
            # The run's folder only records its settings.
            pass
        for variant in quality.plain:
            self._network(variant, lambda: None)
        for budget in quality.budgets:
            space = (self.model, self.kernel_set)
            share = {"macs": budget}
            even = functools.partial(
                uniform_configuration, *space, budget=share
            )
            self._network(f"even@{budget}", even)
            for kind, count, first in (
                ("random", quality.randoms, _SEEDS * self.seed),
                ("repeated", quality.repeated, _SEEDS * _SEEDS),
            ):
                for number in range(count):
                    random = functools.partial(
                        random_configuration,
                        *space,
                        budget=share,
                        seed=first + number,
                    )
                    self._network(f"{kind}{number}@{budget}", random)
        for name in dict.fromkeys(m.supernet for m in quality.methods):
            self._search([m for m in quality.methods if m.supernet == name])
        # This supernet only gives candidates and costs; it is not trained.
        layout = to_supernet(self.model, self.kernel_set)
        for method in quality.methods:
            scores = self._scores(method)
            for budget in quality.budgets:
                found = functools.partial(
                    derive,
                    layout,
                    scores,
                    rule=method.rule,
                    budget={"macs": budget},
                )
                self._network(f"{method.name}@{budget}", found)

    def _document(self, method: Method) -> dict[str, Any]:
        """Reads the results of the supernet of a method."""
        file = self.folder / "searches" / f"{method.supernet}.json"
        document: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return document

    def _scores(self, method: Method) -> dict[str, np.ndarray]:
        scores = self._document(method)["scores"][method.score]
        return {name: np.array(values) for name, values in scores.items()}

    def _search(self, methods: list[Method]) -> None:
        """Trains one supernet and reads all scores of these methods."""
        first = methods[0]
        file = self.folder / "searches" / f"{first.supernet}.json"
        wanted = {method.score for method in methods}
        if file.is_file() and wanted <= set(self._document(first)["scores"]):
            return
        start = time.perf_counter()
        data = self.task.data
        names = data.training_names
        held = names[:: first.holdout] if first.holdout else ()
        training = data.training_data([n for n in names if n not in held])
        if first.score == "energy":
            document = self._energy(training)
        else:
            keras.utils.set_random_seed(self.seed)
            supernet = to_supernet(
                self.model,
                self.kernel_set,
                priority=first.priority,
                lasso=first.lasso,
                draw=first.draw,
                seed=self.seed,
                candidate_kernels=first.weights,
            )
            loss = self._fit(supernet, training, first.priority)
            trained = time.perf_counter() - start
            judged = data.training_data(held) if held else training
            document = read_supernet(
                supernet,
                lambda count: self.task.batches(judged, OTHER_BATCHES, count),
                wanted=wanted,
                samples=self.quality.samples,
                path_batches=self.quality.batches,
                seed=self.seed,
            )
            document.update({"loss": loss, "training_s": trained})
        document["seconds"] = time.perf_counter() - start
        document["seed"] = self.seed
        document["supernet"] = first.supernet
        write_json(file, document)
        _forget()

    def _energy(self, training: Any) -> dict[str, Any]:
        """Trains the 3D network and scores its kernels."""
        model = self.task.build("3d")
        loss = self._train(model, training)
        energy = kernel_energy(to_supernet(model, self.kernel_set), model)
        scores = {name: value.tolist() for name, value in energy.items()}
        return {"loss": loss, "scores": {"energy": scores}}

    def _network(
        self, name: str, configuration: Callable[[], Configuration | None]
    ) -> None:
        """Trains and scores one network, unless its file exists."""
        file = self.folder / "networks" / f"{name.replace(' ', '_')}.json"
        if file.is_file():
            return
        kind, _, budget = name.partition("@")
        chosen = configuration()
        keras.utils.set_random_seed(self.seed)
        network = (
            self.task.build(self.task.settings.convolutions[kind])
            if chosen is None
            else replace(self.task.build("3d"), chosen)
        )
        start = time.perf_counter()
        loss = self._train(network, self.task.data.training_data())
        trained = time.perf_counter() - start
        rows = self.task.score(network)
        write_json(
            file,
            {
                "seed": self.seed,
                "name": kind,
                "budget": float(budget) if budget else None,
                "macs_share": count_cost(network).macs / self.plain_macs,
                "loss": loss,
                "training_s": trained,
                "scores": [float(row["mean"]) for row in rows],
                "configuration": None
                if chosen is None
                else {name: a.counts for name, a in chosen.items()},
            },
        )
        _forget()

    def _train(self, model: keras.Model, training: Any) -> float:
        keras.utils.set_random_seed(self.seed)
        return self._fit(model, training, None)

    def _fit(
        self, model: keras.Model, training: Any, priority: str | None
    ) -> float:
        steps, steps_per_epoch = self.task.compile(model, training, priority)
        history = model.fit(
            self.task.batches(training, 0, steps),
            epochs=steps // steps_per_epoch,
            steps_per_epoch=steps_per_epoch,
            verbose=0,
            shuffle=False,
        )
        return float(history.history["loss"][-1])


def _forget() -> None:
    """Frees the memory of a network and its graphs."""
    keras.backend.clear_session()
    gc.collect()
