"""Measures time and memory of a training step of supernets and networks.

For each of four backbones, with SGD and momentum, four sides are compared:
the 3D network, its supernet with the performance priority (paths drawn
independently, and balanced) and its supernet with the cost priority. All
sides run in one process, in turns, so that a noisy machine disturbs all of
them equally. A ratio is the median of the ratios of the single turns, given
with the smallest and the largest.

The peak memory of each side is measured in a process of its own: of the whole
process (`peak_mib`), and of the part that the weights and the training step
add (`step_mib`), beside the estimate of `keras_cakes.cost.estimate_memory`. A
supernet of the cost priority runs all candidates and so has more
multiply-adds; `time_by_macs` is the time ratio divided by their ratio.

    python benchmarks/search_speed.py                    # all backbones
    python benchmarks/search_speed.py --size c2fnas      # one of them
    python benchmarks/search_speed.py --short            # checks that it works

Writes `search_speed.csv` and `search_speed.png`.
"""

import dataclasses
import gc
import json
import math
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import psutil
import tensorflow as tf

import keras_cakes as kc
import side_by_side
from keras_cakes.cost.time.timing import describe_device
from keras_cakes.cost.time.timing import time_alternately

COLUMNS = {
    "backbone": "<15",
    "batch": ">5",
    "kind": "<20",
    "ms": ">7.0f",
    "time_ratio": ">10.2f",
    "least_ratio": ">11.2f",
    "most_ratio": ">10.2f",
    "peak_mib": ">8.0f",
    "memory_ratio": ">12.2f",
    "step_mib": ">8.0f",
    "estimated_mib": ">13.0f",
    "mac_ratio": ">9.2f",
    "time_by_macs": ">12.2f",
}
KINDS = ("plain", "performance", "performance-balanced", "cost")
BATCH = 2


@dataclasses.dataclass(frozen=True)
class Backbone:
    """Describes a network to search.

    Args:
        function: Name of the function in `keras_cakes.models`.
        shape: Shape of one input.
        arguments: The other arguments of the function.
        layers: Pattern of the names of the layers that are searched, among
            those that are by default.
        kernel_set: Sub-kernels of the search.
    """

    function: str
    shape: tuple[int, ...]
    arguments: dict[str, int] = dataclasses.field(default_factory=dict)
    layers: str = ""
    kernel_set: str = "1d2d3d"

    def build(self) -> keras.Model:
        """Builds the 3D network."""
        function = getattr(kc.models, self.function)
        return function(self.shape, **self.arguments)

    def supernet(self, model: keras.Model, kind: str) -> kc.Supernet:
        """Builds the supernet of the 3D network, by priority and draw."""
        priority, _, draw = kind.partition("-")
        return kc.to_supernet(
            model,
            kernel_set=self.kernel_set,
            priority=priority,
            draw=draw or "independent",
            candidate_kernels="separate",
            layers=[
                name
                for name in kc.replaceable_layers(model)
                if re.search(self.layers, name)
            ],
        )


BACKBONES = {
    "unet3d width 16": Backbone("unet3d", (48, 64, 48, 1), {"width": 16}),
    "unet3d width 64": Backbone("unet3d", (32, 48, 32, 1), {"width": 64}),
    "resnet50_video": Backbone(
        "resnet50_video",
        (8, 112, 112, 3),
        {"classes": 10},
        kernel_set="video_1d2d3d",
    ),
    "c2fnas": Backbone("c2fnas", (48, 48, 48, 1), layers="_core"),
    "resdsn": Backbone(
        # Its last convolution before the logits stays as it is.
        "resdsn",
        (48, 48, 48, 1),
        layers="^(?!decoder0_conv3)",
    ),
}
SHORT = {
    "unet3d width 4": Backbone(
        "unet3d",
        (16, 16, 16, 1),
        {"width": 4, "depth": 2},
        kernel_set="video_1d2d3d",
    )
}


