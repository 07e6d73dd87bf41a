"""Compares sliding-window prediction with MONAI's: results, time, memory.

Both sides run the same network of one 1x1x1 convolution and a softmax, with
the same fixed weights, over the same volume. The window is the same, with an
overlap of one half and Gaussian weights. Both run in one process, in turns. A
network this small shows the time that is spent around it: `overhead_ms` is the
time per window of a whole prediction, minus the time of the network and the
softmax alone. `ratio` is our overhead divided by MONAI's. All numbers are
medians over the turns.

Then the peak memory of `predict_volume` is measured, above the memory that the
process holds before, each time in a process of its own. With `online`, the
part that grows with the classes is a slab of the volume, which does not grow
with its depth.

    python benchmarks/sliding_window.py
    python benchmarks/sliding_window.py --short    # equal results only

MONAI comes with `pip install 'keras-cakes[bench]'`. Writes
`sliding_window_time.csv` and `sliding_window_memory.csv`.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import psutil

import side_by_side
from keras_cakes.cost.time.timing import describe_device
from keras_cakes.cost.time.timing import phase_function
from keras_cakes.cost.time.timing import time_alternately
from keras_cakes.evaluation import predict_probabilities
from keras_cakes.evaluation import predict_volume
from keras_cakes.evaluation.volumes.windows import Windows

SHAPE, WINDOW = (160, 160, 96), (64, 64, 64)
SHORT_SHAPE, SHORT_WINDOW = (21, 30, 9), (8, 12, 16)
CLASSES = 4
OVERLAP = 0.5
# What float32 sums may differ by.
TOLERANCE = 1e-4
# The share of MONAI's overhead that is wanted at most.
WANTED = 0.5

TIME_COLUMNS = {
    "side": "<12",
    "windows": ">7",
    "total_ms": ">9.1f",
    "ms_per_window": ">13.2f",
    "network_ms": ">10.2f",
    "overhead_ms": ">11.2f",
    "ratio": ">6.2f",
}
MEMORY_COLUMNS = {
    "depth": ">5",
    "classes": ">7",
    "online_mib": ">10.0f",
    "whole_mib": ">9.0f",
    "slab_mib": ">8.0f",
    "volume_mib": ">10.0f",
}


def fixed_weights(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Makes kernel `(1, classes)` and bias `(classes,)` of both networks."""
    generator = np.random.default_rng(classes)
    kernel = generator.normal(size=(1, classes))
    return kernel.astype("float32"), generator.normal(size=classes)


def keras_network(classes: int) -> keras.Model:
    """Builds the network from one channel to logits."""
    image = keras.Input((None, None, None, 1))
    layer = keras.layers.Conv3D(classes, 1)
    model = keras.Model(image, layer(image))
    kernel, bias = fixed_weights(classes)
    layer.set_weights([kernel.reshape(1, 1, 1, 1, classes), bias])
    return model


