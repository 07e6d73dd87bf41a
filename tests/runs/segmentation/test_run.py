"""Runs of the command, from settings to report, in this process."""

import csv
import json
import re
import shutil

import pytest
import tensorflow as tf

import keras_cakes as kc
from keras_cakes._errors import RunError
from keras_cakes.data.volumes.synthetic.phantom import write_msd
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.runs.commands import main as cli
from keras_cakes.runs.segmentation.run import SegmentationRun
from keras_cakes.runs.segmentation.settings import SegmentationSettings
from keras_cakes.runs.settings import read_settings

TINY = {
    "patch_shape": (16, 16, 16),
    "width": 4,
    "depth": 1,
    "cases": 2,
    "steps": 2,
    "search_steps": 2,
    "steps_per_epoch": 1,
}
# One of each way in which a network comes about.
SHOWN = ("3d", "manual_2d", "performance", "cost", "random")
FLAGS = [
    *("--patch-shape", "16", "16", "16", "--width", "4", "--depth", "1"),
    *("--cases", "2", "--steps", "2", "--search-steps", "2"),
    *("--steps-per-epoch", "1"),
]


@pytest.fixture(autouse=True)
def no_determinism(monkeypatch):
    # It is a switch of the whole process, which other tests share.
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: None
    )


def test_comparison_on_the_phantom(tmp_path, capsys):
    folder = tmp_path / "run"
    command = ["segment", "compare", "--output", str(folder)]
    settings = ["--data", "phantom", "--variants", *SHOWN, *FLAGS]
    assert cli.main([*command, *settings]) == 0
    assert "manual_2d" in capsys.readouterr().out
    report = (folder / "report.md").read_text()
    for variant in SHOWN:
        assert f"| {variant} |" in report
        network = folder / "networks" / variant
        files = {path.name for path in network.iterdir()}
        expected = {"network.keras", "history.csv", "scores.csv", "cost.json"}
        assert expected <= files
        assert "checkpoint.keras" not in files
    assert "equal MACs" in report
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert all(f"figures/{name}" in report for name in figures)
    assert len(figures) == 7
    for priority in ("performance", "cost"):
        found = folder / "search" / priority / "configuration.json"
        assert sum(Configuration.load(found).counts.values()) == 8
    with open(folder / "comparison.csv", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert float(rows["3d"]["macs_share"]) == 1.0
    assert float(rows["manual_2d"]["macs_share"]) == pytest.approx(1 / 3)
    assert float(rows["random"]["macs"]) == pytest.approx(
        float(rows["performance"]["macs"]), rel=0.05
    )
    # A second start finds everything done, and needs no flags.
    network = folder / "networks" / "3d" / "network.keras"
    before = network.stat().st_mtime_ns
    assert cli.main([*command, "--variants", "cost", "3d"]) == 0
    assert network.stat().st_mtime_ns == before
    assert "| random |" not in (folder / "report.md").read_text()


def test_steps_one_by_one_on_an_msd_folder(tmp_path, capsys):
    write_msd(tmp_path / "msd", 6, shape=(16, 16, 16))
    output = ["--output", str(tmp_path / "run")]

    def run(step, *flags):
        code = cli.main(["segment", step, *output, *flags])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    data = ["--data", str(tmp_path / "msd"), "--fold", "1", *FLAGS]
    code, _, error = run("derive", *data)
    assert code == 2 and "run `search --priority performance` first" in error
    code, _, error = run("evaluate", "--variant", "2d")
    assert code == 2 and "run `train --variant 2d` first" in error
    code, out, _ = run("search", "--draw", "independent")
    assert code == 0 and "search/performance: 2 steps\n" in out
    code, out, _ = run("derive")
    assert code == 0 and json.loads(out[out.index("{\n") :])["version"] == 1
    assert run("train", "--variant", "performance")[0] == 0
    code, out, _ = run("evaluate", "--variant", "performance")
    assert code == 0 and "scores.csv" in out
    code, _, error = run("train", "--variant", "2d", "--width", "8")
    assert code == 2 and "width: 4 in the run, 8 now" in error


def test_sampled_paths_within_a_budget(tmp_path, capsys, caplog):
    folder = tmp_path / "run"
    command = ["segment", "search", "--output", str(folder)]
    settings = ["--data", "phantom", "--candidate-kernels", "shared", *FLAGS]
    choice = ["--score", "sampled", "--budget", "0.4"]
    assert cli.main([*command, *settings, *choice]) == 0
    run = SegmentationRun(
        folder,
        read_settings(SegmentationSettings, folder / "settings.json"),
        verbose=0,
    )
    plain = run.task.build("3d")
    capsys.readouterr()
    with caplog.at_level("INFO", "keras_cakes"):
        found = kc.replace(plain, run.derive("performance"))
    # The library logs; only the commands print.
    assert "correlation of their losses" in caplog.text
    assert not capsys.readouterr().out
    assert kc.count_cost(found).macs <= 0.4 * kc.count_cost(plain).macs


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.mkdir(), "dataset.json: the list"),
        (
            lambda path: (
                write_msd(path, 6, shape=(16, 16, 16)),
                (path / "imagesTr" / "phantom_000.nii.gz").write_bytes(b"x"),
            ),
            "phantom_000.nii.gz: a complete NIfTI",
        ),
    ],
)
def test_bad_data_name_the_file_and_leave_no_run(
    tmp_path, capsys, make, message
):
    make(tmp_path / "msd")
    output = tmp_path / "run"
    flags = ["--data", str(tmp_path / "msd"), "--output", str(output)]
    assert cli.main(["segment", "compare", *flags]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("keras-cakes: error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not output.exists()


def test_real_bad_data(tmp_path, capsys, real_data):
    flags = ["--data", str(real_data / "bad"), "--output", str(tmp_path / "r")]
    assert cli.main(["segment", "compare", *flags]) == 2
    assert "dataset.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("as_found", "hippocampus_010.nii.gz: the image that dataset_as_found"),
        ("not_nifti", "DS_Store.nii.gz: a complete NIfTI"),
        ("shape_mismatch", "hippocampus_010.nii.gz: .*(37, 52, 33)"),
        ("wrong_organ", "hippocampus_281.nii.gz: .*(37, 52, 33)"),
    ],
)
def test_real_bad_lists(tmp_path, capsys, real_data, listing, message):
    output = tmp_path / "run"
    path = real_data / "bad" / f"dataset_{listing}.json"
    flags = ["--data", str(path), "--output", str(output)]
    assert cli.main(["segment", "compare", *flags]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1 and not output.exists()


def test_one_case_cannot_be_split(tmp_path, capsys):
    write_msd(tmp_path, 1, shape=(16, 16, 16))
    flags = ["--data", str(tmp_path), "--output", str(tmp_path / "run")]
    assert cli.main(["segment", "compare", *flags]) == 2
    assert "at least two cases are expected" in capsys.readouterr().err


def test_unknown_names(tmp_path):
    run = SegmentationRun(tmp_path / "run", SegmentationSettings(**TINY))
    with pytest.raises(ValueError, match="`priority` is expected.*'speed'"):
        run.search("speed")
    with pytest.raises(ValueError, match="`variant` is expected.*'4d'"):
        run.train("4d")
    with pytest.raises(RunError, match="run `search --priority cost` first"):
        run.train("cost")


def test_settings_that_do_not_fit_leave_no_run(tmp_path):
    settings = SegmentationSettings(**{**TINY, "depth": 6})
    with pytest.raises(ValueError, match="multiples of 32"):
        SegmentationRun(tmp_path / "run", settings).check()
    assert not (tmp_path / "run").exists()


def test_a_flag_may_be_corrected_while_nothing_is_made(tmp_path, capsys):
    output = ["--output", str(tmp_path / "run"), *FLAGS]
    first = ["--data", "phantom", "--aggregation", "concat"]
    search = ["segment", "search", "--priority", "cost", *output]
    assert cli.main([*search, *first]) == 2
    assert "concat" in capsys.readouterr().err
    assert cli.main([*search, "--aggregation", "sum"]) == 0


def test_damaged_networks_are_named(tmp_path):
    run = SegmentationRun(tmp_path / "run", SegmentationSettings(**TINY))
    with run.open():
        pass
    supernet = run.folder / "search" / "cost" / "supernet.keras"
    network = run.folder / "networks" / "2d" / "network.keras"
    for file, step in ((supernet, "derive"), (network, "evaluate")):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"half a file")
        with pytest.raises(RunError, match=f"{file.name}: a complete model"):
            getattr(run, step)("cost" if step == "derive" else "2d")


@pytest.mark.parametrize(
    ("image", "label", "message"),
    [
        ("DS_Store", None, "phantom_000.nii.gz: .*NIfTI"),
        ("hippocampus_118", "hippocampus_010", "phantom_000.* shape"),
        ("hippocampus_118", "hippocampus_281", "phantom_000.* shape"),
        ("hippocampus_118", "missing", "phantom_000.nii.gz: the label"),
    ],
)
def test_real_bad_files(tmp_path, capsys, real_data, image, label, message):
    """Each defective file takes the place of a good one."""
    folder = tmp_path / "msd"
    write_msd(folder, 6, shape=(16, 16, 16))
    bad = real_data / "bad"
    good = "phantom_000.nii.gz"
    source = bad / "imagesTr" / f"{image}.nii.gz"
    shutil.copy(source, folder / "imagesTr" / good)
    if label == "missing":
        (folder / "labelsTr" / good).unlink()
    elif label:
        source = bad / "labelsTr" / f"{label}.nii.gz"
        shutil.copy(source, folder / "labelsTr" / good)
    output = tmp_path / "run"
    flags = ["--data", str(folder), "--output", str(output)]
    assert cli.main(["segment", "compare", *flags]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1 and not output.exists()
