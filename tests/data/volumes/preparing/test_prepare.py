import hashlib
import json
import multiprocessing
import os
import random
import signal
import time

import numpy as np
import pytest

from keras_cakes._files import locked
from keras_cakes.data import Case
from keras_cakes.data import DataError
from keras_cakes.data import Preparation
from keras_cakes.data import VolumeDataset
from keras_cakes.data import open_prepared
from keras_cakes.data import patches
from keras_cakes.data import prepare
from keras_cakes.data import read_msd
from keras_cakes.data import read_scan
from keras_cakes.data import write_nifti

CLASSES = ("background", "a", "b")


def _dataset(folder, count=4, shape=(9, 10, 11), dtype="int16", spacing=1.0):
    folder.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-spacing, spacing, 2.0, 1.0])
    cases = []
    for number in range(count):
        generator = np.random.default_rng(number)
        image = generator.integers(-900, 900, shape).astype(dtype)
        label = (generator.random(shape) > 0.8).astype("uint8")
        label[0, 0, :3] = 2
        paths = folder / f"i{number}.nii.gz", folder / f"l{number}.nii.gz"
        write_nifti(image, affine, path=paths[0])
        write_nifti(label, affine, path=paths[1])
        cases.append(Case(f"case{number}", *paths))
    return VolumeDataset("small", tuple(cases), CLASSES)


def _prepare(dataset, folder, preparation=None, **keywords):
    return prepare(
        dataset, folder, preparation=preparation, verbose=False, **keywords
    )


