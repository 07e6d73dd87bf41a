import hashlib
import io
import json
import runpy
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from keras_cakes.data import read_fold
from keras_cakes.data import read_msd
from keras_cakes.data import read_scan
from keras_cakes.data import write_nifti
from keras_cakes.data.volumes.cases import read_case
from keras_cakes.data.volumes.lists.case_lists import read_case_list
from keras_cakes.data.volumes.lists.nih_pancreas import NIH_PANCREAS_CLASSES
from tests.data.fetching.loopback import Answer
from tests.data.fetching.loopback import serve
from tests.data.volumes.lists.test_nih_pancreas import write_label
from tests.data.volumes.lists.test_nih_pancreas import write_series

DATASETS = Path(__file__).parents[2] / "datasets"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def run(monkeypatch):
    # The scripts add their folder's parent to it.
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def run(name, folder, *options):
        path = DATASETS / name / "prepare.py"
        line = [str(path), "--folder", str(folder), *map(str, options)]
        monkeypatch.setattr(sys, "argv", line)
        runpy.run_path(str(path), run_name="__main__")

    return run


def _splits(name):
    return json.loads((DATASETS / name / "splits.json").read_text())


def _ordered(names):
    """The order that the rule in each list states."""
    return sorted(
        names, key=lambda n: hashlib.sha1(f"split:{n}".encode()).digest()
    )


def _archive(task, names, labels):
    """An MSD archive of empty files, with what macOS leaves in them."""
    entries = [
        {
            "image": f"./imagesTr/{name}.nii.gz",
            "label": f"./labelsTr/{name}.nii.gz",
        }
        for name in names
    ]
    listed = {"name": task, "labels": labels, "training": entries}
    files = {
        f"._{task}": b"",
        f"{task}/._dataset.json": b"",
        f"{task}/dataset.json": json.dumps(listed).encode(),
    }
    for entry in entries:
        for path in entry.values():
            files[f"{task}/{path[2:]}"] = b""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _md5(content):
    return hashlib.md5(content).hexdigest()


def test_the_split_of_msd_pancreas_follows_its_rule():
    splits = _splits("msd_pancreas")
    assert len(splits["cases"]) == len(set(splits["cases"])) == 281
    assert splits["cases"] == sorted(splits["cases"])
    validation = _ordered(splits["cases"])[:56]
    assert splits["folds"] == {"0": sorted(validation)}
    assert "sha1('split:' + name); the first 56 are" in splits["rule"]


def test_the_folds_of_nih_pancreas_follow_their_rule():
    splits = _splits("nih_pancreas")
    names = [f"PANCREAS_{number:04d}" for number in range(1, 83)]
    assert splits["cases"] == names
    ordered = _ordered(names)
    assert splits["folds"] == {
        str(fold): sorted(ordered[fold::4]) for fold in range(4)
    }
    assert "sha1('split:' + name); the i-th" in splits["rule"]


@pytest.mark.parametrize(
    "name",
    [
        path.name
        for path in sorted(DATASETS.iterdir())
        if path.is_dir() and path.name != "__pycache__"
    ],
)
def test_each_data_set_states_licence_layout_and_command(name):
    text = (DATASETS / name / "README.md").read_text()
    assert (DATASETS / name / "prepare.py").is_file()
    for word in ("licence", "layout", "prepare.py"):
        assert word in text.lower()


def test_msd_pancreas_is_fetched_once_and_split(run, tmp_path, capsys):
    names = _splits("msd_pancreas")["cases"]
    labels = {"0": "background", "1": "pancreas", "2": "cancer"}
    content = _archive("Task07_Pancreas", names, labels)
    half = Answer(content, sends=len(content) // 2)
    with serve(half, Answer(content)) as server:
        options = ("--url", server.url, "--md5", _md5(content))
        run("msd_pancreas", tmp_path, *options)
        # A second run finds all of it in place.
        run("msd_pancreas", tmp_path)
    assert len(server.requests) == 2
    shown = capsys.readouterr().out
    assert f"sha256={hashlib.sha256(content).hexdigest()}" in shown
    assert "225 cases train, 56 validate." in shown
    folder = tmp_path / "Task07_Pancreas"
    dataset = read_msd(folder)
    assert dataset.classes == ("background", "pancreas", "cancer")
    training, validation = read_fold(folder, dataset, fold=0)
    assert [case.name for case in validation] == _splits("msd_pancreas")[
        "folds"
    ]["0"]
    assert not {c.name for c in training} & {c.name for c in validation}


def test_msd_pancreas_with_other_cases_is_refused(run, tmp_path, capsys):
    names = [*_splits("msd_pancreas")["cases"][1:], "pancreas_999"]
    content = _archive("Task07_Pancreas", names, {"0": "a", "1": "b"})
    with serve(Answer(content)) as server:
        with pytest.raises(SystemExit, match="1"):
            run(
                "msd_pancreas",
                tmp_path,
                *("--url", server.url, "--md5", _md5(content)),
            )
    shown = capsys.readouterr().err
    assert "the 281 cases of " in shown
    assert "without ['pancreas_001'], with ['pancreas_999']" in shown
    assert not (tmp_path / "Task07_Pancreas" / "splits.json").exists()


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("msd_pancreas", "Task07_Pancreas"),
        ("msd_hippocampus", "Task04_Hippocampus"),
    ],
)
def test_an_archive_other_than_the_published_one_is_refused(
    run, tmp_path, capsys, name, task
):
    content = _archive(task, ["a", "b"], {"0": "a", "1": "b"})
    # The published checksum holds for every address.
    for more in ((), ("--sha256", "0" * 64)):
        with serve(Answer(content)) as server:
            with pytest.raises(SystemExit, match="1"):
                run(name, tmp_path, "--url", server.url, *more)
        assert f"is expected. Received: {len(content)} bytes of" in (
            capsys.readouterr().err
        )
        assert {path.name for path in tmp_path.iterdir()} == {
            f".{task}.tar.lock"
        }