def torch_network(classes: int) -> Callable[[Any], Any]:
    """Builds the network from one channel (first axis) to probabilities."""
    import torch

    layer = torch.nn.Conv3d(1, classes, 1)
    kernel, bias = fixed_weights(classes)
    weight = kernel.T.reshape(classes, 1, 1, 1, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return lambda windows: torch.softmax(layer(windows), dim=1)


def random_image(shape: tuple[int, ...]) -> np.ndarray:
    """Draws a float32 array of `shape` and one channel."""
    image = np.random.default_rng(0).normal(size=(*shape, 1))
    return image.astype("float32")


def sides(
    shape: tuple[int, ...], window: tuple[int, ...]
) -> tuple[dict[str, Callable[[], Any]], dict[str, Callable[[], Any]]]:
    """Makes whole predictions and bare network passes, by side."""
    import torch
    from monai.inferers import sliding_window_inference

    image = random_image(shape)
    model, peer = keras_network(CLASSES), torch_network(CLASSES)
    alone = keras.Model(model.input, keras.layers.Softmax()(model.output))
    batch = (1, *window, 1)
    tensor = torch.from_numpy(image[None, ..., 0][None])
    one_window = torch.randn((1, 1, *window))

    @torch.inference_mode()
    def monai() -> np.ndarray:
        result = sliding_window_inference(
            tensor, window, 1, peer, overlap=OVERLAP, mode="gaussian"
        )
        return result[0].permute(1, 2, 3, 0).numpy()

    def ours() -> np.ndarray:
        return predict_probabilities(
            model,
            image,
            patch_shape=window,
            overlap=OVERLAP,
            weighting="gaussian",
        )

    return {"keras_cakes": ours, "MONAI": monai}, {
        "keras_cakes": phase_function(alone, [batch], "inference"),
        "MONAI": torch.inference_mode()(lambda: peer(one_window)),
    }


def check_equal(predictions: Mapping[str, Callable[[], Any]]) -> None:
    """Checks that both sides give the same probabilities."""
    ours, monai = predictions["keras_cakes"](), predictions["MONAI"]()
    difference = float(np.abs(ours - monai).max())
    assert ours.shape == monai.shape, f"{ours.shape} and {monai.shape}"
    assert difference <= TOLERANCE, f"they differ by {difference:.2g}"
    print(f"probabilities {ours.shape}: largest difference {difference:.2g}")


def measure_time(folder: Path, repeats: int) -> None:
    """Measures time per window of both sides, and of their networks alone."""
    predictions, networks = sides(SHAPE, WINDOW)
    check_equal(predictions)
    windows = len(Windows(WINDOW).starts(SHAPE, OVERLAP))
    # As many passes of the network as a prediction has, in the same turns.
    functions = {
        **{(side, "total"): f for side, f in predictions.items()},
        **{
            (side, "network"): lambda f=f: [f() for _ in range(windows)]
            for side, f in networks.items()
        },
    }
    times = {
        key: np.array(timing.times_ms) / windows
        for key, timing in time_alternately(functions, repeats=repeats).items()
    }
    overhead = {
        side: times[side, "total"] - times[side, "network"]
        for side in predictions
    }
    table = side_by_side.Table(folder / "sliding_window_time.csv", TIME_COLUMNS)
    for side in predictions:
        table.add(
            {
                "side": side,
                "windows": windows,
                "total_ms": windows * statistics.median(times[side, "total"]),
                "ms_per_window": statistics.median(times[side, "total"]),
                "network_ms": statistics.median(times[side, "network"]),
                "overhead_ms": statistics.median(overhead[side]),
                "ratio": statistics.median(overhead[side] / overhead["MONAI"]),
            }
        )
    ratio = table.rows[0]["ratio"]
    word = "at most" if ratio <= WANTED else "MORE than"
    print(f"overhead / MONAI's: {ratio:.2f}, {word} the wanted {WANTED}")


def peak_of(depth: int, classes: int, online: bool) -> float:
    """Measures the peak MiB that a prediction adds to this process."""
    model, image = keras_network(classes), random_image((depth, *SHAPE[1:]))
    # What TensorFlow needs once is no part of a prediction.
    predict_volume(model, image[:8, :8, :8], patch_shape=(8, 8, 8))
    before = psutil.Process().memory_info().rss
    predict_volume(
        model,
        image,
        patch_shape=WINDOW,
        overlap=OVERLAP,
        weighting="gaussian",
        online=online,
    )
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    return (peak - before) / 2**20


def measure_memory(folder: Path) -> None:
    """Measures peak memory by classes and depth, with and without online."""
    file = folder / "sliding_window_memory.csv"
    table = side_by_side.Table(file, MEMORY_COLUMNS)
    for depth in (SHAPE[0], 2 * SHAPE[0]):
        for classes in (2, 4, 8, 16):
            peaks = {}
            for online in (True, False):
                command = [sys.executable, __file__, "--peak-of"]
                command += [str(depth), str(classes), str(int(online))]
                output = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True
                ).stdout
                peaks[online] = json.loads(output.splitlines()[-1])
            mib_per_plane = SHAPE[1] * SHAPE[2] * classes * 4 / 2**20
            table.add(
                {
                    "depth": depth,
                    "classes": classes,
                    "online_mib": peaks[True],
                    "whole_mib": peaks[False],
                    "slab_mib": WINDOW[0] * mib_per_plane,
                    "volume_mib": depth * mib_per_plane,
                }
            )


def main() -> None:
    """Compares with MONAI, if it is installed, and measures memory."""
    parser = side_by_side.parser(__doc__, repeats=15)
    parser.add_argument(
        "--peak-of",
        nargs=3,
        type=int,
        metavar=("DEPTH", "CLASSES", "ONLINE"),
        help="print the peak memory of one prediction, in MiB",
    )
    options = parser.parse_args()
    if options.peak_of:
        depth, classes, online = options.peak_of
        print(json.dumps(peak_of(depth, classes, bool(online))))
        return
    print(describe_device())
    start, load = time.perf_counter(), os.getloadavg()[0]
    if importlib.util.find_spec("monai") is None:
        print(
            "not compared: MONAI is not installed; "
            "pip install 'keras-cakes[bench]'"
        )
    elif options.short:
        check_equal(sides(SHORT_SHAPE, SHORT_WINDOW)[0])
    else:
        measure_time(options.output, options.repeats)
    if options.short:
        return
    measure_memory(options.output)
    print(
        f"load of the machine {load:.1f} before, {os.getloadavg()[0]:.1f} "
        f"after {time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
