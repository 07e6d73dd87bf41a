"""What binds a run: its settings, its data, its derivations."""

import fcntl
import json
import re
import shutil

import pytest
import tensorflow as tf

from keras_cakes._errors import RunError
from keras_cakes.data.volumes.synthetic.phantom import write_msd
from keras_cakes.runs.clips.run import VideoRun
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.commands.main import main
from keras_cakes.runs.run import SearchRun
from keras_cakes.runs.segmentation.run import SegmentationRun
from keras_cakes.runs.segmentation.settings import SegmentationSettings
from tests.runs.clips.test_run import _write_clips

TINY = {
    "patch_shape": (16, 16, 16),
    "width": 4,
    "depth": 1,
    "cases": 2,
    "steps": 2,
    "search_steps": 2,
    "steps_per_epoch": 1,
}
FLAGS = [
    *("--patch-shape", "16", "16", "16", "--width", "4", "--depth", "1"),
    *("--cases", "2", "--steps", "2", "--search-steps", "2"),
    *("--steps-per-epoch", "1"),
]


LOAD = "keras_cakes.runs.segmentation.run.load_segmentation_data"


def _no_data(settings):
    raise AssertionError("the data are loaded")


@pytest.fixture(autouse=True)
def no_determinism(monkeypatch):
    # It is a switch of the whole process, which other tests share.
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: None
    )


def _segment(folder, step, *flags):
    return main(["segment", step, "--output", str(folder), *flags])


def _run(folder, **changes):
    settings = SegmentationSettings(**{**TINY, **changes})
    return SegmentationRun(folder, settings, verbose=0)


