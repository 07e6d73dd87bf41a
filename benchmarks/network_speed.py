"""Times whole networks against the 3D network that they replace.

The networks are ResNet-50 on clips with the configurations that the authors
published, the C2FNAS layout and a U-Net, one sample at a time. The forward
pass is timed; with `--training`, also the forward pass with all gradients.
Each network runs in turns with the 3D network of its group. A ratio is the
median of the ratios of the single turns. With `--autotune` each network first
gets the plans that `keras_cakes.autotune` measures.

The folded columns show the network with its normalizations folded into the
convolutions, divided by the time of the 3D network that is not folded. A
folded network has no training.

    python benchmarks/network_speed.py [--autotune] [--training]
    python benchmarks/network_speed.py --only unet3d    # one group
    python benchmarks/network_speed.py --short          # results only

Writes `network_speed.csv` and `network_speed.png`.
"""

import functools
import os
from collections.abc import Callable
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

COLUMNS = {
    "group": "<24",
    "network": "<36",
    "phase": "<9",
    "tuned": "<5",
    "params": ">12,",
    "macs": ">15,",
    "mac_ratio": ">9.2f",
    "ms": ">8.1f",
    "time_ratio": ">10.2f",
    "folded_ms": ">9.1f",
    "folded_ratio": ">12.2f",
}

Build = Callable[..., keras.Model]


def video() -> tuple[Build, dict[str, Any]]:
    """Builds ResNet-50 on clips, with the published configurations."""
    presets = kc.Configuration.presets()
    build = functools.partial(kc.models.resnet50_video, (8, 112, 112, 3))
    return build, {
        "2d": "2d",
        "p3d": "p3d",
        **{name: kc.Configuration.preset(name) for name in presets},
    }


def c2fnas() -> tuple[Build, dict[str, Any]]:
    """Builds the C2FNAS layout on a patch of about a second on two cores."""
    build = functools.partial(kc.models.c2fnas, (48, 48, 48, 1))
    return build, {"2d": "2d", "1d2d3d manual": "1d2d3d"}


def unet3d() -> tuple[Build, dict[str, Any]]:
    """Builds the U-Net, and networks derived at half of its multiply-adds.

    The path weights are random ones: how fast a derived network is does not
    depend on how good its choice was.
    """
    build = functools.partial(kc.models.unet3d, (48, 64, 48, 1), width=16)
    plain = build()
    supernet = kc.to_supernet(plain, "1d2d3d")
    generator = np.random.default_rng(0)
    for layer in supernet.search_layers:
        gamma = layer.path_normalization.gamma
        gamma.assign(generator.uniform(0.5, 1.5, gamma.shape))
    derived = {
        f"1d2d3d derived, channel_multiple={multiple}": kc.derive(
            supernet, channel_multiple=multiple, budget={"macs": 0.5}
        )
        for multiple in (1, 8, 16)
    }
    return build, {"2d": "2d", "1d2d3d manual": "1d2d3d", **derived}


GROUPS = {
    "resnet50_video 8x112x112": video,
    "c2fnas 48x48x48": c2fnas,
    "unet3d width 16": unet3d,
}


def tune(network: keras.Model, plans: Path, phases: list[str]) -> bool:
    """Gives the layers measured plans; says whether there are any."""
    if not any(isinstance(layer, kc.CakesConv3D) for layer in network.layers):
        return False
    shape = (1, *network.input_shape[1:])
    kc.autotune(network, shape, file=plans, phases=phases, verbose=False)
    return True


def measure(
    network: keras.Model,
    phase: str,
    reference: Callable[[], Any] | None,
    repeats: int,
) -> tuple[dict[str, Any], Callable[[], Any]]:
    """Times a network, its folded form and the reference in turns.

    Args:
        network: The network.
        phase: `"inference"` or `"training"`.
        reference: Pass of the 3D network; `None` if `network` is that.
        repeats: Timed runs of each.

    Returns:
        The measured columns, and the pass of the network.
    """
    shape = (1, *network.input_shape[1:])
    function = phase_function(network, [shape], phase)
    functions = {"network": function}
    if reference:
        functions["reference"] = reference
    if phase == "inference":
        functions["folded"] = phase_function(kc.fold(network), [shape], phase)
    times = time_alternately(functions, repeats=repeats)
    baseline = times["reference" if reference else "network"]
    row = {
        "ms": times["network"].median_ms,
        "time_ratio": times["network"].ratio_to(baseline),
        "folded_ms": None,
        "folded_ratio": None,
    }
    if "folded" in times:
        row["folded_ms"] = times["folded"].median_ms
        row["folded_ratio"] = times["folded"].ratio_to(baseline)
    return row, function


