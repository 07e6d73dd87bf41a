import csv
import os
import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest

from keras_cakes.data import open_packed
from keras_cakes.data import read_clip_list
from tests.data.clips.lists.something_files import SORTED
from tests.data.clips.lists.something_files import write_v1
from tests.data.clips.lists.something_files import write_v2
from tests.data.clips.video_files import moving
from tests.data.clips.video_files import write_frames
from tests.data.clips.video_files import write_video

DATASETS = Path(__file__).parents[2] / "datasets"
COLUMNS = "path label num_frames split clip_id tag person".split()


@pytest.fixture
def run(monkeypatch):
    # The scripts add their folder's parent to it.
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def run(name, *options):
        path = DATASETS / name / "prepare.py"
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, options)])
        runpy.run_path(str(path), run_name="__main__")

    return run


def test_something_something_v1_is_listed_and_packed(run, tmp_path, capsys):
    write_v1(tmp_path)
    source = tmp_path / "20bn-something-something-v1"
    for name in ("100218", "7", "31"):
        frames = len(list((source / name).iterdir()))
        shutil.rmtree(source / name)
        write_frames(source / name, moving(frames, 20, 28))
    for _ in range(2):
        run(
            "something_something_v1",
            *("--folder", tmp_path, "--partial"),
            *("--pack", tmp_path / "packed", "--short-side", 16),
        )
    shown = capsys.readouterr().out
    assert f"{tmp_path}/train.txt: 2 clips of 3 classes, 1 left out." in shown
    assert f"{tmp_path}/validation.txt: 1 clips of 3 classes, 0 " in shown
    packed = open_packed(tmp_path / "packed" / "train")
    assert packed.classes == SORTED
    assert packed.labels.tolist() == [2, 0]
    assert packed.read(0, [4]).shape == (1, 16, 22, 3)


def test_something_something_v2_is_listed(run, tmp_path, capsys):
    write_v2(tmp_path)
    run("something_something_v2", "--folder", tmp_path, "--partial")
    assert "train.csv: 2 clips of 3 classes, 1 left out." in (
        capsys.readouterr().out
    )
    training = read_clip_list(tmp_path / "train.csv", classes=SORTED)
    assert [clip.frames for clip in training.clips] == [5, 3]


@pytest.mark.parametrize(
    ("version", "write"), [(1, write_v1), (2, write_v2)], ids=("v1", "v2")
)
def test_parts_of_something_something_are_refused(
    run, tmp_path, capsys, version, write
):
    write(tmp_path)
    with pytest.raises(SystemExit, match="1"):
        run(f"something_something_v{version}", "--folder", tmp_path)
    assert "174 classes are expected" in capsys.readouterr().err
    assert not (tmp_path / "classes.txt").exists()


def _fir_action(folder, changes=()):
    rows = [
        ("walk", 5, "train", "human1"),
        ("sitdown", 7, "train", "human2"),
        ("standup", 6, "val", "human3"),
    ]
    table = []
    for number, (label, frames, split, person) in enumerate(rows):
        path = f"videos/{label}/clip_{number}.mp4"
        (folder / path).parent.mkdir(parents=True)
        write_video(folder / path, moving(frames, 32, 32), "h264.mp4")
        values = (path, label, frames, split, f"clip_{number}", label, person)
        table.append(dict(zip(COLUMNS, values, strict=True)))
    for row, column, value in changes:
        table[row][column] = value
    with open(folder / "videos.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(table)


def test_fir_action_is_listed_and_packed_as_grey(run, tmp_path, capsys):
    _fir_action(tmp_path)
    run("fir_action", "--folder", tmp_path, "--partial")
    training = read_clip_list(tmp_path / "train.csv")
    assert training.classes == ("sitdown", "walk")
    assert [clip.frames for clip in training.clips] == [5, 7]
    other = tmp_path / "lists"
    other.mkdir()
    run(
        "fir_action",
        *("--folder", tmp_path, "--partial"),
        *("--output", other, "--pack", tmp_path / "packed"),
    )
    assert f"{other}/val.csv: 1 clips." in capsys.readouterr().out
    assert read_clip_list(other / "train.csv", tmp_path) == training
    packed = open_packed(tmp_path / "packed" / "val", channels=1)
    assert packed.classes == ("falling", "sitdown", "standup", "stop", "walk")
    assert packed.labels.tolist() == [2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, "num_frames", 4), "clip_0.mp4: 4 frames are expected.*ved: 5"),
        ((2, "person", "human2"), r"in one split only.*\['human2'\] in both"),
        ((1, "label", "jump"), "line 3: .*label.*Received: 'jump'"),
        ((1, "path", "videos/no.mp4"), "line 3: .*no.mp4: .*no such file"),
    ],
)
def test_fir_action_with_a_fault_is_refused(
    run, tmp_path, capsys, change, message
):
    _fir_action(tmp_path, [change])
    with pytest.raises(SystemExit, match="1"):
        run("fir_action", "--folder", tmp_path, "--partial")
    shown = " ".join(capsys.readouterr().err.split())
    assert re.search(message, shown), shown
    assert not (tmp_path / "train.csv").exists()


def test_a_part_of_fir_action_is_refused(run, tmp_path, capsys):
    _fir_action(tmp_path)
    with pytest.raises(SystemExit, match="1"):
        run("fir_action", "--folder", tmp_path)
    assert "Received: {'train': 2, 'val': 1}" in capsys.readouterr().err


def test_phantom_clips_are_written_with_their_list(run, tmp_path):
    run("phantom", tmp_path, "--clips", "--cases", 8, "--events", "appearance")
    dataset = read_clip_list(tmp_path / "videos.csv", split="val")
    assert dataset.classes == ("appearing", "vanishing")
    assert [clip.frames for clip in dataset.clips] == [8, 8]


def test_phantom_volumes(run, tmp_path):
    run("phantom", tmp_path, "--cases", 1)
    assert (tmp_path / "dataset.json").is_file()
    assert os.listdir(tmp_path / "imagesTr") == ["phantom_000.nii.gz"]


def test_real_fir_action_is_recognized(run, real_data, tmp_path, capsys):
    folder = real_data / "fir_action"
    run("fir_action", "--folder", folder, "--output", tmp_path)
    shown = capsys.readouterr().out
    assert "train.csv: 998 clips." in shown and "val.csv: 398 clips." in shown
    validation = read_clip_list(tmp_path / "val.csv", folder)
    labels = [clip.label for clip in validation.clips]
    assert [labels.count(label) for label in range(5)] == [80, 80, 80, 78, 80]
