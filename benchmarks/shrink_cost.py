"""Measures the time and memory of shrinking, and the error of each layer.

Each network is loaded, reconstructed and shrunk in a process of its own, so
that its peak of memory is its own. Memory is that beyond the loaded network:
`stated_gib` is what `reconstruct` says before it starts.

    python benchmarks/shrink_cost.py
    python benchmarks/shrink_cost.py --networks resnet50

Networks: `unet`, the U-Net of width 16 on patches of 48x64x48; `unet32`, twice
as wide on 32x32x32; `resnet50`, a ResNet-50 for clips of 8x112x112, inflated
from a 2D network of random weights, whose statistics are recalibrated. Time and
memory do not depend on the values of weights; errors do.

`shrink_cost_layers.csv` has the relative error of each layer: what the best
weights on the chosen sub-kernels leave of the variance of its outputs.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import side_by_side

COLUMNS = {
    "network": "<10",
    "cases": ">5",
    "budgets": ">7",
    "rounds": ">6",
    "prices_s": ">8.1f",
    "budget_s": ">8.1f",
    "all_s": ">7.1f",
    "stated_gib": ">10.2f",
    "peak_gib": ">8.2f",
    "ratio": ">6.2f",
}
LAYERS = {
    "network": "<10",
    "layer": "<24",
    "columns": ">7",
    "budget": ">6.2f",
    "price": ">9.3f",
    "share": ">6.3f",
}
NETWORKS = ("unet", "unet32", "resnet50")
_BUDGETS = (0.75, 0.5, 0.35, 0.25, 0.16)


def build(name: str, folder: Path) -> None:
    """Builds a network, and saves it with inputs."""
    import keras
    import numpy as np

    import keras_cakes as kc

    generator = np.random.default_rng(0)
    if name == "resnet50":
        shape, cases = (8, 112, 112, 3), 16
        source = keras.applications.ResNet50(
            weights=None, classes=5, input_shape=shape[1:]
        )
        model = kc.models.resnet50_video(shape, 5, strided="reduce")
        kc.models.inflate(source, model)
    else:
        width, shape, cases = {
            "unet": (16, (48, 64, 48, 1), 16),
            "unet32": (32, (32, 32, 32, 1), 16),
            "short": (4, (16, 16, 16, 1), 4),
        }[name]
        model = kc.models.unet3d(shape, width=width)
    inputs = generator.normal(size=(cases, *shape)).astype("float32")
    kc.training.recalibrate(model, [inputs[:2], inputs[2:4]])
    model.save(folder / "network.keras")
    np.save(folder / "inputs.npy", inputs)


class Peak(threading.Thread):
    """Watches the memory of the process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.first = self.most = _resident()

    def run(self) -> None:
        while True:
            self.most = max(self.most, _resident())
            time.sleep(0.01)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(
    name: str, folder: Path, *, budgets: list[float], rounds: int
) -> dict[str, Any]:
    """Shrinks a network within all budgets, in this process."""
    import keras
    import numpy as np

    import keras_cakes as kc

    stated: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "GiB" in record.getMessage():
                stated.append(record.getMessage())

    logger = logging.getLogger("keras_cakes.search.shrinking.forecast")
    logger.setLevel("INFO")
    logger.addHandler(Handler())
    model = keras.models.load_model(folder / "network.keras", compile=False)
    inputs = np.load(folder / "inputs.npy")
    peak = Peak()
    peak.start()
    start = time.perf_counter()
    found = kc.search.reconstruct(model, inputs, cases=len(inputs), verbose=0)
    prices = time.perf_counter() - start
    layers = []
    for budget in budgets:
        configuration = found.derive({"macs": budget}, rounds=rounds)
        found.project(configuration)
        for layer, price in found.price(configuration).items():
            kernel = model.get_layer(layer).kernel.shape
            cheapest = -found.scores[layer].min(axis=0).sum()
            layers.append(
                {
                    "network": name,
                    "layer": layer,
                    "columns": kernel[0] * kernel[1] * kernel[2] * kernel[3],
                    "budget": budget,
                    "price": price,
                    "share": price / max(cheapest, 1e-12),
                }
            )
    everything = time.perf_counter() - start
    gib = float(stated[0].split(" takes ")[1].split(" GiB")[0])
    measured = (peak.most - peak.first) / 2**30
    return {
        "network": name,
        "cases": len(inputs),
        "budgets": len(budgets),
        "rounds": rounds,
        "prices_s": prices,
        "budget_s": (everything - prices) / len(budgets),
        "all_s": everything,
        "stated_gib": gib,
        "peak_gib": measured,
        "ratio": gib / measured,
        "layers": layers,
    }


def main() -> None:
    """Measures each network in a process of its own."""
    parser = side_by_side.parser(__doc__, repeats=1)
    names = (*NETWORKS, "short")
    parser.add_argument("--networks", nargs="*", choices=names)
    parser.add_argument("--budgets", nargs="*", type=float)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--step", choices=("build", "measure"))
    options = parser.parse_args()
    chosen = options.networks or (["short"] if options.short else NETWORKS)
    folder = options.output / "shrink_cost"
    if options.step == "build":
        build(chosen[0], folder / chosen[0])
        return
    if options.step == "measure":
        row = measure(
            chosen[0],
            folder / chosen[0],
            budgets=options.budgets,
            rounds=options.rounds,
        )
        print(json.dumps(row))
        return
    table = side_by_side.Table(options.output / "shrink_cost.csv", COLUMNS)
    rows = []
    for name in chosen:
        (folder / name).mkdir(parents=True, exist_ok=True)
        budgets = options.budgets or _BUDGETS
        if name == "resnet50" and not options.budgets:
            budgets = (0.5,)
        for step in ("build", "measure"):
            command = [sys.executable, __file__, "--step", step]
            command += ["--output", str(options.output), "--networks", name]
            command += ["--rounds", str(options.rounds)]
            command += ["--budgets", *map(str, budgets)]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True
            )
        row = json.loads(done.stdout.splitlines()[-1])
        rows += row.pop("layers")
        table.add(row)
    layers = side_by_side.Table(
        options.output / "shrink_cost_layers.csv", LAYERS
    )
    for row in rows:
        layers.add(row)


if __name__ == "__main__":
    main()