def measure_group(
    group: str, table: side_by_side.Table, phases: list[str], options: Any
) -> None:
    """Adds the rows of one group to the table."""
    build, convolutions = GROUPS[group]()
    references: dict[str, Callable[[], Any]] = {}
    macs = None
    for name, convolution in {"3d": "3d", **convolutions}.items():
        network = build(convolution=convolution)
        cost = kc.count_cost(network)
        macs = macs or cost.macs
        plans = options.plans or options.output / "plans.json"
        tuned = options.autotune and tune(network, plans, phases)
        for phase in phases:
            row, function = measure(
                network, phase, references.get(phase), options.repeats
            )
            references.setdefault(phase, function)
            table.add(
                {
                    "group": group,
                    "network": name,
                    "phase": phase,
                    "tuned": tuned,
                    "params": cost.params,
                    "macs": cost.macs,
                    "mac_ratio": cost.macs / macs,
                    **row,
                }
            )
        del network, function
        keras.utils.clear_session()


def draw(file: Path, rows: list[dict[str, Any]]) -> None:
    """Draws the ratios of the networks, plain and folded."""
    panels = {
        "as trained": ("time_ratio", "inference"),
        "folded": ("folded_ratio", "inference"),
        "training": ("time_ratio", "training"),
    }
    points = {
        name: [
            (row["mac_ratio"], row[column], row["group"])
            for row in rows
            if row["phase"] == phase
            and (row["network"], name) != ("3d", "as trained")
        ]
        for name, (column, phase) in panels.items()
    }
    side_by_side.save_scatter(
        file, {name: p for name, p in points.items() if p}, "the 3D network"
    )


def check(folder: Path) -> None:
    """Compares tuned and folded networks with the network itself."""
    shape = (1, 16, 16, 16, 1)
    network = kc.models.unet3d(shape[1:], width=4, convolution="video_1d2d3d")
    image = np.random.default_rng(0).normal(size=shape).astype("float32")
    for _ in range(3):
        # Statistics other than those of the start.
        network(image, training=True)
    expected = keras.ops.convert_to_numpy(network(image))

    def compare(name, other):
        outputs = keras.ops.convert_to_numpy(other(image))
        error = np.abs(outputs - expected).max()
        assert error < 1e-4, (name, error)
        print(f"{name}: the same outputs")

    compare("folded", kc.fold(network))
    folder.mkdir(parents=True, exist_ok=True)
    tune(network, folder / "plans.json", ["inference"])
    compare("tuned", network)
    compare("tuned and folded", kc.fold(network))


def main() -> None:
    """Measures the groups, or checks results with `--short`."""
    parser = side_by_side.parser(__doc__, repeats=11)
    parser.add_argument("--autotune", action="store_true")
    parser.add_argument("--plans", type=Path, help="file of measured plans")
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--only", default="", help="part of a group's name")
    options = parser.parse_args()
    if options.short:
        check(options.output / "short")
        return
    print(describe_device())
    phases = ["inference", "training"] if options.training else ["inference"]
    file = options.output / "network_speed.csv"
    table = side_by_side.Table(file, COLUMNS)
    for group in GROUPS:
        if options.only in group:
            measure_group(group, table, phases, options)
    for phase in phases:
        ratios = [
            row["time_ratio"]
            for row in table.rows
            if row["phase"] == phase and row["network"] != "3d"
        ]
        print(side_by_side.summary(phase, ratios))
    draw(file.with_suffix(".png"), table.rows)


if __name__ == "__main__":
    main()
