import errno
import json
import os
import pathlib

import keras
import pytest

from keras_cakes._errors import RunError
from keras_cakes.runs import files as run_files
from keras_cakes.runs.folder import RunFolder


def test_files_appear_whole(tmp_path):
    path = tmp_path / "new" / "table.csv"
    run_files.write_table(path, [{"a": 1, "b": "x,y"}])
    assert run_files.read_table(path) == [{"a": "1", "b": "x,y"}]
    run_files.write_json(tmp_path / "a.json", {"b": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": 1}
    assert sorted(os.listdir(tmp_path / "new")) == ["table.csv"]


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_full_disk_keeps_the_old_file_and_says_so(tmp_path, monkeypatch, fails):
    path = tmp_path / "a.txt"
    run_files.write_text(path, "old")

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    if fails == "write":
        monkeypatch.setattr(pathlib.Path, "write_text", full)
    else:
        monkeypatch.setattr(os, fails, full)
    with pytest.raises(RunError, match=r"a.txt: could not.*No space.*MiB fre"):
        run_files.write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def _open(folder, settings, free=()):
    run = RunFolder(folder, settings, free)
    with run.open():
        return run


def test_same_settings_continue(tmp_path):
    folder = tmp_path / "run"
    _open(folder, {"steps": 5, "flip": (0,)})
    again = _open(folder, {"steps": 5, "flip": (0,)})
    assert again / "x" == folder / "x"
    run_files.write_text(again / "history.csv", "made")
    other = RunFolder(folder, {"steps": 6, "flip": (0,)})
    for refuse in (other.check, lambda: other.open().__enter__()):
        with pytest.raises(RunError, match="steps: 5 in the run, 6 now"):
            refuse()


def test_a_folder_that_is_not_opened_is_not_made(tmp_path):
    assert RunFolder(tmp_path / "run", {}).check() is None
    assert not (tmp_path / "run").exists()


def test_settings_may_change_while_nothing_is_made(tmp_path):
    _open(tmp_path, {"width": 0})
    _open(tmp_path, {"width": 8})
    assert json.loads((tmp_path / "settings.json").read_text()) == {"width": 8}


def test_free_settings_may_change(tmp_path):
    _open(tmp_path, {"seed": 0, "variants": ["3d"]})
    run_files.write_text(tmp_path / "history.csv", "made")
    _open(tmp_path, {"seed": 0, "variants": ["2d"]}, free=["variants"])
    known = json.loads((tmp_path / "settings.json").read_text())
    assert known == {"seed": 0, "variants": ["2d"]}


def test_a_refused_start_leaves_the_settings(tmp_path):
    _open(tmp_path, {"seed": 0})
    run_files.write_text(tmp_path / "history.csv", "made")
    found = []

    def refuse(known):
        found.append(known)
        raise RunError("other data")

    with pytest.raises(RunError, match="other data"):
        with RunFolder(tmp_path, {"seed": 1}, free=["seed"]).open(refuse):
            pass
    assert found == [{"seed": 0}]
    assert json.loads((tmp_path / "settings.json").read_text()) == {"seed": 0}


def test_versions_are_those_of_the_start(tmp_path):
    _open(tmp_path, {})
    path = tmp_path / "versions.json"
    versions = json.loads(path.read_text())
    assert versions["keras"] == keras.__version__
    assert set(versions) == {
        "keras_cakes",
        "keras",
        "tensorflow",
        "numpy",
        "python",
    }
    run_files.write_json(path, {"keras": "3.0"})
    _open(tmp_path, {})
    assert json.loads(path.read_text()) == {"keras": "3.0"}


def test_leftovers_of_a_killed_process_go(tmp_path):
    (tmp_path / ".12.settings.json").write_text("{")
    folder = _open(tmp_path, {})
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / ".12.checkpoint.keras").write_text("half")
    (tmp_path / "search" / ".mine").write_text("kept")
    with folder.lock():
        assert os.listdir(tmp_path / "search") == [".mine"]
    assert not (tmp_path / ".12.settings.json").exists()


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="an empty folder.*thesis.txt"):
        _open(tmp_path, {})
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/run/.lock: could not be written"):
        _open(tmp_path / "file" / "run", {})


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_damaged_settings(tmp_path, text):
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(RunError, match="settings.json: the settings of a run"):
        _open(tmp_path, {})


def test_one_process_at_a_time(tmp_path):
    first, second = RunFolder(tmp_path, {}), RunFolder(tmp_path, {})
    with first.open():
        with pytest.raises(RunError, match="one process at a time"):
            with second.open():
                pass
        # A step opens what its caller has opened.
        with first.open():
            assert (tmp_path / ".lock").exists()
        with pytest.raises(RunError, match="one process at a time"):
            second.open().__enter__()
    with second.open():
        assert (tmp_path / ".lock").exists()
