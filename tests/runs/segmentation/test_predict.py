"""A run labels new scans and clips from its own folder alone."""

import json
import shutil

import nibabel
import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data import write_nifti
from keras_cakes.data.clips.decoding.video_writing import write_video
from keras_cakes.runs.commands.main import main
from tests.runs.clips.test_run import _write_clips
from tests.runs.commands.test_prepare import _folder

TRAIN = [
    *("segment", "train", "--variant", "3d", "--fold", "1"),
    *("--patch-shape", "8", "8", "8", "--width", "4", "--depth", "1"),
    *("--steps", "2", "--steps-per-epoch", "1"),
]
CLIPS = [
    *("video", "train", "--variant", "2d", "--frames", "4"),
    *("--size", "16", "16", "--width", "4", "--stages", "1"),
    *("--epochs", "1", "--batch-size", "4"),
]


@pytest.fixture(autouse=True)
def no_determinism(monkeypatch):
    # It is a switch of the whole process, which other tests share.
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: None
    )


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A scan of another spacing than the volumes of the run."""
    path = tmp_path_factory.mktemp("scan") / "new.nii.gz"
    image = np.random.default_rng(0).normal(0, 300, (7, 12, 9))
    affine = np.diag([1.5, 0.7, 2.2, 1.0])
    write_nifti(image.astype("float32"), affine, path=path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on prepared volumes, beside them in one folder."""
    folder = tmp_path_factory.mktemp("trained")
    raw, data = _folder(folder / "raw"), folder / "data"
    prepare = [
        *("prepare", "--data", str(raw), "--output", str(data)),
        *("--spacing", "1", "1", "1", "--window", "-100", "100"),
        *("--normalization", "dataset"),
    ]
    assert main(prepare) == 0
    train = [*TRAIN, "--data", str(data), "--output", str(folder / "run")]
    assert main(train) == 0
    return folder


@pytest.fixture
def place(trained, tmp_path):
    """A copy of the run whose settings name a copy of its data."""
    shutil.copytree(trained / "data", tmp_path / "data")
    shutil.copytree(trained / "run", tmp_path / "run")
    file = tmp_path / "run" / "settings.json"
    settings = json.loads(file.read_text())
    settings["data"] = str(tmp_path / "data")
    file.write_text(json.dumps(settings))
    return tmp_path


def _forget(run):
    """Leaves the folder as earlier versions left it."""
    for name in ("prediction.json", "data.json"):
        (run / name).unlink(missing_ok=True)


def _label(place, scan, name):
    target = place / f"{name}.nii.gz"
    command = [
        *("segment", "predict", "--variant", "3d"),
        *("--output", str(place / "run"), "--image", str(scan)),
        *("--label", str(target)),
    ]
    code = main(command)
    return np.asarray(nibabel.load(target).dataobj) if code == 0 else code


def test_a_scan_is_labelled_alike_when_the_data_have_moved(place, scan):
    before = _label(place, scan, "before")
    (place / "data").rename(place / "moved")
    np.testing.assert_array_equal(_label(place, scan, "after"), before)
    assert before.any() and not before.all()


def test_a_run_of_an_earlier_version_labels_alike(place, scan):
    before = _label(place, scan, "before")
    _forget(place / "run")
    np.testing.assert_array_equal(_label(place, scan, "after"), before)
    (place / "data").rename(place / "moved")
    np.testing.assert_array_equal(_label(place, scan, "again"), before)


@pytest.mark.parametrize("how", ["gone", "emptied", "damaged"])
def test_no_label_without_the_preparation(place, scan, capsys, how):
    _forget(place / "run")
    if how == "gone":
        shutil.rmtree(place / "data")
    elif how == "emptied":
        (place / "data" / "manifest.json").unlink()
    else:
        (place / "data" / "manifest.json").write_text("{")
    assert _label(place, scan, "label") == 2
    error = capsys.readouterr().err
    assert f"{place / 'run' / 'prediction.json'}: " in error
    assert "start the step `train` again with the data there" in error
    assert not (place / "label.nii.gz").exists()
    assert not (place / "run" / "prediction.json").exists()


def test_training_again_writes_the_preparation(place, scan, capsys):
    before = _label(place, scan, "before")
    _forget(place / "run")
    train = ["segment", "train", "--variant", "3d", "--output"]
    assert main([*train, str(place / "run")]) == 0
    shutil.rmtree(place / "data")
    np.testing.assert_array_equal(_label(place, scan, "after"), before)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 2}', '{"version": 1, "kind": "clips"}']
)
def test_a_damaged_preparation_is_named(place, scan, capsys, text):
    (place / "run" / "prediction.json").write_text(text)
    assert _label(place, scan, "label") == 2
    error = capsys.readouterr().err
    assert "prediction.json: " in error and "Received: " in error


def test_other_data_in_the_same_place_are_refused(place, capsys):
    """Networks of one run are trained on data prepared in one way."""
    shutil.rmtree(place / "data")
    prepare = [
        *("prepare", "--data", str(_folder(place / "raw"))),
        *("--output", str(place / "data"), "--spacing", "2", "2", "2"),
    ]
    assert main(prepare) == 0
    train = ["segment", "train", "--variant", "2d", "--output"]
    assert main([*train, str(place / "run")]) == 2
    error = capsys.readouterr().err
    assert "data.json: the data that the run was started with" in error


def test_volumes_as_they_are_need_no_data_either(tmp_path, scan):
    data = _folder(tmp_path / "data")
    flags = ["--data", str(data), "--output", str(tmp_path / "run")]
    assert main([*TRAIN, *flags]) == 0
    before = _label(tmp_path, scan, "before")
    shutil.rmtree(data)
    np.testing.assert_array_equal(_label(tmp_path, scan, "after"), before)


def _classify(place, clip, capsys):
    capsys.readouterr()
    command = [
        *("video", "predict", "--variant", "2d"),
        *("--output", str(place / "run"), "--clip", str(clip)),
    ]
    code = main(command)
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def test_a_clip_is_classified_without_the_data(tmp_path, capsys):
    clips = _write_clips(tmp_path / "data", ("train", "val"))
    flags = ["--data", str(clips), "--output", str(tmp_path / "run")]
    assert main([*CLIPS, *flags]) == 0
    clip = tmp_path / "new.mp4"
    frames = np.random.default_rng(1).integers(0, 255, (6, 16, 16, 3), "u1")
    write_video(frames, clip)
    before = _classify(tmp_path, clip, capsys)
    assert "fall" in before and "walk" in before
    # As an earlier version left it, the data still there.
    _forget(tmp_path / "run")
    assert _classify(tmp_path, clip, capsys) == before
    (tmp_path / "data").rename(tmp_path / "moved")
    assert _classify(tmp_path, clip, capsys) == before
    _forget(tmp_path / "run")
    error = _classify(tmp_path, clip, capsys)
    assert f"{tmp_path / 'run' / 'prediction.json'}: " in error
    assert "start the step `train` again with the data there" in error


def test_a_clip_has_the_channels_of_the_network(tmp_path, capsys):
    """Planted clips are grey, whatever `channels` says."""
    flags = ["--data", "planted_time", "--crop", "none", "--clips-per-class"]
    output = ["4", "--output", str(tmp_path / "run")]
    assert main([*CLIPS, *flags, *output]) == 0
    clip = tmp_path / "new.mp4"
    write_video(np.full((6, 16, 16, 3), 90, np.uint8), clip)
    assert "smooth" in _classify(tmp_path, clip, capsys)
