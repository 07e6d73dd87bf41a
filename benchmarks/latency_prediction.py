"""How well a `LatencyTable` predicts the time of whole networks.

For the U-Net and ResNet-50 on clips: a table of their layers is measured,
then random configurations whose multiply-adds are spread over what the
kernel set allows. Each network runs in turns with the plain one, and its
measured time is the plain network's times the median ratio of those turns,
so that a machine that is busy for a while does not pass for a slow network.

    python benchmarks/latency_prediction.py               # both networks
    python benchmarks/latency_prediction.py --only unet3d
    python benchmarks/latency_prediction.py --short       # checks that it works

Prints the mean error and the rank correlation (Spearman); writes
`latency_prediction.csv`.
"""

import gc
import os
import statistics
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import side_by_side
from scipy.stats import spearmanr

import keras_cakes as kc
from keras_cakes.cost.timing import describe_device
from keras_cakes.cost.timing import phase_function
from keras_cakes.cost.timing import time_alternately

COLUMNS = {
    "network": "<20",
    "seed": ">4",
    "mac_ratio": ">9.2f",
    "predicted_ms": ">12.1f",
    "measured_ms": ">11.1f",
    "error": ">6.3f",
}
# Shape of one sample, the other arguments, and the kernel set.
NETWORKS: dict[str, tuple[str, tuple[int, ...], dict[str, int], str]] = {
    "unet3d width 16": ("unet3d", (48, 64, 48, 1), {"width": 16}, "1d2d3d"),
    "resnet50_video": (
        "resnet50_video",
        (8, 112, 112, 3),
        {"classes": 10},
        "video_1d2d3d",
    ),
}
SHORT: dict[str, tuple[str, tuple[int, ...], dict[str, int], str]] = {
    "unet3d width 32": (
        "unet3d",
        (16, 16, 16, 1),
        {"width": 32, "depth": 1},
        "video_1d2d3d",
    )
}


def spread(
    model: keras.Model, kernel_set: str, count: int
) -> list[kc.Configuration]:
    """Random configurations, from the cheapest to the most expensive."""
    names = kc.replaceable_layers(model)
    layer = model.get_layer(names[0])
    members = kc.kernel_set(kernel_set, layer.kernel_size)

    def macs(kernel: Any) -> int:
        configuration = kc.uniform_configuration(model, [str(kernel)])
        return kc.count_cost(kc.replace(model, configuration)).macs

    ends = [macs(members[0]), macs(members[-1])]
    wanted = np.linspace(min(ends), max(ends), count + 2)[1:-1]
    return [
        kc.random_configuration(model, kernel_set, macs=int(n), seed=seed)
        for seed, n in enumerate(wanted)
    ]


def measure(
    name: str, count: int, repeats: int, table: side_by_side.Table
) -> None:
    """Adds the rows of one network to the table and prints its summary."""
    function, shape, arguments, kernel_set = {**NETWORKS, **SHORT}[name]
    model = getattr(kc.models, function)(shape, **arguments)
    batch_shape = (1, *shape)
    latency = kc.LatencyTable(
        model,
        kc.replaceable_layers(model),
        kernel_set,
        batch_shape,
        repeats=repeats,
        verbose=0,
    )
    plain = phase_function(model, [batch_shape], "inference")
    macs = kc.count_cost(model).macs
    rows = []
    for seed, configuration in enumerate(spread(model, kernel_set, count)):
        network = kc.replace(model, configuration)
        times = time_alternately(
            {
                "plain": plain,
                "network": phase_function(network, [batch_shape], "inference"),
            },
            repeats=repeats,
        )
        ratio = times["network"].ratio_to(times["plain"])
        predicted = latency.predict(configuration)
        measured = ratio * latency.network_ms
        rows.append(
            {
                "network": name,
                "seed": seed,
                "mac_ratio": kc.count_cost(network).macs / macs,
                "predicted_ms": predicted,
                "measured_ms": measured,
                "error": predicted / measured - 1,
            }
        )
        table.add(rows[-1])
        del network
        gc.collect()
    error = statistics.mean(abs(row["error"]) for row in rows)
    rank = spearmanr(
        [row["predicted_ms"] for row in rows],
        [row["measured_ms"] for row in rows],
    ).statistic
    print(
        f"{name}: plain network {latency.network_ms:.1f} ms; mean error "
        f"{error:.1%}, rank correlation {rank:.3f}"
    )


def main() -> None:
    """Measures the networks, or a small one with `--short`."""
    parser = side_by_side.parser(__doc__, repeats=9)
    parser.add_argument("--only", default="", help="part of a network's name")
    parser.add_argument("--count", type=int, default=20, help="configurations")
    options = parser.parse_args()
    print(describe_device())
    networks = SHORT if options.short else NETWORKS
    folder = options.output / "short" if options.short else options.output
    count, repeats = (
        (3, 2) if options.short else (options.count, options.repeats)
    )
    table = side_by_side.Table(folder / "latency_prediction.csv", COLUMNS)
    for name in networks:
        if options.only in name:
            measure(name, count, repeats, table)


if __name__ == "__main__":
    main()
