"""Measures what shrinking keeps of a trained network, beside its controls.

For each seed a 3D network is trained. Within each budget of multiply-adds
there are then

- `shrink`: sub-kernels chosen by reconstruction, weights fitted;
- `random` and `even`: other sub-kernels, weights fitted in the same way;
- `narrow`: a 3D network of fewer channels, trained in full;
- `searched`: the sub-kernels of a search, trained in full.

Fitted networks are scored as they are, recalibrated, and tuned for a tenth and
a third of the training steps. Every result is a file, and what matters most
comes first, over all seeds: a study that was stopped goes on.

    python benchmarks/shrink.py --task hippocampus --data Task04_Hippocampus
    python benchmarks/shrink.py --task fir --data PACKS
    python benchmarks/shrink.py --task shapes
    python benchmarks/shrink.py --task peer --budgets 0.5 0.25
    python benchmarks/shrink.py --short

`peer` is the U-Net with a ResNet-18 of segmentation-models-3D, on phantoms.
PACKS is the FIR action clips, see `search_quality.py`. `--parts` takes the
first parts only; `--parts 0` prints the tables of what is there.
"""

import dataclasses
import logging
import os
import shutil
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import side_by_side
from keras_cakes import count_cost
from keras_cakes import evaluation
from keras_cakes.evaluation.comparison import seed_interval
from keras_cakes.runs import SegmentationSettings
from keras_cakes.runs import VideoSettings
from keras_cakes.runs.clips.run import VideoTask
from keras_cakes.runs.files import read_json
from keras_cakes.runs.run import SearchRun
from keras_cakes.runs.segmentation.run import SegmentationTask
from keras_cakes.runs.shrinking import Shrinking
from search_tasks import FIR

logger = logging.getLogger(__name__)

HIPPOCAMPUS = SegmentationSettings(
    fold=0,
    width=16,
    patch_shape=(48, 64, 48),
    steps=600,
    search_steps=600,
    # A mirror image confuses front and back of the hippocampus.
    flip=(),
)
SHAPES = VideoSettings(
    data="phantom",
    frames=8,
    size=(32, 32),
    crop="none",
    width=16,
    stages=3,
    batch_size=16,
    epochs=12,
    learning_rate=0.1,
    kernel_set="1d2d3d",
)
SHORT = SegmentationSettings(
    data="phantom",
    patch_shape=(16, 16, 16),
    width=6,
    depth=1,
    cases=2,
    steps=6,
    search_steps=2,
    steps_per_epoch=2,
    flip=(),
)
PEER = SegmentationSettings(
    data="phantom",
    patch_shape=(32, 32, 32),
    cases=24,
    steps=200,
    search_steps=200,
    flip=(),
)


class PeerUNet(SegmentationTask):
    """Segments with a U-Net of another package."""

    def build(self, convolution: Any) -> keras.Model:
        """Builds the U-Net, which has no other kind of convolution."""
        os.environ.setdefault("SM_FRAMEWORK", "tf.keras")
        with warnings.catch_warnings():
            # What the package does at import is its own.
            warnings.simplefilter("ignore")
            import segmentation_models_3D

            return segmentation_models_3D.Unet(
                "resnet18",
                input_shape=(*self.settings.patch_shape, 1),
                encoder_weights=None,
                classes=len(self.data.classes),
                activation="linear",
                decoder_filters=(64, 32, 16, 8, 8),
            )


TASKS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "hippocampus": (SegmentationTask, HIPPOCAMPUS),
    "fir": (VideoTask, dataclasses.replace(FIR, kernel_set="1d2d3d")),
    "shapes": (VideoTask, SHAPES),
    "peer": (PeerUNet, PEER),
    "short": (SegmentationTask, SHORT),
}
COLUMNS = {
    "network": "<9",
    "state": "<12",
    "budget": ">6",
    "macs_share": ">10.3f",
    "params": ">9",
    "seeds": ">5",
    "score": ">7.4f",
    "to_3d": ">8.4f",
    "low": ">8.4f",
    "high": ">8.4f",
    "to_random": ">9.4f",
    "random_low": ">10.4f",
    "random_high": ">11.4f",
    "to_narrow": ">9.4f",
    "narrow_low": ">10.4f",
    "narrow_high": ">11.4f",
}