def make(
    kind: str, backbone: Backbone
) -> tuple[Callable[[], float], keras.Model]:
    """Makes a function that does one training step, and its model."""
    model = backbone.build()
    output_shape = model.output_shape
    if kind != "plain":
        model = backbone.supernet(model, kind)
        # The plain network that it was made from has weights of its own.
        gc.collect()
    is_dense = len(output_shape) > 2
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        kc.training.DiceCrossEntropy()
        if is_dense
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    generator = np.random.default_rng(0)
    shape = (BATCH, *backbone.shape)
    image = tf.constant(generator.normal(size=shape), "float32")
    shape = (BATCH, *output_shape[1:-1])
    label = tf.constant(generator.integers(0, output_shape[-1], shape))

    def step():
        logs = model.train_on_batch(image, label, return_dict=True)
        loss = float(logs["loss"])
        assert math.isfinite(loss), f"{kind}: the loss is {loss}"
        return loss

    return step, model


def train_alone(kind: str, backbone: Backbone) -> dict[str, float]:
    """Trains a few steps and returns this process' memory, in MiB."""
    step, model = make(kind, backbone)
    process = psutil.Process()
    before = process.memory_info().rss
    for _ in range(3):
        step()
    try:
        # `getrusage` goes on from the peak of the process that started it.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    estimate = kc.cost.estimate_memory(model, (BATCH, *backbone.shape))
    held = {
        "peak_mib": peak,
        "step_mib": peak - before + estimate.weights,
        "estimated_mib": estimate.total,
    }
    return {name: value / 2**20 for name, value in held.items()}


def memory_of(kind: str, name: str) -> dict[str, float]:
    """Runs `train_alone` in a process of its own."""
    command = [sys.executable, __file__, "--only", kind, "--size", name]
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return json.loads(output.splitlines()[-1])


def measure(
    name: str, backbone: Backbone, repeats: int
) -> dict[str, dict[str, Any]]:
    """Measures the rows of one backbone, by kind."""
    memory = {kind: memory_of(kind, name) for kind in KINDS}
    steps, macs = {}, {}
    for kind in KINDS:
        steps[kind], model = make(kind, backbone)
        macs[kind] = kc.count_cost(model).macs
    times = time_alternately(steps, repeats=repeats)
    rows = {}
    for kind in KINDS:
        pairs = zip(times[kind].times_ms, times["plain"].times_ms, strict=True)
        ratios = [a / b for a, b in pairs]
        time_ratio = times[kind].ratio_to(times["plain"])
        mac_ratio = macs[kind] / macs["plain"]
        rows[kind] = {
            "backbone": name,
            "batch": BATCH,
            "kind": kind,
            "ms": times[kind].median_ms,
            "time_ratio": time_ratio,
            "least_ratio": min(ratios),
            "most_ratio": max(ratios),
            **memory[kind],
            "memory_ratio": memory[kind]["peak_mib"]
            / memory["plain"]["peak_mib"],
            "mac_ratio": mac_ratio,
            "time_by_macs": time_ratio / mac_ratio,
        }
    return rows


def main() -> None:
    """Measures the backbones, or one side's memory with `--only`."""
    parser = side_by_side.parser(__doc__, repeats=7)
    parser.add_argument("--only", choices=KINDS, help="print its peak memory")
    parser.add_argument("--size", choices=[*BACKBONES, *SHORT])
    options = parser.parse_args()
    if options.only:
        backbone = {**BACKBONES, **SHORT}[options.size]
        print(json.dumps(train_alone(options.only, backbone)))
        return
    backbones = SHORT if options.short else BACKBONES
    folder = options.output / "short" if options.short else options.output
    repeats = 2 if options.short else options.repeats
    print(describe_device())
    table = side_by_side.Table(folder / "search_speed.csv", COLUMNS)
    for name, backbone in backbones.items():
        if options.size in (None, name):
            for row in measure(name, backbone, repeats).values():
                table.add(row)
    side_by_side.save_scatter(
        table.file.with_suffix(".png"),
        {
            "training step": [
                (row["mac_ratio"], row["time_ratio"], row["kind"])
                for row in table.rows
                if row["kind"] != "plain"
            ]
        },
        "the 3D network",
    )


if __name__ == "__main__":
    main()