def test_a_refused_second_start_leaves_the_settings(tmp_path, capsys):
    (tmp_path / "settings.json").write_text('{"data": "phantom", "width": 4}')
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with open(tmp_path / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for step in ("train", "compare"):
            variant = ["--variant", "3d"] if step == "train" else []
            flags = [*FLAGS[:4], "--width", "8", "--depth", "1", *variant]
            assert _segment(tmp_path, step, *flags) == 2
            assert "another process works" in capsys.readouterr().err
    after = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert after.pop(".lock") == b"" and after == before


def test_every_step_keeps_a_second_process_out(tmp_path):
    run = _run(tmp_path / "run")
    run.train("2d")
    with open(tmp_path / "run" / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for step in ("train", "evaluate"):
            with pytest.raises(RunError, match="one process at a time"):
                getattr(run, step)("2d")
        with pytest.raises(RunError, match="one process at a time"):
            run.search("cost")


def test_a_finished_evaluation_loads_no_network(tmp_path, monkeypatch):
    run = _run(tmp_path / "run")
    scores = tmp_path / "run" / "networks" / "3d" / "scores.csv"
    run.train("3d")
    assert run.evaluate("3d") == scores
    monkeypatch.setattr(SearchRun, "network", None)
    assert run.evaluate("3d") == scores


def test_a_run_does_nothing_before_its_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(LOAD, _no_data)
    for kind, settings in (
        (SegmentationRun, SegmentationSettings(**TINY)),
        (VideoRun, VideoSettings()),
    ):
        run = kind(tmp_path / "run", settings, verbose=0)
        assert run.variants == settings.variants
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("step", ["derive", "evaluate"])
def test_steps_of_a_finished_run_load_no_data(
    tmp_path, monkeypatch, capsys, step
):
    run = tmp_path / "run"
    flags = ["--data", "phantom", *FLAGS]
    if step == "derive":
        assert _segment(run, "search", *flags) == 0
        command = ["derive", "--budget", "0.5"]
    else:
        command = ["evaluate", "--variant", "2d"]
        assert _segment(run, "train", "--variant", "2d", *flags) == 0
        assert _segment(run, *command) == 0
    monkeypatch.setattr(LOAD, _no_data)
    assert _segment(run, *command) == 0
    # The data of another place are compared with those of the run.
    moved = ["--data", str(tmp_path / "moved")]
    assert _segment(run, *command, *moved) == 2
    assert "data: 'phantom' in the run" in capsys.readouterr().err


def test_every_variant_is_checked_before_the_first_trains(tmp_path):
    """Concatenation is not for the cost priority."""
    run = _run(tmp_path, variants=("2d", "cost"), aggregation="concat")
    with pytest.raises(ValueError, match="concat"):
        run.complete()
    assert not (tmp_path / "networks").exists()


def _searched(folder, **changes):
    run = _run(folder, **changes)
    run.search("performance")
    return run, run.derive("performance")


def _file(folder, name):
    return folder / "search" / "performance" / name


@pytest.mark.parametrize("version", ["this", "earlier"])
def test_a_finished_search_is_derived_anew(tmp_path, version):
    run, found = _searched(tmp_path)
    supernet = _file(tmp_path, "supernet.keras")
    before = supernet.stat().st_mtime_ns
    if version == "earlier":
        for name in ("derivation.json", "data.json"):
            next(tmp_path.rglob(name)).unlink()
    for changes in (
        {"budget": 0.4},
        {"budget": 0.4, "channel_multiple": 2},
        {"budget": 0.5, "score": "sampled"},
        {"rule": "layer"},
    ):
        other = _run(tmp_path, **changes)
        assert other.search("performance") == supernet
        derived = other.derive("performance")
        if "budget" in changes:
            assert derived != found
        # The settings, their derivation and the configuration go together.
        stated = json.loads((tmp_path / "settings.json").read_text())
        made = json.loads(_file(tmp_path, "derivation.json").read_text())
        assert made["budget"] == stated["budget"] == other.settings.budget
        text = _file(tmp_path, "configuration.json").read_text()
        assert text == derived.to_json()
    assert _run(tmp_path).derive("performance") == found
    assert supernet.stat().st_mtime_ns == before


def test_a_run_with_the_old_name_of_a_setting_goes_on(tmp_path, capsys):
    """`candidate_kernels` was `weights`."""
    train = ["train", "--variant", "2d"]
    flags = ["--data", "phantom", "--candidate-kernels", "shared", *FLAGS]
    assert _segment(tmp_path, *train, *flags) == 0
    file = tmp_path / "settings.json"
    old = file.read_text().replace("candidate_kernels", "weights")
    file.write_text(old)
    network = tmp_path / "networks" / "2d" / "network.keras"
    before = network.stat().st_mtime_ns
    assert _segment(tmp_path, *train) == 0
    assert network.stat().st_mtime_ns == before
    capsys.readouterr()
    assert _segment(tmp_path, *train, "--weights", "shared") == 0
    warning = capsys.readouterr().err
    assert "`--weights` is `--candidate-kernels` now" in warning
    assert _segment(tmp_path, *train, "--candidate-kernels", "separate") == 2
    error = capsys.readouterr().err
    assert "candidate_kernels: 'shared' in the run, 'separate' now" in error


@pytest.mark.parametrize("version", ["this", "earlier"])
def test_networks_bind_the_derivation_they_come_from(tmp_path, version):
    run, found = _searched(tmp_path)
    run.train("3d")
    run.train("performance")
    if version == "earlier":
        for name in ("derivation.json", "data.json", "prediction.json"):
            next(tmp_path.rglob(name)).unlink()
    before = (tmp_path / "settings.json").read_bytes()
    network = tmp_path / "networks" / "performance"
    with pytest.raises(RunError) as caught:
        _run(tmp_path, budget=0.4).derive("performance")
    message = str(caught.value)
    assert f"remove {network} " in message and "another folder" in message
    assert "budget: 1.0 in the run, 0.4 now" in message
    assert (tmp_path / "settings.json").read_bytes() == before
    text = _file(tmp_path, "configuration.json").read_text()
    assert text == found.to_json()
    shutil.rmtree(network)
    assert _run(tmp_path, budget=0.4).derive("performance") != found


def test_a_random_network_binds_the_search_it_was_measured_by(tmp_path):
    run, _ = _searched(tmp_path)
    run.train("random")
    with pytest.raises(RunError, match="networks/random"):
        _run(tmp_path, budget=0.4).train("random")


def test_a_run_goes_with_its_data(tmp_path, capsys):
    old, new, run = (tmp_path / name for name in ("old", "new", "run"))
    write_msd(old, 6, shape=(16, 16, 16))
    train = ["train", "--variant", "3d"]
    assert _segment(run, *train, "--data", str(old), *FLAGS) == 0
    old.rename(new)
    network = run / "networks" / "3d" / "network.keras"
    before = network.stat().st_mtime_ns
    assert _segment(run, *train) == 2
    assert f"{old}: " in capsys.readouterr().err
    assert _segment(run, "evaluate", "--variant", "3d", "--data", str(new)) == 0
    assert json.loads((run / "settings.json").read_text())["data"] == str(new)
    assert _segment(run, *train) == 0
    assert network.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("cases", "training_cases: .* in the run, .* now"),
        ("shapes", "training_cases: .* in the run, .* now"),
        ("classes", "classes: .* in the run, .*other.* now"),
        ("synthetic", "data: '.*old' in the run, 'phantom' now"),
    ],
)
def test_a_run_refuses_other_data(tmp_path, capsys, change, message):
    old, new, run = (tmp_path / name for name in ("old", "new", "run"))
    write_msd(old, 6, shape=(16, 16, 16))
    train = ["train", "--variant", "3d"]
    flags = [*FLAGS[:8], *FLAGS[10:]]
    assert _segment(run, *train, "--data", str(old), *flags) == 0
    sizes = (16, 16, 24) if change == "shapes" else (16, 16, 16)
    write_msd(new, 7 if change == "cases" else 6, shape=sizes)
    if change == "classes":
        text = (new / "dataset.json").read_text()
        document = json.loads(text)
        document["labels"]["1"] = "other"
        (new / "dataset.json").write_text(json.dumps(document))
    before = (run / "settings.json").read_bytes()
    place = "phantom" if change == "synthetic" else str(new)
    assert _segment(run, *train, "--data", place) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    if change != "synthetic":
        assert "names and shapes of cases" in error
    assert (run / "settings.json").read_bytes() == before