def _digest(folder):
    """Every file of a cache, by name and content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_case_is_on_the_grid_that_was_asked_for(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    prepared = _prepare(
        dataset,
        tmp_path / "out",
        Preparation(orientation="RAS", spacing=(1.0, 1.0, 1.0)),
    )
    case = prepared.cases[1]
    assert (case.name, case.image.shape) == ("case1", (9, 10, 22, 1))
    assert case.image.dtype == "int16" and case.label.dtype == "uint8"
    assert isinstance(case.image, np.memmap)
    np.testing.assert_allclose(case.placement.grid.spacing, (1, 1, 1))
    assert (np.diag(case.placement.grid.affine) > 0).all()


def test_without_resampling_voxels_are_those_of_the_file(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    prepared = _prepare(dataset, tmp_path / "out", Preparation())
    for case, source in zip(prepared.cases, dataset.cases, strict=True):
        scan, label = read_scan(source.image), read_scan(source.label)
        np.testing.assert_array_equal(case.image[..., 0], scan.array[::-1])
        np.testing.assert_array_equal(case.label, label.array[::-1])
        np.testing.assert_array_equal(
            case.placement.restore(np.array(case.label)), label.array
        )


def test_a_label_comes_back_to_the_grid_of_its_file(tmp_path):
    dataset = _dataset(tmp_path / "raw", 1, (16, 18, 12))
    case = dataset.cases[0]
    label = np.zeros((16, 18, 12), "uint8")
    label[4:12, 5:13, 3:9] = 1
    affine = read_scan(case.image).affine
    write_nifti(label, affine, path=case.label)
    image = np.full((16, 18, 12), -1000, "int16")
    image[2:14, 3:15, 2:10] = 40
    write_nifti(image, affine, path=case.image)
    prepared = _prepare(
        dataset,
        tmp_path / "out",
        Preparation(
            orientation="LPS",
            spacing=(0.8, 0.8, 0.8),
            crop_below=-500,
            window=(-100, 240),
        ),
    )
    small = prepared.cases[0]
    # 12, 12 and 16 mm of 16, 18 and 24, and what interpolation lifts.
    assert small.shape == (16, 15, 20)
    assert np.array(small.image).min() == -100
    np.testing.assert_array_equal(
        small.placement.restore(np.array(small.label)), label
    )


def test_the_foreground_index_names_voxels_of_each_class(tmp_path):
    prepared = _prepare(_dataset(tmp_path / "raw"), tmp_path / "out")
    for case in prepared.cases:
        first, second = case.foreground_counts
        assert first + second == len(case.foreground)
        values = case.label[tuple(np.transpose(case.foreground))]
        np.testing.assert_array_equal(
            values, np.repeat([1, 2], [first, second])
        )
        assert first == np.sum(case.label == 1)


def test_a_large_class_is_thinned_out_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "keras_cakes.data.volumes.preparing.prepare_case._MOST_FOREGROUND", 20
    )
    prepared = _prepare(_dataset(tmp_path / "raw", 1), tmp_path / "out")
    (case,) = prepared.cases
    assert 10 <= case.foreground_counts[0] <= 20
    assert case.foreground_counts[1] == 3
    assert case.foreground[:, 0].min() < 3 and case.foreground[:, 0].max() > 5


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_normalization_of_a_case(tmp_path, dtype):
    dataset = _dataset(tmp_path / "raw", dtype=dtype)
    prepared = _prepare(dataset, tmp_path / "out")
    volume = prepared.volume(prepared.cases[0])
    assert volume.image.dtype == "float32"
    assert abs(volume.image.mean()) < 1e-4
    assert abs(volume.image.std() - 1) < 1e-4


def test_normalization_of_a_data_set(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    prepared = _prepare(
        dataset,
        tmp_path / "out",
        Preparation(window=(-100, 240), normalization="dataset"),
    )
    images = [
        np.clip(read_scan(c.image).array, -100, 240) for c in dataset.cases
    ]
    labels = [read_scan(c.label).array for c in dataset.cases]
    values = np.concatenate(
        [image[label > 0] for image, label in zip(images, labels, strict=True)]
    ).astype(float)
    volume = prepared.volume(prepared.cases[2])
    np.testing.assert_allclose(
        volume.image[..., 0],
        (images[2][::-1] - values.mean()) / values.std(),
        atol=1e-5,
    )


def test_intensities_may_stay(tmp_path):
    prepared = _prepare(
        _dataset(tmp_path / "raw", 1),
        tmp_path / "out",
        Preparation(normalization="none"),
    )
    (case,) = prepared.cases
    np.testing.assert_array_equal(prepared.volume(case).image, case.image)


def test_a_second_preparation_does_nothing(tmp_path, monkeypatch):
    dataset = _dataset(tmp_path / "raw")
    _prepare(dataset, tmp_path / "out")
    before = _digest(tmp_path / "out")

    def fail(*arguments):
        raise AssertionError("prepared again")

    monkeypatch.setattr(
        "keras_cakes.data.volumes.preparing.prepare.prepare_case", fail
    )
    _prepare(dataset, tmp_path / "out")
    assert _digest(tmp_path / "out") == before


def test_a_changed_file_is_prepared_anew(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    _prepare(dataset, tmp_path / "out")
    before = _digest(tmp_path / "out")
    label = read_scan(dataset.cases[2].label)
    write_nifti(
        1 - (label.array > 0).astype("uint8"), label.affine, path=label.source
    )
    prepared = _prepare(dataset, tmp_path / "out")
    after = _digest(tmp_path / "out")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        "manifest.json",
        *(
            f"cases/case2/{name}"
            for name in ("case.json", "label.npy", "foreground.npy")
        ),
    }
    assert (prepared.cases[2].label == 0).any()


def _work(raw, out):
    os.setpgrp()
    _prepare(_dataset_again(raw), out, Preparation(spacing=(0.7, 0.7, 0.7)))


def _dataset_again(raw):
    cases = [
        Case(f"case{n}", raw / f"i{n}.nii.gz", raw / f"l{n}.nii.gz")
        for n in range(6)
    ]
    return VolumeDataset("small", tuple(cases), CLASSES)


def test_killed_at_any_moment_it_ends_with_the_same_bytes(tmp_path):
    raw = tmp_path / "raw"
    _dataset(raw, 6, (40, 44, 30))
    _work_here(raw, tmp_path / "whole")
    # Once more, now that everything is imported.
    start = time.monotonic()
    _work_here(raw, tmp_path / "again")
    duration = time.monotonic() - start
    expected = _digest(tmp_path / "whole")
    context = multiprocessing.get_context("fork")
    moments = random.Random(0)
    interrupted = 0
    for number in range(20):
        out = tmp_path / f"killed{number}"
        process = context.Process(target=_work, args=(raw, out))
        process.start()
        time.sleep(moments.random() * duration)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            interrupted += 1
        else:
            # Faster than the first two times: kill earlier from now on.
            duration *= 0.6
        process.join()
        if not (out / "manifest.json").is_file():
            with pytest.raises(DataError, match="the manifest of a finished"):
                open_prepared(out)
        _work_here(raw, out)
        assert _digest(out) == expected
    assert interrupted > 10


@pytest.mark.parametrize(
    "left", [[".12.preparation.json"], [".12.preparation.json", ".lock"]]
)
def test_killed_while_it_wrote_its_settings(tmp_path, left):
    dataset = _dataset(tmp_path / "raw", 1)
    _prepare(dataset, tmp_path / "whole")
    (tmp_path / "out").mkdir()
    for name in left:
        (tmp_path / "out" / name).write_text("")
    _prepare(dataset, tmp_path / "out")
    (tmp_path / "out" / ".7.manifest.json").write_text("{")
    _prepare(dataset, tmp_path / "out")
    assert _digest(tmp_path / "out") == _digest(tmp_path / "whole")


def _work_here(raw, out):
    _prepare(_dataset_again(raw), out, Preparation(spacing=(0.7, 0.7, 0.7)))


def test_damaged_cases_are_skipped_and_listed(tmp_path, caplog):
    dataset = _dataset(tmp_path / "raw", 5)
    dataset.cases[1].image.write_bytes(b"")
    label = read_scan(dataset.cases[3].label)
    write_nifti(label.array + 5, label.affine, path=label.source)
    with pytest.raises(DataError, match="i1.nii.gz: "):
        _prepare(dataset, tmp_path / "out")
    prepared = _prepare(dataset, tmp_path / "out", on_error="skip")
    assert [c.name for c in prepared.cases] == ["case0", "case2", "case4"]
    assert list(prepared.skipped) == ["case1", "case3"]
    assert "i1.nii.gz" in prepared.skipped["case1"]
    assert "l3.nii.gz" in prepared.skipped["case3"]
    assert "case3 is left out" in caplog.text
    again = open_prepared(tmp_path / "out")
    assert again.skipped == prepared.skipped


def test_an_error_stops_the_others(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    label = read_scan(dataset.cases[1].label)
    write_nifti(label.array + 5, label.affine, path=label.source)
    with pytest.raises(DataError, match="l1.nii.gz: the labels"):
        _prepare(dataset, tmp_path / "out")
    with pytest.raises(DataError, match="the manifest of a finished"):
        open_prepared(tmp_path / "out")


def test_nothing_is_left(tmp_path):
    dataset = _dataset(tmp_path / "raw", 1)
    dataset.cases[0].image.write_bytes(b"x")
    with pytest.raises(DataError, match="at least one case that can be"):
        _prepare(dataset, tmp_path / "out", on_error="skip")


def test_other_settings_need_another_folder(tmp_path):
    dataset = _dataset(tmp_path / "raw", 1)
    _prepare(dataset, tmp_path / "out")
    with pytest.raises(DataError, match="needs a folder of its own"):
        _prepare(dataset, tmp_path / "out", Preparation(window=(0, 10)))


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match="something else lies there"):
        _prepare(_dataset(tmp_path / "raw", 1), tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["thesis.tex"]


def test_one_preparation_at_a_time(tmp_path):
    dataset = _dataset(tmp_path / "raw", 1)
    _prepare(dataset, tmp_path / "out")
    with locked(tmp_path / "out" / ".lock"):
        with pytest.raises(DataError, match="one preparation at a time"):
            _prepare(dataset, tmp_path / "out")


def test_needs_are_logged_and_refused(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "keras_cakes")
    dataset = _dataset(tmp_path / "raw", 2)
    prepare(dataset, tmp_path / "out")
    assert "2 cases to prepare: at most 0.00 GiB of disk" in caplog.text

    class Usage:
        free = 10

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    with pytest.raises(DataError, match="disk and memory for the preparation"):
        _prepare(dataset, tmp_path / "other")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"orientation": "RLS"}, "`orientation` .*='RLS'"),
        ({"orientation": "RA"}, "`orientation`"),
        ({"spacing": (1.0, 1.0)}, "`spacing` .* three sizes"),
        ({"spacing": (1.0, 0.0, 1.0)}, "`spacing`"),
        ({"window": (5, 5)}, "`window` .* Received: window"),
        ({"normalization": "z"}, "`normalization` .*='z'"),
    ],
)
def test_settings_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        Preparation(**arguments)


def test_arguments_out_of_range(tmp_path):
    dataset = _dataset(tmp_path / "raw", 1)
    with pytest.raises(ValueError, match="`on_error` .*='ignore'"):
        _prepare(dataset, tmp_path / "out", on_error="ignore")
    with pytest.raises(ValueError, match="`workers` .* workers=0"):
        _prepare(dataset, tmp_path / "out", workers=0)
    case = Case("../a", dataset.cases[0].image, None)
    with pytest.raises(DataError, match=r"case name .* '../a'"):
        _prepare(VolumeDataset("x", (case,), CLASSES), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_to_the_cache_is_told(tmp_path):
    prepared = _prepare(_dataset(tmp_path / "raw", 2), tmp_path / "out")
    path = tmp_path / "out" / "cases" / "case1" / "image.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    prepared.cases[0].verify()
    with pytest.raises(DataError, match=r"case1.image.npy: the SHA-256"):
        open_prepared(tmp_path / "out").cases[1].verify()
    path.write_bytes(content[:-5])
    with pytest.raises(DataError, match="image.npy of"):
        open_prepared(tmp_path / "out")
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(json.dumps({"version": 99}))
    with pytest.raises(DataError, match="version 99"):
        open_prepared(tmp_path / "out")
    manifest.write_text("{")
    with pytest.raises(DataError, match="manifest.json: JSON"):
        open_prepared(tmp_path / "out")


def test_an_array_that_is_none(tmp_path):
    prepared = _prepare(_dataset(tmp_path / "raw", 1), tmp_path / "out")
    (tmp_path / "out/cases/case0/image.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match="image.npy: an array of a prepared"):
        _ = prepared.cases[0].image


def test_a_subset_by_name(tmp_path):
    prepared = _prepare(_dataset(tmp_path / "raw"), tmp_path / "out")
    part = prepared.subset(["case3", "case0"])
    assert [case.name for case in part.cases] == ["case3", "case0"]
    with pytest.raises(DataError, match=r"\['nobody'\], which are not"):
        prepared.subset(["nobody"])


def test_patches_from_disk_are_those_from_memory(tmp_path):
    dataset = _dataset(tmp_path / "raw", 5, (12, 9, 14))
    prepared = _prepare(
        dataset, tmp_path / "out", Preparation(orientation=None)
    )
    volumes = [prepared.volume(case) for case in prepared.cases]
    arguments = {"patch_shape": (10, 11, 8), "batch_size": 2, "seed": 4}
    disk = patches(prepared, **arguments, steps=9)
    memory = patches(volumes, **arguments, steps=9)
    for (a, b), (c, d) in zip(disk, memory, strict=True):
        np.testing.assert_array_equal(b, d)
        np.testing.assert_allclose(a, c, atol=1e-6)


def test_patches_need_labels(tmp_path):
    dataset = _dataset(tmp_path / "raw", 1)
    case = Case("a", dataset.cases[0].image, None)
    prepared = _prepare(VolumeDataset("x", (case,), CLASSES), tmp_path / "out")
    assert prepared.volume(prepared.cases[0]).label is None
    with pytest.raises(ValueError, match=r"labelled cases.*\['a'\]"):
        patches(prepared, (4, 4, 4), batch_size=1, seed=0)


def test_real_volumes(tmp_path, real_data):
    dataset = read_msd(real_data / "Task04_Hippocampus")
    few = VolumeDataset(dataset.name, dataset.cases[:8], dataset.classes)
    prepared = _prepare(few, tmp_path / "out", Preparation(orientation="LPS"))
    for case, source in zip(prepared.cases, few.cases, strict=True):
        np.testing.assert_array_equal(
            case.placement.restore(np.array(case.label)),
            read_scan(source.label).array,
        )
