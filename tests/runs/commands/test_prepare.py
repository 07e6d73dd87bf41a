import json

import numpy as np

from keras_cakes.data import open_prepared
from keras_cakes.data import write_nifti
from keras_cakes.runs.commands.main import main
from tests.data.volumes.preparing.test_prepare import _dataset


def _folder(folder, count=5):
    """A folder in the layout of the MSD, with folds of its own."""
    dataset = _dataset(folder, count)
    document = {
        "name": "small",
        "labels": {"0": "background", "1": "a", "2": "b"},
        "training": [
            {"image": case.image.name, "label": case.label.name}
            for case in dataset.cases
        ],
    }
    (folder / "dataset.json").write_text(json.dumps(document))
    folds = {"folds": {"0": ["i1"], "1": ["i0", "i2"]}}
    (folder / "splits.json").write_text(json.dumps(folds))
    return folder


def test_a_folder_is_prepared_with_its_folds(tmp_path, capsys):
    raw, out = _folder(tmp_path / "raw"), tmp_path / "out"
    code = main(
        [
            *("prepare", "--data", str(raw), "--output", str(out)),
            *("--orientation", "LPS", "--spacing", "2", "2", "2"),
            *("--window", "-500", "500", "--normalization", "dataset"),
        ]
    )
    assert code == 0
    assert f"5 cases in {out}" in capsys.readouterr().out
    prepared = open_prepared(out)
    assert prepared.preparation.spacing == (2.0, 2.0, 2.0)
    assert prepared.preparation.normalization == "dataset"
    assert prepared.cases[0].image.max() <= 500
    assert (out / "splits.json").read_bytes() == (
        raw / "splits.json"
    ).read_bytes()


def test_a_table_of_cases(tmp_path, capsys):
    _dataset(tmp_path / "raw", 2)
    table = tmp_path / "raw" / "cases.csv"
    table.write_text("image,label\ni0.nii.gz,l0.nii.gz\ni1.nii.gz,l1.nii.gz\n")
    folds = json.dumps({"folds": {"0": ["i1"], "1": ["i0"]}})
    (tmp_path / "raw" / "splits.json").write_text(folds)
    arguments = ["prepare", "--data", str(table), "--output"]
    assert main([*arguments, str(tmp_path / "none")]) == 2
    assert "`classes` is expected for a .csv list" in capsys.readouterr().err
    code = main(
        [
            *(*arguments, str(tmp_path / "out"), "--orientation", "keep"),
            *("--classes", "background", "a", "b"),
        ]
    )
    assert code == 0
    assert open_prepared(tmp_path / "out").preparation.orientation is None
    assert (tmp_path / "out" / "splits.json").read_text() == folds


def test_damaged_cases_are_listed(tmp_path, capsys):
    raw = _folder(tmp_path / "raw")
    (raw / "i3.nii.gz").write_bytes(b"")
    arguments = ["prepare", "--data", str(raw), "--output"]
    assert main([*arguments, str(tmp_path / "a")]) == 2
    assert "i3.nii.gz" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "b"), "--on-error", "skip"]) == 0
    printed = capsys.readouterr().out
    assert "4 cases in" in printed and "left out: i3: " in printed


def test_a_run_on_prepared_volumes_labels_new_scans(tmp_path, capsys):
    raw, out = _folder(tmp_path / "raw"), tmp_path / "out"
    # One case cannot be prepared; the folds name it all the same.
    (raw / "i4.nii.gz").write_bytes(b"")
    prepare = ["prepare", "--data", str(raw), "--output", str(out)]
    assert (
        main([*prepare, "--spacing", "1", "1", "1", "--on-error", "skip"]) == 0
    )
    run = str(tmp_path / "run")
    train = [
        *("segment", "train", "--variant", "3d", "--output", run),
        *("--data", str(out), "--patch-shape", "8", "8", "8", "--width", "4"),
        *("--depth", "1", "--steps", "2", "--steps-per-epoch", "1"),
        *("--fold", "1"),
    ]
    assert main(train) == 0
    image = np.random.default_rng(0).normal(size=(7, 12, 9)).astype("float32")
    affine = np.array(
        [[0, 0, 1.5, 2], [-1.2, 0, 0, 3], [0, 0.9, 0, 4], [0, 0, 0, 1]]
    )
    write_nifti(image, affine, path=tmp_path / "new.nii.gz")
    predict = [
        *("segment", "predict", "--variant", "3d", "--output", run),
        *("--image", str(tmp_path / "new.nii.gz"), "--label"),
    ]
    target = tmp_path / "label.nii.gz"
    assert main([*predict, str(target)]) == 0
    assert str(target) in capsys.readouterr().out
    import nibabel

    label = nibabel.load(target)
    assert label.shape == (7, 12, 9) and label.get_data_dtype() == "uint8"
    np.testing.assert_allclose(label.affine, affine, atol=1e-6)
    assert main([*predict, str(tmp_path / "label.png")]) == 2
    assert "to be a .nii or .nii.gz file" in capsys.readouterr().err
    predict[3] = "2d"
    assert main([*predict, str(target)]) == 2
    assert "run `train --variant 2d` first" in capsys.readouterr().err