def test_data_of_an_unknown_run_cannot_be_compared(tmp_path, capsys):
    old, new, run = (tmp_path / name for name in ("old", "new", "run"))
    write_msd(old, 6, shape=(16, 16, 16))
    train = ["train", "--variant", "3d"]
    assert _segment(run, *train, "--data", str(old), *FLAGS) == 0
    (run / "data.json").unlink()
    shutil.copytree(old, new)
    assert _segment(run, *train, "--data", str(new)) == 2
    error = capsys.readouterr().err
    assert f"{run / 'data.json'}: " in error and f"{old}" in error
    assert _segment(run, *train) == 0
    assert _segment(run, *train, "--data", str(new)) == 0


def test_a_run_goes_with_its_clips(tmp_path, capsys):
    old, new = tmp_path / "old", tmp_path / "new"
    clips = _write_clips(old, ("train", "val"))
    command = [
        *("video", "train", "--variant", "2d", "--batch-size", "4"),
        *("--output", str(tmp_path / "run")),
    ]
    flags = ["--frames", "4", "--size", "16", "16", "--width", "4"]
    flags += ["--stages", "1", "--epochs", "1"]
    assert main([*command, "--data", str(clips), *flags]) == 0
    old.rename(new)
    assert main([*command, "--data", str(new / "clips.csv")]) == 0
    known = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert known["data"] == str(new / "clips.csv")
    # A clip whose label has changed makes other data.
    text = (new / "clips.csv").read_text()
    (new / "clips.csv").write_text(text.replace("0.mp4,walk", "0.mp4,fall"))
    capsys.readouterr()
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "training_clips: " in error and "names, labels and frames" in error


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(("segment", name) for name in SegmentationSettings.synthetic),
        *(("video", name) for name in VideoSettings.synthetic),
    ],
)
def test_a_folder_of_a_synthetic_name_is_not_hidden(
    tmp_path, monkeypatch, capsys, command, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    start = [command, "train", "--variant", "3d", "--output", "run", "--data"]
    assert main([*start, name]) == 2
    error = capsys.readouterr().err
    assert f"./{name} for the folder" in error
    assert f"synthetic:{name} for the synthetic data" in error
    assert not (tmp_path / "run").exists()
    # The folder, which holds nothing.
    assert main([*start, f"./{name}"]) == 2
    assert f"{tmp_path / name}" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [SegmentationSettings, VideoSettings])
def test_data_may_say_that_they_are_synthetic(tmp_path, monkeypatch, kind):
    assert kind(data="synthetic:phantom") == kind(data="phantom")
    names = re.escape(str(kind.synthetic))
    for name in ("fantom", "planted_speed"):
        with pytest.raises(ValueError, match=f"`data` is expected .*{names}"):
            kind(data=f"synthetic:{name}")
    monkeypatch.chdir(tmp_path)
    assert kind(data="./phantom").data == str(tmp_path / "phantom")


def test_only_data_may_be_synthetic(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = VideoSettings(data="packs", validation="phantom")
    assert settings.validation == str(tmp_path / "phantom")