class Study:
    """Trains, shrinks and scores the networks of all seeds.

    Args:
        folder: Folder of the runs.
        task: Name of a task.
        data: Its data, where they are not made by code.
        budgets: Shares of the multiply-adds of the 3D network.
        seeds: The number of seeds.
        draws: Random configurations of each budget.
    """

    def __init__(
        self,
        folder: Path,
        task: str,
        *,
        data: str = "",
        budgets: tuple[float, ...],
        seeds: int,
        draws: int,
    ):
        self.kind, self.settings = TASKS[task]
        if data:
            self.settings = dataclasses.replace(self.settings, data=data)
        self.folder, self.budgets, self.draws = folder, budgets, draws
        self.seeds = range(seeds)

    def run(self, name: str, seed: int, **changes: Any) -> SearchRun:
        """Makes a run of its own folder."""
        settings = dataclasses.replace(
            self.settings, seed=seed, **{"variants": ("3d",), **changes}
        )
        folder = self.folder / f"seed_{seed}" / name
        return SearchRun(folder, self.kind(settings), verbose=0)

    def parts(self) -> Iterator[Callable[[int], None]]:
        """Yields the parts of the study, those that matter most first."""
        tenth, third = 0.1, 0.33
        middle = [b for b in self.budgets if b <= 0.5] or self.budgets
        yield lambda seed: self.shrink(seed, "shrink", self.budgets, tenth)
        yield lambda seed: self.narrow(seed, middle)
        yield lambda seed: self.shrink(seed, "random", middle, tenth)
        yield lambda seed: self.shrink(seed, "shrink", self.budgets, third)
        yield lambda seed: self.shrink(seed, "even", middle, tenth)
        yield lambda seed: self.searched(seed, middle)
        yield lambda seed: self.narrow(seed, self.budgets)
        yield lambda seed: self.shrink(
            seed, "random", self.budgets, draws=self.draws
        )

    def shrink(
        self,
        seed: int,
        choice: str,
        budgets: Any,
        tuned: float = 0.0,
        draws: int = 1,
    ) -> None:
        """Trains the 3D network, and shrinks it within each budget."""
        run = self.run("3d", seed)
        run.complete()
        Shrinking(
            run,
            budgets=budgets,
            choices=[choice],
            finetune_steps=round(tuned * self.steps),
            draws=draws,
        ).complete()

    def narrow(self, seed: int, budgets: Any) -> None:
        """Trains 3D networks of fewer channels in full."""
        if self.kind is PeerUNet:
            return
        for budget in budgets:
            width = self.width_of(budget)
            self.run(f"narrow_{width}", seed, width=width).complete()

    def searched(self, seed: int, budgets: Any) -> None:
        """Searches once, and trains what is derived for each budget."""
        run = self.run("search", seed)
        run.search("performance")
        for budget in budgets:
            own = self.run(
                f"searched_{100 * budget:g}",
                seed,
                variants=("performance",),
                budget=budget,
            )
            if not own.folder.path.exists():
                shutil.copytree(run.folder.path, own.folder.path)
            own.complete()

    @property
    def steps(self) -> int:
        """Counts the training steps of a network."""
        task = self.run("3d", 0).task
        training = task.data.training_data()
        return int(task.compile(task.build("3d"), training, None)[0])

    def width_of(self, budget: float) -> int:
        """Finds the width of the 3D network that is nearest to a budget."""
        widest = self.settings.width
        macs = {
            width: count_cost(
                self.run("3d", 0, width=width).task.build("3d")
            ).macs
            for width in range(1, widest + 1)
        }
        wanted = budget * macs[widest]
        return min(macs, key=lambda width: abs(macs[width] - wanted))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Compares the networks that every seed has, budget by budget."""
        original = self.scores("3d/networks/3d/scores.csv")
        if original is None:
            return
        yield self.row("3d", "trained", "3d/networks/3d", original, original)
        tuned = [f"tuned_{round(s * self.steps)}" for s in (0.1, 0.33)]
        for budget in self.budgets:
            at = f"{100 * budget:g}"
            width = "" if self.kind is PeerUNet else self.width_of(budget)
            narrow = f"narrow_{width}/networks/3d"
            searched = f"searched_{at}/networks/performance"
            controls = {"narrow": self.scores(f"{narrow}/scores.csv")}
            for name, folder in (("narrow", narrow), ("searched", searched)):
                scores = self.scores(f"{folder}/scores.csv")
                if scores is not None:
                    yield self.row(
                        name, "trained", folder, scores, original, budget
                    )
            for state, file in {
                "as it is": "scores.csv",
                "recalibrated": "recalibrated.csv",
                **{each: f"{each}/scores.csv" for each in tuned},
            }.items():
                controls["random"] = self.random(at, file)
                for choice in ("shrink", "random", "even"):
                    folder = f"3d/shrink/3d/{choice}_{at}"
                    scores = (
                        controls["random"]
                        if choice == "random"
                        else self.scores(f"{folder}/{file}")
                    )
                    if scores is not None:
                        yield self.row(
                            choice,
                            state,
                            folder,
                            scores,
                            original,
                            budget,
                            controls if choice == "shrink" else {},
                        )

    def random(self, at: str, file: str) -> np.ndarray | None:
        """Reads the mean scores of random draws."""
        folder = f"3d/shrink/3d/random_{at}"
        others = [f"{folder}/draw_{draw}" for draw in range(1, self.draws)]
        read = [self.scores(f"{each}/{file}") for each in (folder, *others)]
        found = [scores for scores in read if scores is not None]
        return np.mean(found, axis=0) if found else None

    def scores(self, file: str) -> np.ndarray | None:
        """Reads scores, `(seeds, cases)`, if every seed has them."""
        paths = [self.folder / f"seed_{seed}" / file for seed in self.seeds]
        if not all(path.is_file() for path in paths):
            return None
        return np.array(
            [
                [float(row["mean"]) for row in evaluation.read_scores(path)]
                for path in paths
            ]
        )

    def row(
        self,
        network: str,
        state: str,
        folder: str,
        scores: np.ndarray,
        original: np.ndarray,
        budget: float = 1.0,
        controls: Any = None,
    ) -> dict[str, Any]:
        """Makes a row of the table."""
        cost = read_json(
            self.folder / "seed_0" / folder / "cost.json", ("params", "macs")
        )
        full = read_json(
            self.folder / "seed_0" / "3d/networks/3d/cost.json", ("macs",)
        )
        low, high = seed_interval(scores - original)
        row = {
            "network": network,
            "state": state,
            "budget": f"{100 * budget:g} %",
            "macs_share": cost["macs"] / full["macs"],
            "params": cost["params"],
            "seeds": len(scores),
            "score": float(scores.mean()),
            "to_3d": float((scores - original).mean()),
            "low": low,
            "high": high,
        }
        for name in ("random", "narrow"):
            other = (controls or {}).get(name)
            ends = (None, None)
            difference = None
            if other is not None:
                difference = float((scores - other).mean())
                ends = seed_interval(scores - other)
            row[f"to_{name}"] = difference
            row[f"{name}_low"], row[f"{name}_high"] = ends
        return row


def main() -> None:
    """Runs the missing parts of the study and prints the table."""
    parser = side_by_side.parser(__doc__, repeats=3)
    names = [name for name in TASKS if name != "short"]
    parser.add_argument("--task", choices=names, default="hippocampus")
    parser.add_argument("--data", default="")
    parser.add_argument(
        "--budgets",
        nargs="*",
        type=float,
        default=[0.75, 0.5, 0.35, 0.25, 0.16],
    )
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--parts", type=int, help="by default all")
    options = parser.parse_args()
    if options.short:
        options.task, options.repeats, options.draws = "short", 1, 2
        options.budgets = [0.5]
    study = Study(
        options.output / "shrink" / options.task,
        options.task,
        data=options.data,
        budgets=tuple(options.budgets),
        seeds=options.repeats,
        draws=options.draws,
    )
    for number, part in list(enumerate(study.parts(), 1))[: options.parts]:
        for seed in study.seeds:
            logger.info("part %d, seed %d", number, seed)
            part(seed)
    table = side_by_side.Table(
        options.output / f"shrink_{options.task}.csv", COLUMNS
    )
    for row in study.rows():
        table.add(row)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main()
