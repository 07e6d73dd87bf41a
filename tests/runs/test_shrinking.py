"""Networks of a run that are shrunk, on volumes and clips."""

import csv
import re
import statistics

import pytest
import tensorflow as tf

from keras_cakes import evaluation
from keras_cakes._errors import RunError
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.runs.commands import main as cli
from keras_cakes.runs.segmentation.run import SegmentationRun
from keras_cakes.runs.segmentation.settings import SegmentationSettings
from keras_cakes.runs.shrink_report import write_shrink_report
from keras_cakes.runs.shrinking import Shrinking

SETTINGS = {
    "data": "phantom",
    "patch_shape": (16, 16, 16),
    "width": 4,
    "depth": 1,
    "cases": 2,
    "steps": 2,
    "search_steps": 2,
    "steps_per_epoch": 1,
}
VOLUMES = [
    *("--data", "phantom", "--patch-shape", "16", "16", "16"),
    *("--width", "4", "--depth", "1", "--cases", "2", "--steps", "2"),
    *("--steps-per-epoch", "1"),
]
CLIPS = [
    *("--data", "phantom", "--frames", "4", "--size", "16", "16"),
    *("--width", "4", "--stages", "1", "--epochs", "1"),
    *("--clips-per-class", "4"),
]


@pytest.fixture(autouse=True)
def no_determinism(monkeypatch):
    # It is a switch of the whole process, which other tests share.
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: None
    )


def _table(file):
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.parametrize(
    ("kind", "flags", "label"),
    [("segment", VOLUMES, "mean DSC"), ("video", CLIPS, "top-1")],
)
def test_the_command_shrinks_tunes_and_reports(
    kind, flags, label, tmp_path, capsys
):
    output = ["--output", str(tmp_path / "run")]
    train = [kind, "train", "--variant", "3d", *output, *flags]
    assert cli.main(train) == 0
    shrink = [kind, "shrink", *output, "--budgets", "0.8"]
    shrink += ["--choices", "shrink", "even", "--finetune-steps", "3"]
    assert cli.main(shrink) == 0
    folder = tmp_path / "run" / "shrink" / "3d"
    assert f"{label}, tuned" in capsys.readouterr().out
    rows = _table(folder / "shrink.csv")
    assert [(row["choice"], row["budget"]) for row in rows] == [
        ("shrink", "0.8"),
        ("even", "0.8"),
    ]
    assert float(rows[0]["macs_share"]) <= 0.8
    report = (folder / "report.md").read_text()
    assert "3 training steps" in report and "![Scores" in report
    assert (folder / "shrink.png").stat().st_size > 10_000
    history = _table(folder / "shrink_80" / "tuned_3" / "history.csv")
    assert history[-1]["step"] == "3"
    # What is there stays; another number of steps is another training.
    file = folder / "shrink_80" / "network.keras"
    before = file.stat().st_mtime_ns
    shrink = [kind, "shrink", *output, "--budgets", "0.8"]
    shrink += ["--choices", "shrink", "--finetune-steps", "1"]
    assert cli.main(shrink) == 0
    assert file.stat().st_mtime_ns == before
    assert (folder / "shrink_80" / "tuned_1" / "scores.csv").is_file()
    assert "1 training step" in (folder / "report.md").read_text()


def test_a_run_that_was_stopped_goes_on_to_the_same_networks(
    tmp_path, monkeypatch
):
    settings = SegmentationSettings(**SETTINGS)
    runs = []
    for name in ("whole", "stopped"):
        run = SegmentationRun(tmp_path / name, settings, verbose=0)
        run.train("3d")
        runs.append(run)
    arguments = {
        "budgets": [0.7],
        "choices": ["shrink"],
        "finetune_steps": 2,
    }
    Shrinking(runs[0], **arguments).complete()

    def stop(*arguments):
        raise KeyboardInterrupt

    stopped = Shrinking(runs[1], **arguments)
    with monkeypatch.context() as patch:
        patch.setattr(Shrinking, "_tune", stop)
        with pytest.raises(KeyboardInterrupt):
            stopped.complete()
    Shrinking(runs[1], **arguments).complete()

    def work(*given, **options):
        raise AssertionError("work has begun")

    # All is there: nothing is measured or loaded.
    monkeypatch.setattr("keras_cakes.runs.shrinking.reconstruct", work)
    monkeypatch.setattr("keras_cakes.runs.shrinking.load_whole", work)
    Shrinking(runs[0], **arguments).complete()
    tables = [
        _table(run.folder / "shrink/3d/shrink_70/tuned_2/scores.csv")
        for run in runs
    ]
    assert tables[0] == tables[1]
    file = runs[0].folder / "shrink/3d/shrink_70/configuration.json"
    assert len(Configuration.load(file)) == 2


def test_random_networks_are_drawn_several_times_and_the_first_is_tuned(
    tmp_path,
):
    run = SegmentationRun(tmp_path, SegmentationSettings(**SETTINGS), verbose=0)
    run.train("3d")
    shrinking = Shrinking(
        run,
        budgets=[0.7],
        choices=["shrink", "random"],
        finetune_steps=1,
        draws=3,
    )
    shrinking.complete()
    (_, _, [one]), (_, _, draws) = shrinking.networks()
    assert one.name == "shrink_70" and len(draws) == 3
    chosen = [
        Configuration.load(folder / "configuration.json") for folder in draws
    ]
    assert len({each.to_json() for each in chosen}) == 3
    assert [(f / "tuned_1").exists() for f in draws] == [True, False, False]
    report = write_shrink_report(shrinking, label="mean DSC").read_text()
    assert "drawn at random, 3 draws" in report
    means = [
        statistics.fmean(float(row["mean"]) for row in _table(f / "scores.csv"))
        for f in draws
    ]
    rows = _table(run.folder / "shrink/3d/shrink.csv")
    assert float(rows[1]["as_it_is"]) == pytest.approx(statistics.fmean(means))


def test_bad_arguments_and_a_missing_network_are_refused(tmp_path):
    run = SegmentationRun(tmp_path, SegmentationSettings(**SETTINGS), verbose=0)
    for arguments, message in (
        ({"budgets": [1.5]}, "`budget` is expected to be a finite number"),
        ({"choices": ["best"]}, "`choice` is expected to be one of"),
        ({"finetune_steps": -1}, "`finetune_steps` is expected"),
        ({"variant": "4d"}, "`variant` is expected to be one of"),
        ({"draws": 0}, "`draws` is expected"),
        ({"kernel_set": "4d"}, "`kernel_set` is expected to be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            Shrinking(run, **arguments)
    with pytest.raises(RunError, match="a trained network is expected"):
        Shrinking(run).complete()
    run.train("3d")
    with pytest.raises(ValueError, match="is expected to be at least"):
        Shrinking(run, budgets=[0.9, 0.01]).complete()
    assert not (tmp_path / "shrink" / "3d").exists()


def test_the_figure_shows_each_choice_and_state():
    rows = [
        {"choice": choice, "macs_share": share, "as_it_is": 0.5, "tuned": 0.7}
        for choice in ("shrink", "random")
        for share in (0.5, 0.25)
    ]
    figure = evaluation.plot_shrinking(rows, original=0.8, label="top-1")
    (axis,) = figure.axes
    assert axis.get_ylabel() == "top-1"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "trained network",
        "shrink, as it is",
        "shrink, tuned",
        "random, as it is",
        "random, tuned",
    ]
    assert list(axis.lines[1].get_xdata()) == [25, 50]
    assert re.search("%", axis.get_xlabel())
    with pytest.raises(ValueError, match="`rows`"):
        evaluation.plot_shrinking([], original=0.8)
