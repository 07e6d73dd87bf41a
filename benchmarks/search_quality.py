"""Measures if the searches find anything, task by task, over seeds.

On each task, the supernets of several methods are trained. Configurations are
derived from their scores within budgets of multiply-adds. These, random and
even ones of the same budgets, and the plain networks are trained in the same
way. Every result is a file: a study that was stopped continues, and
`--repeats 5` after `--repeats 2` adds three seeds.

    python benchmarks/search_quality.py --task lines_height
    python benchmarks/search_quality.py --task hippocampus --data PREPARED
    python benchmarks/search_quality.py --task fir_20 --data PACKS
    python benchmarks/search_quality.py --short

PREPARED is the hippocampus at half its resolution, PACKS the FIR action clips:

    keras-cakes prepare --data Task04_Hippocampus --spacing 2 2 2 \\
      --output PREPARED
    keras-cakes video pack --data DATA/videos.csv --splits train val \\
      --encoding png --output PACKS

Writes `search_quality_*.csv` and `.png`: the networks, the methods, the axes
that the chosen sub-kernels span, and with `--repeated 8` the headroom: how
much configurations of one cost differ at all.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import side_by_side
from keras_cakes.kernels import kernel_set
from keras_cakes.runs.run import SearchRun
from search_quality_study.headroom import headroom_rows
from search_quality_study.measure import SearchQuality
from search_quality_study.methods import METHODS
from search_quality_study.plots import plot_budgets
from search_quality_study.plots import plot_spans
from search_quality_study.spans import ALL_LAYERS
from search_quality_study.spans import AXES
from search_quality_study.spans import FREE
from search_quality_study.spans import mean_spans
from search_quality_study.spans import span_rows
from search_quality_study.statistics import method_rows
from search_quality_study.statistics import network_rows
from search_tasks import TASKS

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
    "draws": ">6.0f",
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
HEADROOM = {
    "budget": ">6.2f",
    "configurations": ">14",
    "seeds": ">5",
    "score": ">7.4f",
    "noise": ">7.4f",
    "deviation": ">9.4f",
    "f": ">6.2f",
    "p": ">7.4f",
}
SPANS = {
    "method": "<20",
    "budget": ">6",
    "seed": ">4",
    **{axis: ">7.2f" for axis in AXES},
}
LAYERS = {
    "method": "<20",
    "budget": ">6",
    "layer": "<24",
    "seeds": ">5",
    **{axis: ">7.2f" for axis in AXES},
}


def quality_of(options: Any) -> SearchQuality:
    """Makes the study that the command line asks for."""
    task = TASKS[options.task]
    settings, name, lasso = task.settings, options.task, task.lasso
    if options.search_steps:
        # As much shrinking in all.
        lasso *= task.settings.search_steps / options.search_steps
        settings = dataclasses.replace(
            settings, search_steps=options.search_steps
        )
        name += f"_{options.search_steps}"
    if options.data:
        settings = dataclasses.replace(settings, data=options.data)

    def make_run(folder: Path, seed: int) -> SearchRun:
        made = task.kind(dataclasses.replace(settings, seed=seed))
        return SearchRun(folder, made, verbose=0)

    return SearchQuality(
        options.output / "search_quality" / name,
        make_run,
        methods=tuple(
            dataclasses.replace(method, lasso=lasso)
            for method in METHODS
            if method.name in options.methods
        ),
        budgets=tuple(options.budgets),
        seeds=options.repeats,
        plain=tuple(options.plain),
        randoms=options.randoms,
        repeated=options.repeated,
    )


def main() -> None:
    """Runs the missing parts of the study and prints the tables."""
    names = [method.name for method in METHODS]
    parser = side_by_side.parser(__doc__, repeats=5)
    parser.add_argument("--task", choices=TASKS, default="lines_height")
    parser.add_argument("--data", default="")
    parser.add_argument("--methods", nargs="*", choices=names, default=names)
    parser.add_argument(
        "--budgets", nargs="*", type=float, default=[0.25, 0.35, 0.5]
    )
    parser.add_argument("--plain", nargs="*", default=["3d", "2d", "p3d"])
    parser.add_argument("--randoms", type=int, default=5)
    parser.add_argument(
        "--repeated",
        type=int,
        default=0,
        help="random configurations that every seed trains: the headroom",
    )
    parser.add_argument(
        "--search-steps", type=int, help="for volumes, instead of the task's"
    )
    options = parser.parse_args()
    settings = TASKS[options.task].settings
    if options.search_steps and not hasattr(settings, "search_steps"):
        parser.error(
            "--search-steps is expected with a task of volumes. "
            f"Received: --task {options.task}"
        )
    if options.short:
        options.task, options.repeats, options.budgets = "short", 1, [0.5]
        options.randoms = 2
        options.methods = ["path weights", "sampled paths", "kernel energy"]
    quality = quality_of(options)
    quality.complete()
    file = options.output / f"search_quality_{quality.folder.name}.csv"
    task = TASKS[options.task]
    kernels = kernel_set(task.settings.kernel_set)
    names = [str(kernel) for kernel in kernels]
    rows = network_rows(quality)
    spans = span_rows(quality, names)
    found = {method.name for method in quality.methods}
    layers = mean_spans(row for row in spans if row["method"] in found)
    for part, columns, part_rows in (
        ("", NETWORKS, rows),
        ("_methods", METHOD_COLUMNS, method_rows(quality, names)),
        ("_spans", SPANS, [r for r in spans if r["layer"] == ALL_LAYERS]),
        ("_layers", LAYERS, layers),
        ("_headroom", HEADROOM, headroom_rows(quality)),
    ):
        table = side_by_side.Table(
            file.with_stem(f"{file.stem}{part}"), columns
        )
        for row in part_rows:
            table.add(row)
    if rows:
        plot_budgets(rows).savefig(file.with_suffix(".png"))
    budget = str(quality.budgets[0]) if quality.budgets else FREE
    shown = [
        row
        for row in layers
        if row["budget"] == budget and row["layer"] != ALL_LAYERS
    ]
    if task.axes and shown:
        chance = [
            row[axis]
            for row in spans
            if row["budget"] == budget and row["method"].startswith("random")
            for axis in AXES
        ] or [kernel[0] > 1 for kernel in kernels]
        figure = plot_spans(shown, task.axes, chance=float(np.mean(chance)))
        figure.savefig(file.with_name(f"{file.stem}_layers.png"))


if __name__ == "__main__":
    main()
