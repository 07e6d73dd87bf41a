import json

import pytest

from keras_cakes.data import DataError
from keras_cakes.data import read_dataset
from tests.data.volumes.preparing.test_prepare import _dataset


def test_a_list_beside_that_of_the_folder(tmp_path):
    dataset = _dataset(tmp_path, 2)
    document = {
        "labels": {"0": "background", "1": "a", "2": "b"},
        "training": [{"image": "i0.nii.gz", "label": "l0.nii.gz"}],
    }
    for name in ("dataset.json", "other.json"):
        (tmp_path / name).write_text(json.dumps(document))
    for path in (tmp_path, tmp_path / "other.json"):
        read = read_dataset(path)
        assert [case.image for case in read.cases] == [dataset.cases[0].image]


def test_a_table(tmp_path):
    _dataset(tmp_path, 1)
    (tmp_path / "cases.csv").write_text("image,label\ni0.nii.gz,l0.nii.gz\n")
    read = read_dataset(tmp_path / "cases.csv", ("background", "a", "b"))
    assert read.classes == ("background", "a", "b")
    with pytest.raises(ValueError, match="`classes` .* for nothing else"):
        read_dataset(tmp_path, ("background", "a"))


def test_nothing_that_is_known(tmp_path):
    with pytest.raises(DataError, match="nowhere: a folder of volumes, or"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="dataset.json: the list of an MSD"):
        read_dataset(tmp_path)


def test_a_folder_of_dicom_series_and_labels(tmp_path):
    (tmp_path / "label0001.nii.gz").write_bytes(b"")
    with pytest.raises(DataError, match="PANCREAS_|0001"):
        read_dataset(tmp_path)
