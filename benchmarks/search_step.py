"""Time and memory of a training step: supernet against plain network.

Both sides run in one process, alternately, so that a noisy machine troubles
them alike; the peak memory of each side is measured in a process of its own.

    python benchmarks/search_step.py            # the two sizes of the docs
    python benchmarks/search_step.py --short    # small; checks that it works
"""

import argparse
import gc
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

SIZES = {
    "width 16": ((48, 64, 48), 16),
    "width 64": ((24, 32, 24), 64),
}
SHORT = {"width 4": ((16, 16, 16), 4)}
BATCH = 2


def make(kind, shape, width):
    """Returns a function that does one training step."""
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_cakes as kc

    model = kc.models.unet3d((*shape, 1), width=width)
    if kind != "plain":
        priority, _, draw = kind.partition("-")
        model = kc.to_supernet(
            model,
            priority=priority,
            draw=draw or "independent",
            aggregation="sum",
        )
        # The plain network that it was made from has weights of its own.
        gc.collect()
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        kc.losses.DiceCrossEntropy(),
    )
    generator = np.random.default_rng(0)
    image = generator.normal(size=(BATCH, *shape, 1)).astype("float32")
    label = generator.integers(0, 3, (BATCH, *shape))
    image, label = tf.constant(image), tf.constant(label)

    def step():
        logs = model.train_on_batch(image, label, return_dict=True)
        return float(logs["loss"])

    return step


def high_water():
    """Peak resident memory of this process, in MiB."""
    try:
        # `getrusage` goes on from the peak of the process that started it.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak(kind, name):
    """Peak resident memory of a process that trains one side, in MiB."""
    command = [sys.executable, __file__, "--only", kind, "--size", name]
    output = subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout
    return float(output.splitlines()[-1])


def main():
    """Prints medians, spread and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only")
    parser.add_argument("--size")
    options = parser.parse_args()
    sizes = {**SIZES, **SHORT}
    if options.only:
        step = make(options.only, *sizes[options.size])
        for _ in range(3):
            step()
        print(high_water())
        return
    kinds = ["plain", "performance", "performance-balanced"]
    for name in SHORT if options.short else SIZES:
        memory = {kind: peak(kind, name) for kind in kinds}
        steps = {kind: make(kind, *sizes[name]) for kind in kinds}
        times = {kind: [] for kind in kinds}
        for repeat in range(2 + (2 if options.short else options.repeats)):
            for kind, step in steps.items():
                start = time.perf_counter()
                loss = step()
                assert loss == loss, f"{kind}: the loss is not a number"
                if repeat >= 2:
                    times[kind].append(time.perf_counter() - start)
        del steps
        print(f"{name}, batch {BATCH}, {os.cpu_count()} cores")
        for kind in kinds:
            ratios = [
                a / b for a, b in zip(times[kind], times["plain"], strict=True)
            ]
            print(
                f"  {kind:<22}{1e3 * statistics.median(times[kind]):7.0f} ms"
                f"  time x{statistics.median(ratios):.2f} "
                f"({min(ratios):.2f} - {max(ratios):.2f})"
                f"  peak {memory[kind]:.0f} MiB "
                f"x{memory[kind] / memory['plain']:.2f}"
            )


if __name__ == "__main__":
    main()
