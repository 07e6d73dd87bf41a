"""Files that are whole or not there, and on the disk."""

import errno
import os

import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes import _files as files
from keras_cakes._errors import RunError
from keras_cakes._files import atomic
from keras_cakes.cost.time.measurements import Measurements
from keras_cakes.data import Case
from keras_cakes.data import VolumeDataset
from keras_cakes.data import prepare
from keras_cakes.data import write_nifti
from keras_cakes.data.clips.decoding.video_writing import write_video
from keras_cakes.data.clips.packing.pack import pack
from keras_cakes.data.clips.synthetic.clip_phantom import phantom_clips
from keras_cakes.data.fetching.partial_file import PartialFile
from keras_cakes.data.volumes.lists.case_lists import write_case_list
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.preparing.prepare_case import prepare_case
from keras_cakes.data.volumes.synthetic.phantom import write_msd
from keras_cakes.runs import files as run_files
from keras_cakes.runs import resume as training

FRAMES = np.zeros((2, 16, 16, 1), np.uint8)


def _case(folder):
    image = np.arange(64, dtype="int16").reshape(4, 4, 4)
    write_nifti(image, np.eye(4), path=folder / "a.nii.gz")
    return Case("a", folder / "a.nii.gz", None)


def _measure(file):
    values = Measurements("plans", "one", file)
    values.values["a"] = 1
    values.save()


def _finish_download(file):
    part = PartialFile(file, "https://example.org/a")
    part.path.write_bytes(b"voxels")
    part.finish(file)


def _prepare_case(folder):
    case = _case(folder.parent)
    prepare_case(case, ("background",), Preparation(), folder)


def _save_seeds(file):
    training._save_seeds(keras.Sequential([keras.Input((1,))]), file, 1)


WRITERS = {
    "write_text": lambda p: files.write_text(p, "text"),
    "write_atomic": lambda p: run_files.write_atomic(
        p, lambda inner: inner.write_text("text")
    ),
    "write_json": lambda p: run_files.write_json(p, {}),
    "write_table": lambda p: run_files.write_table(p, [{"a": 1}]),
    "Configuration.save": lambda p: kc.Configuration({"a": {"1x1x1": 1}}).save(
        p
    ),
    "Measurements.save": _measure,
    "seeds": _save_seeds,
    "write_nifti": lambda p: write_nifti(
        np.zeros((2, 2, 2)), np.eye(4), path=p
    ),
    "write_video": lambda p: write_video(FRAMES, p),
    "write_case_list": lambda p: write_case_list(
        VolumeDataset("one", (), ("background", "organ")), p
    ),
    "prepare_case": _prepare_case,
    "PartialFile.finish": _finish_download,
}
ENDINGS = {"write_nifti": ".nii.gz", "write_video": ".mp4"}


class _Disk:
    """Follows what reaches the disk: inodes flushed, and then replaced."""

    def __init__(self, monkeypatch):
        self.flushed = set()
        self.events = []
        self._fsync, self._replace = os.fsync, os.replace
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(os, "replace", self.replace)

    def fsync(self, number):
        self._fsync(number)
        self.flushed.add(os.fstat(number).st_ino)
        self.events.append(("flush", os.fstat(number).st_ino))

    def replace(self, source, target):
        for path in (source, *sorted_below(source)):
            assert os.stat(path).st_ino in self.flushed, f"{path} not flushed"
        self._replace(source, target)
        self.events.append(("replace", os.fspath(target)))

    def check(self, path):
        assert ("replace", os.fspath(path)) in self.events
        place = self.events.index(("replace", os.fspath(path)))
        folder = ("flush", os.stat(path.parent).st_ino)
        assert folder in self.events[place:], "the folder is not flushed"


