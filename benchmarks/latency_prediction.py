"""Measures how well a `LatencyTable` predicts the time of whole networks.

The networks are the U-Net, and ResNet-50 on clips. First their layers are
measured for a table. Then random configurations are measured whose
multiply-adds are spread over the range that the kernel set allows. The
configurations of the U-Net are rounded to blocks of 8 channels: its layers
have 16 to 64 filters, and most finer splits run as one full kernel in the
time of the plain network, so there would be nothing to predict.

Each network runs in turns with the plain network. Its measured time is the
time of the plain network, multiplied by the median ratio of these turns. So a
machine that is busy for a while does not make a network look slow.

    python benchmarks/latency_prediction.py               # all networks
    python benchmarks/latency_prediction.py --only unet3d
    python benchmarks/latency_prediction.py --short       # checks that it works

Prints the mean error and the rank correlation (Spearman); writes
`latency_prediction.csv`.
"""

import dataclasses
import gc
import os
import statistics
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from scipy.stats import spearmanr

import keras_cakes as kc
import side_by_side
from keras_cakes.cost.time.timing import describe_device
from keras_cakes.cost.time.timing import phase_function
from keras_cakes.cost.time.timing import time_alternately

COLUMNS = {
    "network": "<20",
    "seed": ">4",
    "mac_ratio": ">9.2f",
    "predicted_ms": ">12.1f",
    "measured_ms": ">11.1f",
    "error": ">6.3f",
}


@dataclasses.dataclass(frozen=True)
class Network:
    """Describes a network and how its configurations are drawn.

    Args:
        function: Name of the function in `keras_cakes.models`.
        shape: Shape of one input.
        arguments: The other arguments of the function.
        kernel_set: Sub-kernels that may replace the full kernels.
        channel_multiple: Blocks of channels.
    """

    function: str
    shape: tuple[int, ...]
    arguments: dict[str, int]
    kernel_set: str
    channel_multiple: int = 1

    def build(self) -> keras.Model:
        """Builds the plain network."""
        function = getattr(kc.models, self.function)
        return function(self.shape, **self.arguments)


NETWORKS = {
    "unet3d width 16": Network(
        "unet3d", (48, 64, 48, 1), {"width": 16}, "1d2d3d", 8
    ),
    "unet3d width 32": Network(
        "unet3d", (48, 64, 48, 1), {"width": 32}, "1d2d3d", 8
    ),
    "resnet50_video": Network(
        "resnet50_video", (8, 112, 112, 3), {"classes": 10}, "video_1d2d3d"
    ),
}
SHORT = {
    "unet3d of depth 1": Network(
        "unet3d", (16, 16, 16, 1), {"width": 32, "depth": 1}, "video_1d2d3d", 8
    )
}


def spread(
    model: keras.Model, network: Network, count: int
) -> list[kc.Configuration]:
    """Draws random configurations, from the cheapest to the most expensive."""
    supernet = kc.to_supernet(model, network.kernel_set)
    kernels = supernet.search_layers[0].kernel_set

    def macs(kernel: Any) -> int:
        configuration = kc.uniform_configuration(model, [str(kernel)])
        return kc.count_cost(kc.replace(model, configuration)).macs

    wanted = np.linspace(macs(kernels[-1]), macs(kernels[0]), count + 2)[1:-1]
    configurations = [
        kc.random_configuration(
            model, network.kernel_set, budget={"macs": int(n)}, seed=seed
        )
        for seed, n in enumerate(wanted)
    ]
    if network.channel_multiple == 1:
        return configurations
    return [
        rounded(configuration, supernet, network.channel_multiple)
        for configuration in configurations
    ]


def rounded(
    configuration: kc.Configuration, supernet: kc.Supernet, multiple: int
) -> kc.Configuration:
    """Rounds a configuration to blocks of channels, as `derive` does."""
    for layer in supernet.search_layers:
        channels = configuration[layer.name].channels
        chosen = [[k == str(own) for k in channels] for own in layer.kernel_set]
        layer.path_normalization.gamma.assign(np.array(chosen, "float32"))
    return kc.derive(supernet, channel_multiple=multiple)


def measure(
    name: str, count: int, repeats: int, table: side_by_side.Table
) -> None:
    """Adds the rows of one network to the table and prints its summary."""
    network = {**NETWORKS, **SHORT}[name]
    model = network.build()
    batch_shape = (1, *network.shape)
    latency = kc.cost.LatencyTable(
        model,
        kc.replaceable_layers(model),
        kernel_set=network.kernel_set,
        batch_shape=batch_shape,
        repeats=repeats,
        verbose=0,
    )
    plain = phase_function(model, [batch_shape], "inference")
    macs = kc.count_cost(model).macs
    rows = []
    for seed, configuration in enumerate(spread(model, network, count)):
        replaced = kc.replace(model, configuration)
        times = time_alternately(
            {
                "plain": plain,
                "network": phase_function(replaced, [batch_shape], "inference"),
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
                "mac_ratio": kc.count_cost(replaced).macs / macs,
                "predicted_ms": predicted,
                "measured_ms": measured,
                "error": predicted / measured - 1,
            }
        )
        table.add(rows[-1])
        del replaced
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
