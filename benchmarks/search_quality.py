"""Whether the searches find anything, task by task, over seeds.

On each task the supernets of several methods are trained, configurations are
derived from their scores within budgets of multiply-adds, and these, random
and even ones of the same budgets, and the plain networks are trained alike.
Every result is a file: what was stopped goes on, and `--repeats 5` after
`--repeats 2` adds three seeds.

    python benchmarks/search_quality.py --task lines_height
    python benchmarks/search_quality.py --task hippocampus --data PREPARED
    python benchmarks/search_quality.py --task fir_20 --data PACKS
    python benchmarks/search_quality.py --short

PREPARED is the hippocampus at half its resolution, PACKS the FIR action clips:

    keras-cakes prepare --data Task04_Hippocampus --spacing 2 2 2 \\
      --output PREPARED
    keras-cakes video pack --data DATA/videos.csv --splits train val \\
      --encoding png --output PACKS

Writes `search_quality_*.csv` and `.png`.
"""

import dataclasses
import os
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import side_by_side

from keras_cakes.models.convolution import apply_convolution
from keras_cakes.models.convolution import build_with
from keras_cakes.models.parts import normalize
from keras_cakes.plotting import plot_budgets
from keras_cakes.search_methods import METHODS
from keras_cakes.search_quality import SearchQuality
from keras_cakes.search_run import SearchRun
from keras_cakes.search_statistics import method_rows
from keras_cakes.search_statistics import network_rows
from keras_cakes.segmentation import SegmentationRun
from keras_cakes.segmentation_settings import SegmentationSettings
from keras_cakes.selection import select
from keras_cakes.settings import RunSettings
from keras_cakes.sub_kernels import kernel_set
from keras_cakes.video import VideoRun
from keras_cakes.video_settings import VideoSettings

NETWORKS = {
    "network": "<20",
    "budget": ">6.2f",
    "seeds": ">5",
    "macs_share": ">10.3f",
    "score": ">7.4f",
    "deviation": ">9.4f",
    "difference": ">10.4f",
    "low": ">8.4f",
    "high": ">8.4f",
}
METHOD_COLUMNS = {
    "method": "<20",
    "cost": ">5.2f",
    "loss": ">6.3f",
    "best_path": ">9.3f",
    "random_path": ">11.3f",
    "spread": ">6.3f",
    "correlation": ">11.2f",
    "agreement": ">9.3f",
    "agreement_low": ">13.3f",
    "agreement_high": ">14.3f",
    "tau": ">6.2f",
    "tau_low": ">7.2f",
    "tau_high": ">8.2f",
    "tau_within": ">10.2f",
    "tau_within_low": ">14.2f",
    "tau_within_high": ">15.2f",
}
SPANS = {
    "method": "<20",
    "budget": ">6",
    "seed": ">4",
    **{axis: ">7.2f" for axis in ("first", "second", "third")},
}

PLANTED_VOLUMES = SegmentationSettings(
    data="planted_height",
    patch_shape=(16, 16, 16),
    width=8,
    depth=2,
    batch_size=4,
    steps=300,
    search_steps=400,
    steps_per_epoch=100,
    flip=(),
)
ONE = dataclasses.replace(PLANTED_VOLUMES, search_steps=1500)
SHORT = dataclasses.replace(
    PLANTED_VOLUMES,
    data="lines_height",
    width=4,
    steps=6,
    search_steps=6,
    steps_per_epoch=3,
)
HIPPOCAMPUS = dataclasses.replace(
    PLANTED_VOLUMES, depth=3, steps=400, search_steps=800
)
PLANTED_CLIPS = VideoSettings(
    data="planted_time",
    channels=1,
    frames=8,
    size=(16, 16),
    crop="none",
    flip=False,
    width=8,
    stages=2,
    batch_size=16,
    epochs=12,
    learning_rate=0.1,
    draw="balanced",
)
FIR = dataclasses.replace(
    PLANTED_CLIPS,
    data="",
    flip=True,
    standardize=True,
    remainder="spread",
    width=16,
    stages=3,
    epochs=60,
    clips_per_class=20,
)


class OneConvolution(SegmentationRun):
    """A segmentation whose network has one convolution to search."""

    def build(self, convolution: Any) -> keras.Model:
        """One 3x3x3 convolution between two of 1x1x1."""

        def network(apply):
            image = keras.Input((*self.settings.patch_shape, 1), name="image")
            x = apply_convolution(image, 4, 1, "stem")
            x = apply(x, 4 * self.settings.width, 3, "conv")
            x = normalize(x, "batch", "norm")
            x = keras.layers.ReLU(name="relu")(x)
            x = apply_convolution(x, len(self.classes), 1, "logits")
            return keras.Model(image, x, name="one_convolution")

        return build_with(network, convolution)


class PointwiseStem(SegmentationRun):
    """A U-Net whose searched layers alone see neighbours.

    The stem is not searched; one of 3x3x3 would see what is planted.
    """

    def build(self, convolution: Any) -> keras.Model:
        """The network with a stem of 1x1x1."""

        def clone(layer):
            config = layer.get_config()
            if layer.name == "stem_conv":
                config["kernel_size"] = (1, 1, 1)
            return layer.__class__.from_config(config)

        return keras.models.clone_model(
            super().build(convolution), clone_function=clone
        )


