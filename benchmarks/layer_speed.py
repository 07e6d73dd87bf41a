"""Times `CakesConv3D` layers against the `Conv3D` that they replace.

Both layers have as many filters as input channels, `"same"` padding and no
bias, on volumes and clips of 8 to 512 channels. A case is a shape and a set
of sub-kernels: split evenly, split into multiples of 16 ("aligned"), or split
as in the authors' networks. The forward pass ("inference") and the forward
pass with all gradients ("training") are timed.

Three layers run in turns: `Conv3D`, the layer with the plan of its rule
("default") and, with `--autotune`, the layer with the plans that
`keras_cakes.autotune` measures ("tuned"). A ratio is the median of the ratios
of the single turns. If a ratio of a case is above 1.03, the case is measured
once more with twice the repeats. The second measurement always counts, and is
marked with `*`.

    python benchmarks/layer_speed.py                # the rule alone
    python benchmarks/layer_speed.py --autotune     # and measured plans
    python benchmarks/layer_speed.py --short        # results only, no clock

Writes `layer_speed.csv` and `layer_speed.png`.
"""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_cakes as kc
import side_by_side
from keras_cakes.cost.time.timing import describe_device
from keras_cakes.cost.time.timing import phase_function
from keras_cakes.cost.time.timing import time_alternately
from keras_cakes.kernels import SubKernel
from keras_cakes.kernels.sub_kernels import uniform_counts

COLUMNS = {
    "shape": "<16",
    "filters": ">7",
    "kernels": "<37",
    "aligned": "<7",
    "phase": "<9",
    "mac_ratio": ">9.2f",
    "conv3d_ms": ">9.2f",
    "default_ms": ">10.2f",
    "default_ratio": ">13.2f",
    "tuned_ms": ">8.2f",
    "tuned_ratio": ">11.2f",
    "plan": "",
}
PHASES = ("inference", "training")
BLOCK = 16
SUSPICIOUS = 1.03
VOLUMES = (
    (1, 64, 64, 64, 8),
    (1, 48, 64, 48, 16),
    (2, 32, 32, 32, 16),
    (1, 32, 32, 32, 32),
    (2, 24, 32, 24, 32),
    (1, 16, 16, 16, 64),
    (4, 16, 16, 16, 64),
    (1, 16, 16, 16, 128),
    (1, 8, 8, 8, 256),
    (4, 8, 8, 8, 256),
    (1, 4, 4, 4, 512),
    (4, 4, 4, 4, 512),
)
CLIPS = (
    (1, 8, 56, 56, 64),
    (1, 8, 28, 28, 128),
    (2, 8, 14, 14, 256),
    (1, 8, 7, 7, 512),
)
VOLUME_SETS = ("1d2d3d", "2d", "1d")
CLIP_SETS = ("video_1d2d", "video_1d2d3d", "video_2d3d")
PRESETS = (
    "resnet50_ssv1_1d2d3d_performance",
    "resnet50_ssv1_1d2d3d_cost",
)
# Layers without strides, and the input each has for a clip of 8x112x112.
PRESET_LAYERS = {
    "stage1_block0": (1, 8, 28, 28, 64),
    "stage2_block2": (1, 8, 14, 14, 128),
    "stage3_block3": (1, 8, 7, 7, 256),
    "stage4_block2": (1, 8, 4, 4, 512),
}
SHORT = (
    ((2, 5, 6, 7, 8), "1d2d3d"),
    ((1, 6, 6, 6, 12), "2d"),
    ((2, 4, 8, 8, 16), "video_1d2d3d"),
    ((1, 4, 4, 4, 128), "1d2d3d aligned"),
)


@dataclasses.dataclass(frozen=True)
class Case:
    """Describes a layer to time: the shape of its input and its sub-kernels."""

    shape: tuple[int, ...]
    kernels: str
    assignment: kc.kernels.Assignment

    @property
    def filters(self) -> int:
        """Returns the number of filters, equal to the input channels."""
        return self.shape[-1]

    @property
    def is_aligned(self) -> bool:
        """Tells if each sub-kernel makes whole blocks of channels."""
        return all(n % BLOCK == 0 for n in self.assignment.counts.values())

    @property
    def mac_ratio(self) -> float:
        """Returns the ratio of multiply-adds to `Conv3D`."""
        counts = self.assignment.counts.items()
        taps = sum(SubKernel.parse(name).taps * n for name, n in counts)
        return taps / (27 * self.filters)

    def cakes(self) -> kc.CakesConv3D:
        """Makes the layer, not built."""
        return kc.CakesConv3D(
            self.filters,
            3,
            padding="same",
            use_bias=False,
            sub_kernels=self.assignment,
        )

    def conv3d(self) -> keras.layers.Conv3D:
        """Builds the `Conv3D` that the layer replaces."""
        layer = keras.layers.Conv3D(
            self.filters, 3, padding="same", use_bias=False
        )
        layer.build(self.shape)
        return layer


def cases() -> Iterator[Case]:
    """Yields the cases of the grid."""
    for shapes, names in ((VOLUMES, VOLUME_SETS), (CLIPS, CLIP_SETS)):
        for shape in shapes:
            for name in names:
                yield split(shape, name)
            if shape[-1] >= 128:
                name = next(n for n in names if n.endswith("1d2d3d"))
                yield split(shape, f"{name} aligned")
    for preset in PRESETS:
        configuration = kc.Configuration.preset(preset)
        for layer, shape in PRESET_LAYERS.items():
            name = f"{preset.removeprefix('resnet50_ssv1_')} {layer}"
            yield Case(shape, name, configuration[f"{layer}_mixed"])


