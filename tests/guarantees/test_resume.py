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

import keras_cakes  # noqa: F401 (registers what the files hold)

FLAGS = {
    "segment": [
        *("--data", "phantom", "--patch-shape", "16", "16", "16"),
        *("--width", "4", "--depth", "1", "--cases", "4", "--steps", "40"),
        *("--search-steps", "40", "--steps-per-epoch", "2"),
    ],
    "video": [
        *("--data", "phantom", "--frames", "4", "--size", "16", "16"),
        *("--width", "4", "--stages", "1", "--batch-size", "8"),
        *("--clips-per-class", "4", "--epochs", "20", "--dropout", "0.5"),
    ],
}
# A run of each command, and the steps that make these files.
STEPS = {
    "segment/search/performance/supernet.keras": ["search"],
    "segment/search/cost/supernet.keras": ["search", "--priority", "cost"],
    "segment/networks/manual_1d2d3d/network.keras": [
        *("train", "--variant", "manual_1d2d3d"),
    ],
    "video/networks/3d/network.keras": ["train", "--variant", "3d"],
}
# Each step of the list given, one after the other, in one process.
PROGRAM = """
import sys
import keras_cakes_command as command
for arguments in {arguments!r}:
    sys.argv[1:] = arguments
    if command.main():
        sys.exit(1)
"""


def _start(folder, files, log):
    arguments = []
    for file in files:
        command = file.split("/")[0]
        output = ["--output", str(folder / command)]
        arguments.append([command, *STEPS[file], *output, *FLAGS[command]])
    with open(log, "w") as stream:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(arguments=arguments)],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1"},
        )


def _rows(history):
    return len(history.read_text().splitlines()) if history.exists() else 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    process = _start(folder / "run", list(STEPS), folder / "log")
    assert process.wait() == 0, (folder / "log").read_text()
    return folder / "run"


@pytest.mark.parametrize("file", STEPS)
def test_killed_three_times(tmp_path, whole, file):
    folder, log = tmp_path / "run", tmp_path / "log"
    history = (folder / file).parent / "history.csv"
    generator = random.Random(file)
    # Each kill a little further on; a row is written before its checkpoint.
    for rows in (2, 7, 13):
        process = _start(folder, [file], log)
        while process.poll() is None and _rows(history) < rows:
            time.sleep(0.005)
        time.sleep(generator.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, log.read_text()
    process = _start(folder, [file], log)
    assert process.wait() == 0, log.read_text()
    models = [keras.saving.load_model(run / file) for run in (whole, folder)]
    for a, b in zip(*(model.variables for model in models), strict=True):
        if "/networks/" in file and "seed_generator" in a.path:
            # That of dropout, which a `.keras` file does not hold.
            continue
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    a, b = ((run / file).parent / "history.csv" for run in (whole, folder))
    assert a.read_text() == b.read_text()
    assert not [p for p in folder.rglob(".*") if p.name != ".lock"]