def sorted_below(path):
    return [
        os.path.join(folder, name)
        for folder, _, names in os.walk(path)
        for name in names
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_reaches_the_disk_before_its_name(
    name, tmp_path, monkeypatch
):
    path = tmp_path / "folder" / f"written{ENDINGS.get(name, '.txt')}"
    path.parent.mkdir()
    disk = _Disk(monkeypatch)
    WRITERS[name](path)
    disk.check(path)


def test_a_preparation_and_a_pack_reach_the_disk(tmp_path, monkeypatch):
    disk = _Disk(monkeypatch)
    dataset = VolumeDataset("one", (_case(tmp_path),), ("background",))
    prepare(dataset, tmp_path / "prepared", verbose=False)
    pack(
        phantom_clips(2, (4, 16, 16), events="motion"),
        tmp_path / "packed",
        verbose=False,
    )
    write_msd(tmp_path / "phantom", 1, shape=(16, 16, 16))
    for name in (
        "prepared/cases/a",
        "prepared/manifest.json",
        "prepared/preparation.json",
        "packed/pack.json",
        "packed/manifest.json",
        "packed/index.npy",
        "packed/shards/00000.tfrecord",
        "packed/shards/00000.npy",
        "packed/shards/00000.json",
        "phantom/dataset.json",
    ):
        disk.check(tmp_path / name)


@pytest.mark.parametrize(
    "name", sorted(WRITERS.keys() - {"PartialFile.finish"})
)
@pytest.mark.parametrize("has_old", [False, True])
def test_a_writer_that_fails_leaves_nothing_new(
    name, has_old, tmp_path, monkeypatch
):
    path = tmp_path / "folder" / f"written{ENDINGS.get(name, '.txt')}"
    path.parent.mkdir()
    if has_old and name != "prepare_case":
        WRITERS[name](path)
    files_before = {
        p: p.stat().st_ino for p in path.parent.rglob("*") if p.is_file()
    }

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    if name == "prepare_case":
        _case(path.parent)
        files_before = {
            p: p.stat().st_ino for p in path.parent.rglob("*") if p.is_file()
        }
        monkeypatch.setattr(
            "tests.test_files._case",
            lambda folder: Case("a", folder / "a.nii.gz", None),
        )
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises((OSError, RunError, ValueError)) as info:
        WRITERS[name](path)
    assert "No space left" in str(info.value)
    assert files_before == {
        p: p.stat().st_ino for p in path.parent.rglob("*") if p.is_file()
    }
    assert not [p for p in path.parent.iterdir() if p.is_dir()]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_file(error, tmp_path):
    file = tmp_path / "a.tar.gz"
    file.write_text("old")
    with pytest.raises(error), atomic(file) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith("a.tar.gz")
        assert files.is_temporary(temporary.name)
        temporary.write_text("new")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]
    assert file.read_text() == "old"


def test_a_folder_is_written_whole(tmp_path):
    with atomic(tmp_path / "folder") as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "inner" / "a.txt").write_text("a")
    assert (tmp_path / "folder" / "inner" / "a.txt").read_text() == "a"
    with pytest.raises(ValueError), atomic(tmp_path / "other") as temporary:
        temporary.mkdir()
        raise ValueError
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_file_systems_that_cannot_flush_a_folder_will_do(tmp_path, monkeypatch):
    flush = os.fsync

    def refuse(number):
        if os.path.isdir(f"/proc/self/fd/{number}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(number)

    monkeypatch.setattr(os, "fsync", refuse)
    files.write_text(tmp_path / "a.txt", "a")
    assert (tmp_path / "a.txt").read_text() == "a"


def test_what_a_killed_process_left_is_removed(tmp_path):
    dataset = VolumeDataset("one", (_case(tmp_path),), ("background",))
    left = [
        tmp_path / "prepared" / "cases" / ".7.a",
        tmp_path / "prepared" / ".7.manifest.json",
        tmp_path / "packed" / "shards" / ".7.00000.tfrecord",
        tmp_path / "packed" / ".7.manifest.json",
    ]
    source = phantom_clips(2, (4, 16, 16), events="motion")

    def make():
        prepare(dataset, tmp_path / "prepared", verbose=False)
        pack(source, tmp_path / "packed", verbose=False)

    make()
    left[0].mkdir()
    for path in left[1:]:
        path.write_text("part")
    make()
    assert not [path for path in left if path.exists()]
    # Killed before anything else was there.
    for name in ("new", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / ".7.preparation.json").write_text("part")
    (tmp_path / "other" / ".7.pack.json").write_text("part")
    prepare(dataset, tmp_path / "new", verbose=False)
    pack(source, tmp_path / "other", verbose=False)
