import errno
import json
import os

import pytest

from keras_cakes import runs
from keras_cakes.runs import RunError
from keras_cakes.runs import RunFolder


def test_files_appear_whole(tmp_path):
    path = tmp_path / "new" / "table.csv"
    runs.write_table(path, [{"a": 1, "b": "x,y"}])
    assert runs.read_table(path) == [{"a": "1", "b": "x,y"}]
    runs.write_json(tmp_path / "a.json", {"b": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": 1}
    assert sorted(os.listdir(tmp_path / "new")) == ["table.csv"]


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_full_disk_keeps_the_old_file_and_says_so(tmp_path, monkeypatch, fails):
    path = tmp_path / "a.txt"
    runs.write_text(path, "old")

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    if fails == "write":
        monkeypatch.setattr(runs, "_fill", full)
    else:
        monkeypatch.setattr(os, fails, full)
    with pytest.raises(RunError, match=r"a.txt: could not.*No space.*MiB fre"):
        runs.write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_same_settings_continue(tmp_path):
    folder = tmp_path / "run"
    RunFolder(folder, {"steps": 5, "flip": (0,)})
    again = RunFolder(folder, {"steps": 5, "flip": (0,)})
    assert again / "x" == folder / "x"
    with pytest.raises(RunError, match="steps: 5 in the run, 6 now"):
        RunFolder(folder, {"steps": 6, "flip": (0,)})


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="an empty folder.*thesis.txt"):
        RunFolder(tmp_path, {})
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_damaged_settings(tmp_path):
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(RunError, match="settings.json: the settings of a run"):
        RunFolder(tmp_path, {})


def test_one_process_at_a_time(tmp_path):
    first, second = RunFolder(tmp_path, {}), RunFolder(tmp_path, {})
    with first.lock():
        with pytest.raises(RunError, match="one process at a time"):
            with second.lock():
                pass
    with second.lock():
        assert (tmp_path / ".lock").exists()
