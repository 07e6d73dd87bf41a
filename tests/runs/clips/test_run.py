"""Runs on clips, from settings to report, in this process."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data import ArrayClips
from keras_cakes.data import DataError
from keras_cakes.data import open_packed
from keras_cakes.data import phantom_clips
from keras_cakes.data.clips.decoding.video_writing import write_video
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.runs.clips.data import load_video_data
from keras_cakes.runs.clips.run import VideoRun
from keras_cakes.runs.clips.run import VideoTask
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.commands import main as cli

FLAGS = [
    *("--frames", "4", "--size", "16", "16", "--width", "4", "--stages", "1"),
    *("--epochs", "1", "--search-epochs", "1", "--clips-per-class", "4"),
]
SHOWN = ("3d", "manual_1d2d", "performance", "cost", "random")


@pytest.fixture(autouse=True)
def no_determinism(monkeypatch):
    # It is a switch of the whole process, which other tests share.
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: None
    )


def _write_clips(folder, splits, count=3):
    """Videos of two classes and their list."""
    rows = ["path,label,split"]
    generator = np.random.default_rng(0)
    for split in splits:
        for name in ("fall", "walk"):
            for number in range(count):
                path = folder / split / name / f"{number}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                frames = generator.integers(0, 255, (6, 16, 16, 3), np.uint8)
                write_video(frames, path)
                rows.append(f"{split}/{name}/{number}.mp4,{name},{split}")
    file = folder / "clips.csv"
    file.write_text("\n".join(rows) + "\n")
    return file


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("time", ("smooth", "rough")),
        ("mixed", ("smooth_rough", "rough_smooth")),
    ],
)
def test_planted_clips_are_data_of_a_run(kind, classes):
    settings = VideoSettings(data=f"planted_{kind}", size=(16, 16), frames=4)
    data = load_video_data(settings)
    assert data.classes == classes
    assert (len(data.training), len(data.validation)) == (512, 128)
    first, other = (
        source.read(0, np.arange(4)).numpy()
        for source in (data.training, data.validation)
    )
    assert first.shape == (4, 16, 16, 1)
    assert (first != other).any()
    with pytest.raises(ValueError, match="`data` is expected.*planted_depth"):
        VideoSettings(data="synthetic:planted_depth")


def test_comparison_on_the_phantom(tmp_path, capsys):
    folder = tmp_path / "run"
    command = ["video", "compare", "--output", str(folder)]
    settings = ["--data", "phantom", "--variants", *SHOWN, *FLAGS]
    assert cli.main([*command, *settings]) == 0
    assert "manual_1d2d" in capsys.readouterr().out
    report = (folder / "report.md").read_text()
    for variant in SHOWN:
        assert f"| {variant} |" in report
        files = {p.name for p in (folder / "networks" / variant).iterdir()}
        expected = {"network.keras", "history.csv", "scores.csv", "cost.json"}
        assert expected <= files
        assert not {"checkpoint.keras", "seeds.json"} & files
    assert "16 training and 128 validation clips of 4 classes" in report
    assert "1 epochs per network" in report and "equal MACs" in report
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert "confusion_performance.png" in figures
    assert all(f"figures/{name}" in report for name in figures)
    for priority in ("performance", "cost"):
        found = folder / "search" / priority / "configuration.json"
        assert sum(Configuration.load(found).counts.values()) == 8
    with open(folder / "comparison.csv", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    # Half 1x3x3, half 3x1x1: 9 and 3 of 27 taps.
    share = float(rows["manual_1d2d"]["macs_share"])
    assert share == pytest.approx(6 / 27)
    assert 0 <= float(rows["3d"]["top1"]) <= 1
    with open(folder / "classes.csv", newline="") as file:
        recalls = [r for r in csv.DictReader(file) if r["network"] == "3d"]
    assert [int(row["clips"]) for row in recalls] == [32] * 4
    mean = np.mean([float(row["top1"]) for row in recalls])
    assert mean == pytest.approx(float(rows["3d"]["top1"]))
    assert "top5" not in rows["3d"]


def test_from_a_list_to_a_prediction(tmp_path, capsys):
    clips = _write_clips(tmp_path / "clips", ("train", "val"))
    packs, run = tmp_path / "packs", tmp_path / "run"
    packing = ["--data", str(clips), "--splits", "train", "val"]
    assert cli.main(["video", "pack", *packing, "--output", str(packs)]) == 0
    printed = capsys.readouterr().out
    assert f"{packs / 'train'}: 6 clips of 2 classes, 0 left out" in printed
    flags = [*FLAGS[:9], "--epochs", "1", "--batch-size", "4"]
    more = ["--variant", "2d", "--output", str(run)]
    start = ["--data", str(packs), *flags]
    assert cli.main(["video", "train", *more, *start]) == 0
    assert cli.main(["video", "evaluate", *more]) == 0
    with open(run / "networks" / "2d" / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and {row["label"] for row in rows} == {"0", "1"}
    names = json.loads((run / "networks" / "2d" / "classes.json").read_text())
    assert names == ["fall", "walk"]
    capsys.readouterr()
    clip = tmp_path / "clips" / "val" / "walk" / "0.mp4"
    assert cli.main(["video", "predict", *more, "--clip", str(clip)]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert {line.split()[1] for line in lines} == {"fall", "walk"}
    shares = [float(line.split("%")[0]) for line in lines]
    assert sum(shares) == pytest.approx(100, abs=0.02)
    assert shares == sorted(shares, reverse=True)
    # Messages of a network or a clip that is not there.
    assert cli.main(["video", "predict", *more[2:], *missing_network()]) == 2
    assert "run `train --variant 3d` first" in capsys.readouterr().err
    nothing = ["--clip", str(tmp_path / "none.mp4")]
    assert cli.main(["video", "predict", *more, *nothing]) == 2
    assert "none.mp4" in capsys.readouterr().err


def test_a_clip_that_breaks_in_training(tmp_path, capsys):
    clips = _write_clips(tmp_path, ("train", "val"))
    rows = clips.read_text().splitlines()
    head, *others = rows
    counted = [f"{head},num_frames", *(f"{row},6" for row in others)]
    clips.write_text("\n".join(counted) + "\n")
    broken = tmp_path / "train" / "walk" / "1.mp4"
    broken.write_bytes(broken.read_bytes()[:400])
    flags = [*FLAGS[:9], "--epochs", "1", "--batch-size", "6"]
    command = ["video", "train", "--variant", "2d", "--data", str(clips)]
    output = ["--output", str(tmp_path / "run")]
    assert cli.main([*command, *output, *flags]) == 2
    error = capsys.readouterr().err
    assert "keras-cakes: error: " in error and str(broken) in error
    other = ["--output", str(tmp_path / "other"), "--on-error", "skip"]
    assert cli.main([*command, *other, *flags]) == 0


def test_names_of_classes_of_a_list_of_numbers(tmp_path, capsys):
    _write_clips(tmp_path, ("train",), 1)
    (tmp_path / "list.csv").write_text(
        "path,label\ntrain/fall/0.mp4,0\ntrain/walk/0.mp4,1\n"
    )
    (tmp_path / "classes.txt").write_text("fall\nwalk\n")
    lists = ["--data", str(tmp_path / "list.csv")]
    names = ["--classes", str(tmp_path / "classes.txt")]
    output = ["--output", str(tmp_path / "pack")]
    assert cli.main(["video", "pack", *lists, *names, *output]) == 0
    assert open_packed(tmp_path / "pack").classes == ("fall", "walk")


def missing_network():
    return ["--variant", "3d", "--clip", "any.mp4"]


def test_a_pack_lists_what_it_left_out(tmp_path, capsys):
    clips = _write_clips(tmp_path / "clips", ("train",))
    (clips.parent / "train" / "walk" / "1.mp4").write_bytes(b"no video")
    command = ["video", "pack", "--data", str(clips)]
    output = ["--output", str(tmp_path / "pack")]
    assert cli.main([*command, *output]) == 2
    assert "walk/1.mp4" in capsys.readouterr().err
    assert cli.main([*command, *output, "--on-error", "skip"]) == 0
    printed = capsys.readouterr().out
    assert "5 clips of 2 classes, 1 left out" in printed
    assert "left out: train/walk/1.mp4: " in printed


@pytest.mark.parametrize("layout", ["list", "folders", "two"])
def test_layouts_of_data(tmp_path, layout):
    clips = _write_clips(tmp_path, ("train", "val"), 2)
    given = {
        "list": {"data": str(clips)},
        "folders": {"data": str(tmp_path)},
        "two": {
            "data": str(tmp_path / "val"),
            "validation": str(tmp_path / "train"),
        },
    }[layout]
    data = load_video_data(VideoSettings(**given, batch_size=2))
    assert len(data.training) == len(data.validation) == 4
    assert data.training.classes == ("fall", "walk")
    assert np.bincount(data.training.labels).tolist() == [2, 2]


def test_a_few_clips_of_each_class_are_drawn_by_the_seed():
    drawn = [
        load_video_data(
            VideoSettings(
                size=(16, 16), clips_per_class=3, batch_size=4, seed=seed
            )
        )
        for seed in (0, 0, 1)
    ]
    names = [data.training.names for data in drawn]
    assert names[0] == names[1] != names[2]
    assert np.bincount(drawn[0].training.labels).tolist() == [3] * 4


def test_data_that_do_not_fit_are_named(tmp_path):
    clips = _write_clips(tmp_path, ("train", "val"), 1)
    with pytest.raises(ValueError, match="`batch_size` is.*at most 2.*16"):
        load_video_data(VideoSettings(data=str(clips)))
    other = tmp_path / "other"
    for name in ("fall", "run"):
        (other / name).mkdir(parents=True)
        frames = np.zeros((4, 16, 16, 3), np.uint8)
        write_video(frames, other / name / "a.mp4")
    with pytest.raises(DataError, match="validation clips of the classes"):
        load_video_data(
            VideoSettings(
                data=str(tmp_path / "train"),
                validation=str(other),
                batch_size=2,
            )
        )
    with pytest.raises(DataError, match="val: a pack or class folders are"):
        (tmp_path / "half" / "train").mkdir(parents=True)
        frames = np.zeros((4, 16, 16, 3), np.uint8)
        (tmp_path / "half" / "train" / "a").mkdir()
        write_video(frames, tmp_path / "half" / "train" / "a" / "1.mp4")
        load_video_data(VideoSettings(data=str(tmp_path / "half")))


def test_resumed_training_ends_with_the_same_weights(tmp_path, monkeypatch):
    """Dropout draws from states that are not part of a `.keras` file."""
    settings = VideoSettings(
        frames=4,
        size=(16, 16),
        width=4,
        stages=1,
        clips_per_class=8,
        batch_size=8,
        epochs=3,
        dropout=0.5,
    )
    whole = VideoRun(tmp_path / "whole", settings, verbose=0)
    whole.train("2d")

    from keras_cakes.runs import resume as training

    def stop(self, epoch, logs=None):
        recorded(self, epoch, logs)
        if epoch == 0:
            raise KeyboardInterrupt

    recorded = training.Recorder.on_epoch_end
    run = VideoRun(tmp_path / "run", settings, verbose=0)
    with monkeypatch.context() as patch:
        patch.setattr(training.Recorder, "on_epoch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            run.train("2d")
    run.train("2d")
    for one, other in zip(
        whole.network("2d").weights, run.network("2d").weights, strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_long_resnet_is_built_for_its_data():
    settings = VideoSettings(network="resnet50", frames=2, size=(32, 32))
    task = VideoTask(settings)
    assert task.build("2d").output_shape == (None, 4)
    assert isinstance(task.data.training, ArrayClips)
    same = phantom_clips(2, (4, 40, 40), seed=0, events="both")
    np.testing.assert_array_equal(
        task.data.training.read(1, [0, 3]), same.read(1, [0, 3])
    )
