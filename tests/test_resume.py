"""A run killed at any moment goes on to the same bits."""

import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

FLAGS = [
    *("--data", "phantom", "--patch-shape", "16", "16", "16", "--width", "4"),
    *("--depth", "1", "--cases", "4", "--steps", "40", "--search-steps", "40"),
    *("--steps-per-epoch", "2"),
]


def _start(folder, step):
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, keras_cakes_command as c; sys.exit(c.main())",
            *("segment", *step, "--output", str(folder), *FLAGS),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1"},
    )


def _rows(history):
    return len(history.read_text().splitlines()) if history.exists() else 0


def _run_killed(folder, step, history, seed):
    """Kills the step three times, each a little further on, then lets go."""
    generator = random.Random(seed)
    for target in (2, 7, 13):
        process = _start(folder, step)
        while process.poll() is None and _rows(history) < target:
            time.sleep(0.005)
        time.sleep(generator.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL
    process = _start(folder, step)
    assert process.wait() == 0


@pytest.mark.parametrize(
    ("step", "file"),
    [
        (["search", "--priority", "performance"], "supernet.keras"),
        (["search", "--priority", "cost"], "supernet.keras"),
        (["train", "--variant", "manual_1d2d3d"], "network.keras"),
    ],
)
def test_killed_three_times(tmp_path, step, file):
    name = step[-1]
    part = "search" if step[0] == "search" else "networks"
    process = _start(tmp_path / "whole", step)
    assert process.wait() == 0
    history = tmp_path / "killed" / part / name / "history.csv"
    _run_killed(tmp_path / "killed", step, history, seed=name)
    models = [
        keras.saving.load_model(tmp_path / run / part / name / file)
        for run in ("whole", "killed")
    ]
    for a, b in zip(*(model.variables for model in models), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    tables = [
        (tmp_path / run / part / name / "history.csv").read_text()
        for run in ("whole", "killed")
    ]
    assert tables[0] == tables[1]