@dataclasses.dataclass(frozen=True)
class Task:
    """What is searched on.

    Args:
        kind: The kind of run.
        settings: Its settings.
        lasso: Strength of the lasso, in proportion to the length of the
            search.
    """

    kind: type[SearchRun]
    settings: RunSettings
    lasso: float = 6e-3


def _planted(kind: type[SearchRun], settings: Any, axis: str, **other) -> Task:
    data = f"planted_{axis}"
    return Task(kind, dataclasses.replace(settings, data=data), **other)


AXES = ("depth", "height", "width")
TASKS = {
    **{
        f"one_{axis}": _planted(OneConvolution, ONE, axis, lasso=6e-4)
        for axis in AXES
    },
    **{
        f"planted_{axis}": _planted(SegmentationRun, PLANTED_VOLUMES, axis)
        for axis in AXES
    },
    **{
        f"lines_{axis}": Task(
            PointwiseStem,
            dataclasses.replace(PLANTED_VOLUMES, data=f"lines_{axis}"),
            lasso=1e-3,
        )
        for axis in AXES
    },
    **{
        f"clips_{kind}": _planted(VideoRun, PLANTED_CLIPS, kind)
        for kind in ("time", "height", "width", "mixed")
    },
    "short": Task(PointwiseStem, SHORT),
    "hippocampus": Task(SegmentationRun, HIPPOCAMPUS),
    "fir_20": Task(VideoRun, FIR),
}


def quality_of(options: Any) -> SearchQuality:
    """The measurement that the command line asks for."""
    task = TASKS[options.task]
    settings, name = task.settings, options.task
    if options.search_steps:
        settings = dataclasses.replace(
            settings, search_steps=options.search_steps
        )
        name += f"_{options.search_steps}"
    if options.data:
        settings = dataclasses.replace(settings, data=options.data)

    def make_run(folder: Path, seed: int) -> SearchRun:
        return task.kind(folder, dataclasses.replace(settings, seed=seed), 0)

    return SearchQuality(
        options.output / "search_quality" / name,
        make_run,
        methods=tuple(
            dataclasses.replace(method, lasso=task.lasso)
            for method in METHODS
            if method.name in options.methods
        ),
        budgets=tuple(options.budgets),
        seeds=options.repeats,
        plain=tuple(options.plain),
        randoms=options.randoms,
    )


def main() -> None:
    """Does what is not done yet, and prints the tables."""
    names = [method.name for method in METHODS]
    parser = side_by_side.parser(__doc__, repeats=5)
    parser.add_argument("--task", choices=TASKS, default="lines_height")
    parser.add_argument("--data", default="")
    parser.add_argument("--methods", nargs="+", choices=names, default=names)
    parser.add_argument(
        "--budgets", nargs="*", type=float, default=[0.25, 0.35, 0.5]
    )
    parser.add_argument("--plain", nargs="*", default=["3d", "2d", "p3d"])
    parser.add_argument("--randoms", type=int, default=2)
    parser.add_argument(
        "--search-steps", type=int, help="of volumes, in place of the task's"
    )
    options = parser.parse_args()
    if options.short:
        options.task, options.repeats, options.budgets = "short", 1, [0.5]
        options.methods = ["path weights", "sampled paths", "kernel energy"]
    quality = quality_of(options)
    quality.complete()
    file = options.output / f"search_quality_{quality.folder.name}.csv"
    rows = network_rows(quality)
    table = side_by_side.Table(file, NETWORKS)
    for row in rows:
        table.add(row)
    table = side_by_side.Table(
        file.with_stem(f"{file.stem}_methods"), METHOD_COLUMNS
    )
    kernels = [
        str(k) for k in kernel_set(TASKS[options.task].settings.kernel_set)
    ]
    for row in method_rows(quality, kernels):
        table.add(row)
    table = side_by_side.Table(file.with_stem(f"{file.stem}_spans"), SPANS)
    for row in span_rows(quality, kernels):
        table.add(row)
    plot_budgets(rows).savefig(file.with_suffix(".png"))


def span_rows(quality: SearchQuality, kernels: list[str]) -> list[Any]:
    """The share of channels that span each axis, in what was found.

    The budget `free` is that of no budget: the largest path weight of each
    channel, or the largest entries of a layer.
    """
    rows = []
    supernets = {(s["supernet"], s["seed"]): s for s in quality.searches()}
    for method in quality.methods:
        if method.score == "energy":
            continue
        for seed in range(quality.seeds):
            search = supernets[method.supernet, seed]
            counts: Counter[str] = Counter()
            for values in search["scores"][method.score].values():
                indices = select(np.array(values), method.rule)
                counts.update(kernels[index] for index in indices)
            rows.append(_span_row(method.name, "free", seed, counts))
    for network in quality.networks():
        if network["configuration"]:
            counts = Counter()
            for layer in network["configuration"].values():
                counts.update(layer)
            rows.append(
                _span_row(
                    network["name"], network["budget"], network["seed"], counts
                )
            )
    return rows


def _span_row(name: str, budget: Any, seed: int, counts: Any) -> dict[str, Any]:
    total = sum(counts.values())
    spans = [
        sum(n for k, n in counts.items() if k.split("x")[axis] != "1") / total
        for axis in range(3)
    ]
    axes = dict(zip(("first", "second", "third"), spans, strict=True))
    return {"method": name, "budget": str(budget), "seed": seed, **axes}


if __name__ == "__main__":
    main()