def split(shape: tuple[int, ...], kernels: str) -> Case:
    """Splits a kernel set evenly; `"<name> aligned"`: in whole blocks."""
    name, _, aligned = kernels.partition(" ")
    unit = BLOCK if aligned else 1
    counts = uniform_counts(shape[-1] // unit, kc.kernels.kernel_set(name))
    assignment = kc.kernels.Assignment(
        {str(k): unit * n for k, n in counts.items()}
    )
    return Case(shape, kernels, assignment)


def layers_of(case: Case, plans: Path | None) -> dict[str, keras.Layer]:
    """Builds the layers that are timed in turns, by column."""
    default = case.cakes()
    default.build(case.shape)
    layers = {"conv3d": case.conv3d(), "default": default}
    if plans:
        image = keras.Input(case.shape[1:])
        tuned = case.cakes()
        model = keras.Model(image, tuned(image))
        kc.autotune(model, case.shape, file=plans, verbose=False)
        layers["tuned"] = tuned
    return layers


def measure(
    case: Case, layers: dict[str, keras.Layer], phase: str, repeats: int
) -> dict[str, Any]:
    """Measures one row of the table."""
    times = time_alternately(
        {
            name: phase_function(layer, [case.shape], phase)
            for name, layer in layers.items()
        },
        repeats=repeats,
    )
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    for name, timing in times.items():
        row[f"{name}_ms"] = timing.median_ms
        if name != "conv3d":
            row[f"{name}_ratio"] = timing.ratio_to(times["conv3d"])
    return {
        **row,
        "shape": "x".join(map(str, case.shape)),
        "filters": case.filters,
        "kernels": case.kernels,
        "aligned": case.is_aligned,
        "phase": phase,
        "mac_ratio": case.mac_ratio,
        "plan": describe(list(layers.values())[-1].plans[phase]),
    }


def describe(plan: Any) -> str:
    """Lists the boxes of a plan and how many channels each computes."""
    return " ".join(
        f"{box.size}:{box.filters}{' (2d)' * (box.form == 'conv2d')}"
        for box in plan.boxes
    )


def ratios(row: dict[str, Any]) -> list[float]:
    """Reads the measured time ratios from a row."""
    measured = (row["default_ratio"], row["tuned_ratio"])
    return [ratio for ratio in measured if ratio is not None]


def summarize(rows: list[dict[str, Any]], kind: str, phase: str) -> None:
    """Prints a summary of the ratios of one kind and phase."""
    rows = [row for row in rows if row["phase"] == phase]
    times = [row[f"{kind}_ratio"] for row in rows]
    print(side_by_side.summary(f"{kind} {phase}", times))
    for aligned in (True, False):
        excess = [
            row[f"{kind}_ratio"] / row["mac_ratio"]
            for row in rows
            if row["filters"] >= 128 and row["aligned"] == aligned
        ]
        if excess:
            print(
                "  128 filters and more, "
                f"{'aligned' if aligned else 'other'} counts: time ratio at "
                f"most {max(excess):.2f} x MAC ratio ({len(excess)} cases)"
            )


def width_of(row: dict[str, Any]) -> str:
    """Names the group of layers that a row belongs to."""
    filters = row["filters"]
    if filters <= 32:
        return "up to 32 filters"
    return "64 filters" if filters < 128 else "128 filters and more"


def check() -> None:
    """Compares every plan with `Conv3D` with the embedded kernel."""
    for shape, kernels in SHORT:
        case = split(shape, kernels)
        layer, reference = case.cakes(), case.conv3d()
        layer.build(shape)
        reference.kernel.assign(layer.kernel)
        image = np.random.default_rng(0).normal(size=shape).astype("float32")
        expected = keras.ops.convert_to_numpy(reference(image))
        for plan in (None, "dense", "separate"):
            layer.plan = plan
            for training in (True, False):
                outputs = layer(image, training=training)
                outputs = keras.ops.convert_to_numpy(outputs)
                error = np.abs(outputs - expected).max()
                error /= np.abs(expected).max()
                assert error < 1e-5, (case, plan, training, error)
        print(f"{'x'.join(map(str, shape))} {kernels}: every plan agrees")


def main() -> None:
    """Measures the grid, or checks results with `--short`."""
    parser = side_by_side.parser(__doc__, repeats=11)
    parser.add_argument("--autotune", action="store_true")
    parser.add_argument("--plans", type=Path, help="file of measured plans")
    parser.add_argument("--only", default="", help="part of the kernels' name")
    options = parser.parse_args()
    if options.short:
        check()
        return
    print(describe_device())
    file = options.output / "layer_speed.csv"
    table = side_by_side.Table(file, COLUMNS)
    plans = options.plans or options.output / "plans.json"
    for case in cases():
        if options.only not in case.kernels:
            continue
        layers = layers_of(case, plans if options.autotune else None)
        for phase in PHASES:
            row, mark = measure(case, layers, phase, options.repeats), ""
            if max(ratios(row)) > SUSPICIOUS:
                row = measure(case, layers, phase, 2 * options.repeats)
                mark = "*"
            table.add(row, mark)
        keras.utils.clear_session()
    kinds = ["default", "tuned"] if options.autotune else ["default"]
    for kind in kinds:
        for phase in PHASES:
            summarize(table.rows, kind, phase)
    side_by_side.save_scatter(
        file.with_suffix(".png"),
        {
            phase: [
                (row["mac_ratio"], row[f"{kinds[-1]}_ratio"], width_of(row))
                for row in table.rows
                if row["phase"] == phase
            ]
            for phase in PHASES
        },
        "Conv3D",
    )


if __name__ == "__main__":
    main()