def test_msd_hippocampus_is_fetched_and_has_five_folds(run, tmp_path, capsys):
    names = [f"hippocampus_{number:03d}" for number in range(10)]
    labels = {"0": "background", "1": "Anterior", "2": "Posterior"}
    content = _archive("Task04_Hippocampus", names, labels)
    with serve(Answer(content)) as server:
        options = ("--url", server.url, "--md5", _md5(content))
        run("msd_hippocampus", tmp_path, *options)
    assert "fold 4: 8 cases train, 2 validate." in capsys.readouterr().out
    assert len(read_msd(tmp_path / "Task04_Hippocampus").cases) == 10


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    write_series(folder)
    return folder


def _nih(folder, series, numbers):
    for number in numbers:
        shutil.copytree(series, folder / f"PANCREAS_{number:04d}")
        path = folder / "labels" / f"label{number:04d}.nii.gz"
        write_label(path, "LAI" if number % 2 else "LAS", seed=number)


def test_nih_pancreas_is_aligned_and_listed_in_four_folds(
    run, tmp_path, capsys, series
):
    numbers = sorted({*range(1, 83)} - {25, 70})
    _nih(tmp_path, series, numbers)
    for _ in range(2):
        run("nih_pancreas", tmp_path)
        shown = capsys.readouterr().out
        assert f"{tmp_path}: 80 cases, 40 labels aligned." in shown
        assert "Fold 0: 59 cases train, 21 validate." in shown
        assert "Fold 3: 61 cases train, 19 validate." in shown
    dataset = read_case_list(tmp_path / "cases.csv", NIH_PANCREAS_CLASSES)
    seen = []
    for fold in range(4):
        _, validation = read_fold(tmp_path, dataset, fold=fold)
        names = [case.name for case in validation]
        assert set(names) <= set(_splits("nih_pancreas")["folds"][str(fold)])
        seen += names
    assert sorted(seen) == [f"PANCREAS_{number:04d}" for number in numbers]
    for case in dataset.cases[:2]:
        _, label = read_case(case, dataset.classes)
        assert label.any()


def test_nih_pancreas_with_missing_cases_is_refused(
    run, tmp_path, capsys, series
):
    _nih(tmp_path, series, (1, 2, 90))
    with pytest.raises(SystemExit, match="1"):
        run("nih_pancreas", tmp_path)
    shown = capsys.readouterr().err
    assert "the 82 cases of " in shown
    assert "Received: 3, without ['PANCREAS_0003'," in shown
    assert "with ['PANCREAS_0090']" in shown
    assert not (tmp_path / "cases.csv").exists()


def test_a_label_of_another_origin_is_refused_unless_told_otherwise(
    run, tmp_path, capsys, series
):
    _nih(tmp_path, series, sorted({*range(1, 83)} - {25, 70}))
    path = tmp_path / "labels" / "label0001.nii.gz"
    scan = read_scan(path)
    moved = scan.affine.copy()
    moved[:3, 3] = 0
    write_nifti(scan.array, moved, path=path)
    with pytest.raises(SystemExit, match="1"):
        run("nih_pancreas", tmp_path)
    assert "label0001.nii.gz: the voxels of " in capsys.readouterr().err
    assert not (tmp_path / "cases.csv").exists()
    run("nih_pancreas", tmp_path, "--ignore-origin")
    assert "80 cases, 41 labels aligned." in capsys.readouterr().out


def test_real_hippocampus_is_recognized(run, real_data, tmp_path, capsys):
    folder = tmp_path / "Task04_Hippocampus"
    folder.symlink_to(real_data / "Task04_Hippocampus")
    run("msd_hippocampus", tmp_path)
    assert "fold 0: 160 cases train, 40 validate." in capsys.readouterr().out
