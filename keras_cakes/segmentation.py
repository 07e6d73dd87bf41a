"""The steps of a segmentation run: search, derive, train, evaluate."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import keras

from keras_cakes.baselines import random_configuration
from keras_cakes.configuration import Configuration
from keras_cakes.conversion import replace
from keras_cakes.conversion import replaceable_layers
from keras_cakes.cost import count_cost
from keras_cakes.cost import measure_latency
from keras_cakes.data.patches import patches
from keras_cakes.derivation import derive
from keras_cakes.derivation import path_weights
from keras_cakes.evaluation import score_cases
from keras_cakes.models.unet3d import unet3d
from keras_cakes.runs import RunError
from keras_cakes.runs import RunFolder
from keras_cakes.runs import write_atomic
from keras_cakes.runs import write_json
from keras_cakes.runs import write_table
from keras_cakes.runs import write_text
from keras_cakes.search import to_supernet
from keras_cakes.segmentation_data import load_segmentation_data
from keras_cakes.settings import PRIORITIES
from keras_cakes.settings import VARIANTS
from keras_cakes.settings import SegmentationSettings
from keras_cakes.supernet import Supernet
from keras_cakes.training import compile_segmentation
from keras_cakes.training import fit_resumable
from keras_cakes.training import load_whole

# What `unet3d(convolution=...)` takes for the variants that need no search.
# "2d" names the one plane there, so the three planes are listed.
_CONVOLUTIONS: dict[str, Any] = {
    "3d": "3d",
    "2d": "2d",
    "p3d": "p3d",
    "manual_1d": "1d",
    "manual_2d": ("1x3x3", "3x1x3", "3x3x1"),
    "manual_1d2d3d": "1d2d3d",
}


class SegmentationRun:
    """One run folder and the steps that fill it.

    Every step returns at once if its result is there already, and takes up
    its training where it stopped.

    Args:
        folder: The run folder.
        settings: The settings of the run.
        verbose: As in `model.fit`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: SegmentationSettings,
        verbose: int | str = "auto",
    ):
        self.settings = settings
        self.verbose = verbose
        # Bad data, and settings that do not fit them, are found before the
        # folder exists.
        self.data = load_segmentation_data(settings)
        self._network("3d")
        self.folder = RunFolder(
            folder,
            dataclasses.asdict(settings),
            # Each network is made alone, so others may join later.
            free=("variants",),
        )

    def search(self, priority: str) -> Path:
        """Trains the supernet of a search; returns its file."""
        _check("priority", priority, PRIORITIES)
        settings = self.settings
        folder = self.folder / "search" / priority
        supernet_file = folder / "supernet.keras"
        if supernet_file.is_file():
            return supernet_file
        self._seed()
        supernet = to_supernet(
            self._network("3d"),
            kernel_set=settings.kernel_set,
            priority=priority,
            lasso=settings.lasso,
            draw=settings.draw,
            aggregation=settings.aggregation,
            seed=settings.seed,
        )
        trained = self._fit(supernet, folder, settings.search_steps)
        write_table(folder / "path_weights.csv", _path_weight_rows(trained))
        _finish(trained, supernet_file)
        return supernet_file

    def derive(self, priority: str) -> Configuration:
        """Derives the configuration of a search, which has to be done."""
        _check("priority", priority, PRIORITIES)
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
            supernet = load_whole(supernet_file)
            configuration = derive(
                supernet,
                rule=self.settings.rule,
                channel_multiple=self.settings.channel_multiple,
            )
            write_text(file, configuration.to_json())
        return Configuration.load(file)

    def train(self, variant: str) -> Path:
        """Trains a network from scratch; returns its file."""
        _check("variant", variant, VARIANTS)
        folder = self.folder / "networks" / variant
        file = folder / "network.keras"
        if file.is_file():
            return file
        configuration = self._configuration(variant)
        self._seed()
        if configuration is None:
            network = self._network(_CONVOLUTIONS[variant])
        else:
            network = replace(self._network("3d"), configuration)
            write_text(folder / "configuration.json", configuration.to_json())
        trained = self._fit(network, folder, self.settings.steps)
        _finish(trained, file)
        return file

    def evaluate(self, variant: str) -> Path:
        """Scores a trained network and measures it; returns the scores."""
        _check("variant", variant, VARIANTS)
        folder = self.folder / "networks" / variant
        network_file = folder / "network.keras"
        if not network_file.is_file():
            raise RunError(
                f"{network_file}: a trained network is expected; run "
                f"`train --variant {variant}` first. Received: no such file"
            )
        file = folder / "scores.csv"
        if file.is_file():
            return file
        network = load_whole(network_file)
        write_json(folder / "cost.json", self._cost(network))
        rows = score_cases(
            network,
            self.data.validation,
            self.data.classes,
            self.settings.patch_shape,
            self.settings.overlap,
        )
        write_table(file, rows)
        return file

    def complete(self) -> None:
        """Does every step of the variants that is not done yet."""
        for variant in self.settings.variants:
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
        model = self._network("3d")
        searched = replace(model, self.derive("performance"))
        return random_configuration(
            model,
            self.settings.kernel_set,
            macs=count_cost(searched).macs,
            seed=self.settings.seed,
        )

    def _network(self, convolution: Any) -> keras.Model:
        settings = self.settings
        channels = self.data.validation[0].image.shape[-1]
        return unet3d(
            input_shape=(*settings.patch_shape, channels),
            classes=len(self.data.classes),
            convolution=convolution,
            width=settings.width,
            depth=settings.depth,
            normalization=settings.normalization,
        )

    def _fit(self, model: keras.Model, folder: Path, steps: int) -> keras.Model:
        settings = self.settings
        compile_segmentation(
            model, self.data.classes, steps, settings.learning_rate
        )

        def batches(start_step: int, steps: int) -> Any:
            return patches(
                self.data.training,
                settings.patch_shape,
                settings.batch_size,
                seed=settings.seed,
                start_step=start_step,
                steps=steps,
                foreground=settings.foreground,
                flip=settings.flip,
                rotate=settings.rotate,
            )

        print(f"{folder.relative_to(self.folder.path)}: {steps} steps")
        return fit_resumable(
            model,
            batches,
            steps=steps,
            steps_per_epoch=min(settings.steps_per_epoch, steps),
            folder=folder,
            verbose=self.verbose,
        )

    def _cost(self, network: keras.Model) -> dict[str, Any]:
        import tensorflow as tf

        plain = self._network("3d")
        whole = count_cost(plain)
        replaced = whole.of(replaceable_layers(plain))
        cost = count_cost(network)
        forward = measure_latency(network).inference
        # What is not replaced is the same in every variant.
        params = cost.params - (whole.params - replaced.params)
        macs = cost.macs - (whole.macs - replaced.macs)
        return {
            "params": cost.params,
            "macs": cost.macs,
            "replaced_params": params,
            "replaced_macs": macs,
            "replaced_params_share": params / replaced.params,
            "replaced_macs_share": macs / replaced.macs,
            "median_ms": forward.median_ms,
            "min_ms": forward.min_ms,
            "max_ms": forward.max_ms,
            "threads": tf.config.threading.get_intra_op_parallelism_threads()
            or os.cpu_count(),
        }

    def _seed(self) -> None:
        keras.utils.set_random_seed(self.settings.seed)


def _finish(model: keras.Model, file: Path) -> None:
    """Puts the trained model in place; only then its checkpoint may go."""
    write_atomic(file, model.save)
    (file.parent / "checkpoint.keras").unlink(missing_ok=True)


def searches_behind(variant: str) -> tuple[str, ...]:
    """The searches that a variant needs; a random one matches a cost."""
    if variant == "random":
        return ("performance",)
    return (variant,) if variant in PRIORITIES else ()


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(
            f"`{name}` is expected to be one of {allowed}. "
            f"Received: {name}={value!r}"
        )


def _path_weight_rows(supernet: Supernet) -> list[dict[str, Any]]:
    rows = []
    weights = path_weights(supernet)
    for layer in supernet.search_layers:
        kernels, values = weights[layer.name]
        draws = layer.draw_counts()
        for index, kernel in enumerate(kernels):
            for channel in range(layer.filters):
                rows.append(
                    {
                        "layer": layer.name,
                        "sub_kernel": kernel,
                        "channel": channel,
                        "weight": float(values[index, channel]),
                        "draws": int(draws[index, channel]),
                    }
                )
    return rows
