import csv

import pytest

from keras_cakes._errors import RunError
from keras_cakes.runs.commands.main import main
from keras_cakes.runs.segmentation.folds import cross_validate
from keras_cakes.runs.segmentation.settings import SegmentationSettings
from tests.runs.commands.test_prepare import _folder


@pytest.mark.filterwarnings("ignore:.*input shape:UserWarning")
def test_every_case_is_scored_once(tmp_path, capsys):
    raw = _folder(tmp_path / "raw", 5)
    (raw / "splits.json").unlink()
    out = tmp_path / "out"
    arguments = [
        *("segment", "folds", "--data", str(raw), "--output", str(out)),
        *("--patch-shape", "8", "8", "8", "--width", "4", "--depth", "1"),
        *("--steps", "1", "--search-steps", "1", "--steps-per-epoch", "1"),
        *("--variants", "3d", "2d", "--folds", "0", "2", "4"),
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "3 folds, 1 steps of training each" in printed
    assert "3d less 2d: " in printed and "over 3 cases" in printed
    with open(out / "folds.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    means = [r for r in rows if (r["network"], r["score"]) == ("2d", "mean")]
    assert [(r["fold"], r["cases"]) for r in means] == [
        ("0", "1"),
        ("2", "1"),
        ("4", "1"),
        ("all", "3"),
    ]
    assert (out / "figures" / "3d_2d.png").stat().st_size > 1000
    before = (out / "folds.md").read_bytes()
    assert main(arguments) == 0
    assert (out / "folds.md").read_bytes() == before


@pytest.mark.parametrize("folds", [[], [1, 1]])
def test_folds_that_are_none(tmp_path, folds):
    with pytest.raises(ValueError, match=f"`folds` .*folds=\\{folds}"):
        cross_validate(tmp_path, SegmentationSettings(), folds=folds)
    assert not list(tmp_path.iterdir())


def test_every_fold_is_found_before_the_first_trains(tmp_path, capsys):
    raw, out = _folder(tmp_path / "raw", 5), tmp_path / "out"
    prepared = tmp_path / "prepared"
    arguments = ["prepare", "--data", str(raw), "--output", str(prepared)]
    assert main(arguments) == 0
    for data in (raw, prepared):
        command = [
            *("segment", "folds", "--data", str(data), "--output", str(out)),
            *("--patch-shape", "8", "8", "8", "--width", "4", "--depth", "1"),
            *("--steps", "1", "--search-steps", "1", "--steps-per-epoch", "1"),
            *("--variants", "3d", "2d", "--folds", "0", "1", "7"),
        ]
        assert main(command) == 2
        error = capsys.readouterr().err
        assert (
            "splits.json: a fold of ['0', '1']" in error and "fold=7" in error
        )
        assert not out.exists()


def test_the_folder_of_every_fold_is_checked_before_the_first_trains(tmp_path):
    raw, out = _folder(tmp_path / "raw", 5), tmp_path / "out"
    (out / "fold1").mkdir(parents=True)
    (out / "fold1" / "thesis.txt").write_text("years of work")
    settings = SegmentationSettings(
        data=str(raw), patch_shape=(8, 8, 8), depth=1, variants=("3d",)
    )
    with pytest.raises(RunError, match="fold1: an empty folder.*thesis.txt"):
        cross_validate(out, settings, folds=(0, 1))
    assert not (out / "fold0").exists()
