import itertools
import logging

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage
from pydicom.uid import ExplicitVRLittleEndian

from keras_cakes.data import Case
from keras_cakes.data import DataError
from keras_cakes.data import read_scan
from keras_cakes.data import write_nifti
from keras_cakes.data.volumes.cases import read_case
from keras_cakes.data.volumes.lists.nih_pancreas import NIH_PANCREAS_CLASSES
from keras_cakes.data.volumes.lists.nih_pancreas import align_label
from keras_cakes.data.volumes.lists.nih_pancreas import read_nih_pancreas
from keras_cakes.data.volumes.reading.geometry import Grid
from keras_cakes.data.volumes.reading.geometry import transfer

SHAPE = (5, 6, 4)
# Columns to the left, rows to the front, slices downwards: as the labels of
# the release lie. The numbers are those of no patient.
AFFINE = np.array(
    [[-0.8, 0, 0, 70], [0, 0.8, 0, -90], [0, 0, -1.5, 30], [0, 0, 0, 1]]
)


def write_series(folder, seed=0):
    """Writes slices of `SHAPE` on `AFFINE`, in a study and a series."""
    place = folder / "11-24-2015-study" / "Pancreas-63502"
    place.mkdir(parents=True)
    shape = (SHAPE[2], SHAPE[1], SHAPE[0])
    values = np.random.default_rng(seed).integers(0, 2000, shape)
    for number, pixels in enumerate(values.astype("uint16")):
        position = (AFFINE @ [0, 0, number, 1])[:3] * (-1, -1, 1)
        item = Dataset()
        item.file_meta = FileMetaDataset()
        item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        item.file_meta.MediaStorageSOPClassUID = CTImageStorage
        item.file_meta.MediaStorageSOPInstanceUID = f"1.2.{seed}.{number}"
        item.SOPClassUID = CTImageStorage
        item.SOPInstanceUID = f"1.2.{seed}.{number}"
        item.SeriesInstanceUID = f"1.3.{seed}"
        item.Modality = "CT"
        item.ImageOrientationPatient = [1, 0, 0, 0, -1, 0]
        item.ImagePositionPatient = position.tolist()
        item.PixelSpacing = [0.8, 0.8]
        item.SliceThickness = 1.5
        item.Rows, item.Columns = pixels.shape
        item.BitsAllocated = item.BitsStored = 16
        item.HighBit = 15
        item.PixelRepresentation = 0
        item.SamplesPerPixel = 1
        item.PhotometricInterpretation = "MONOCHROME2"
        item.RescaleSlope, item.RescaleIntercept = 1, -1024
        item.PixelData = pixels.tobytes()
        item.save_as(
            place / f"1-{9 - number:03d}.dcm", enforce_file_format=True
        )


def write_label(path, codes="LAI", seed=0):
    """Writes a label on the grid of the series, its axes turned."""
    label = np.random.default_rng(seed).integers(0, 2, SHAPE).astype("uint8")
    grid = Grid(SHAPE, AFFINE)
    turned = grid.oriented(codes)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(
        transfer(label, grid, turned, is_label=True), turned.affine, path=path
    )
    return label


def _empty(folder, numbers=(1, 2), labels=(1, 2)):
    """Files of the names that count, without content."""
    for number in numbers:
        place = folder / "manifest" / f"PANCREAS_{number:04d}" / "a" / "b"
        place.mkdir(parents=True)
        (place / "1-001.dcm").touch()
    (folder / "TCIA_labels").mkdir(exist_ok=True)
    for number in labels:
        (folder / "TCIA_labels" / f"label{number:04d}.nii.gz").touch()
    return folder


def test_series_and_labels_are_paired_by_number(tmp_path):
    folder = _empty(tmp_path, (12, 3, 1), (1, 12))
    (folder / "TCIA_labels" / "label0003.nii").touch()
    # Neither is one of the data set.
    (folder / "TCIA_labels" / "._label0004.nii.gz").touch()
    (folder / "PANCREAS_5").mkdir()
    dataset = read_nih_pancreas(folder)
    assert dataset.name == "NIH Pancreas-CT"
    assert dataset.classes == NIH_PANCREAS_CLASSES
    assert [(c.name, c.image.name, c.label.name) for c in dataset.cases] == [
        ("PANCREAS_0001", "PANCREAS_0001", "label0001.nii.gz"),
        ("PANCREAS_0003", "PANCREAS_0003", "label0003.nii"),
        ("PANCREAS_0012", "PANCREAS_0012", "label0012.nii.gz"),
    ]


def test_both_releases(tmp_path, caplog):
    numbers = set(range(1, 83))
    first = _empty(tmp_path / "2016", numbers, numbers)
    assert len(read_nih_pancreas(first).cases) == 82
    present = _empty(tmp_path / "2020", numbers - {25, 70}, numbers)
    # As some tools leave the withdrawn series behind.
    (present / "manifest" / "PANCREAS_0025" / "a").mkdir(parents=True)
    with caplog.at_level(logging.INFO, "keras_cakes"):
        dataset = read_nih_pancreas(present)
    assert len(dataset.cases) == 80
    assert not {"PANCREAS_0025", "PANCREAS_0070"} & {
        case.name for case in dataset.cases
    }
    assert "25 is left out; it was withdrawn" in caplog.text
    assert "70 is left out; it was withdrawn" in caplog.text


def test_a_missing_partner_is_named(tmp_path):
    folder = _empty(tmp_path / "a", (1, 2), (2,))
    with pytest.raises(DataError, match="its label label0001.nii.gz is exp"):
        read_nih_pancreas(folder)
    folder = _empty(tmp_path / "b", (1,), (1, 33))
    with pytest.raises(DataError, match="label0033.*its series PANCREAS_0033"):
        read_nih_pancreas(folder)
    (folder / "manifest" / "PANCREAS_0033" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match="no such folder, or an empty one"):
        read_nih_pancreas(folder)


def test_a_number_that_is_there_twice(tmp_path):
    folder = _empty(tmp_path)
    (folder / "label0002.nii").touch()
    with pytest.raises(DataError, match="once. Received: number 2 as .*label"):
        read_nih_pancreas(folder)
    (folder / "label0002.nii").unlink()
    (folder / "old" / "PANCREAS_0001").mkdir(parents=True)
    (folder / "old" / "PANCREAS_0001" / "1.dcm").touch()
    with pytest.raises(DataError, match="number 1 as .*PANCREAS_0001 too"):
        read_nih_pancreas(folder)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="absent: a folder .*no such folder"):
        read_nih_pancreas(tmp_path / "absent")
    with pytest.raises(DataError, match="Received: 0 series, 0 labels"):
        read_nih_pancreas(tmp_path)
    with pytest.raises(DataError, match="Received: 2 series, 0 labels"):
        read_nih_pancreas(_empty(tmp_path, labels=()))


@pytest.mark.parametrize("codes", ["LAI", "LAS", "RAS", "LPS", "SLA"])
def test_labels_are_brought_onto_the_series(tmp_path, codes):
    write_series(tmp_path / "PANCREAS_0001")
    label = write_label(tmp_path / "labels" / "label0001.nii.gz", codes)
    [case] = read_nih_pancreas(tmp_path).cases
    scan = read_scan(case.image)
    assert scan.orientation == "LAI"
    aligned = align_label(case, tmp_path / "aligned" / "a.nii.gz")
    # Nothing is written where nothing moves.
    assert (aligned == case) == (codes == "LAI")
    assert (tmp_path / "aligned").exists() == (codes != "LAI")
    scan, found = read_case(aligned, NIH_PANCREAS_CLASSES)
    np.testing.assert_array_equal(found, label)
    assert scan.array.shape == (*SHAPE, 1)
    if codes != "LAI":
        with pytest.raises(DataError, match="is expected"):
            read_case(case, NIH_PANCREAS_CLASSES)


def _image(folder):
    values = np.random.default_rng(0).integers(0, 99, SHAPE).astype("int16")
    write_nifti(values, AFFINE, path=folder / "ct.nii.gz")
    return Case("a", folder / "ct.nii.gz", folder / "label.nii.gz")


def test_every_orientation_of_a_label(tmp_path):
    case = _image(tmp_path)
    for axes in itertools.permutations(["LR", "AP", "IS"]):
        for codes in itertools.product(*axes):
            label = write_label(case.label, "".join(codes))
            found = align_label(case, tmp_path / "aligned.nii.gz").label
            np.testing.assert_array_equal(read_scan(found).array, label)
            np.testing.assert_allclose(
                read_scan(found).affine, AFFINE, atol=1e-6
            )


def test_headers_that_are_rounded_are_the_same(tmp_path):
    case = _image(tmp_path)
    label = write_label(case.label, "RPS")
    turned = read_scan(case.label)
    off = turned.affine.copy()
    off[:3, 3] += 0.04
    write_nifti(turned.array, off, path=case.label)
    aligned = align_label(case, tmp_path / "aligned.nii.gz")
    _, found = read_case(aligned, NIH_PANCREAS_CLASSES)
    np.testing.assert_array_equal(found, label)


@pytest.mark.parametrize(
    "change",
    [
        # Other voxels, another place, another spacing, axes that are turned.
        lambda array, affine: (array[1:], affine),
        lambda array, affine: (array, affine + np.eye(4, k=3)),
        lambda array, affine: (array, affine @ np.diag([1, 1, 1.2, 1])),
        lambda array, affine: (
            array,
            np.block(
                [
                    [np.array([[0.8, -0.6], [0.6, 0.8]]), np.zeros((2, 2))],
                    [np.zeros((2, 2)), np.eye(2)],
                ]
            )
            @ affine,
        ),
        lambda array, affine: (array[..., None], affine),
    ],
)
def test_labels_of_other_voxels_are_refused(tmp_path, change):
    case = _image(tmp_path)
    label = write_label(case.label)
    write_nifti(*change(label, AFFINE), path=case.label)
    with pytest.raises(DataError, match="label.nii.gz: the voxels of its ima"):
        align_label(case, tmp_path / "aligned.nii.gz")
    assert not (tmp_path / "aligned.nii.gz").exists()


def test_an_origin_is_ignored_on_request_only(tmp_path):
    case = _image(tmp_path)
    label = write_label(case.label, "LAS")
    turned = read_scan(case.label)
    moved = turned.affine.copy()
    moved[:3, 3] = 0
    write_nifti(turned.array, moved, path=case.label)
    path = tmp_path / "aligned.nii.gz"
    with pytest.raises(DataError, match=r"Received: shape=\(5, 6, 4\), affine"):
        align_label(case, path)
    _, found = read_case(
        align_label(case, path, ignore_origin=True), NIH_PANCREAS_CLASSES
    )
    np.testing.assert_array_equal(found, label)
    write_nifti(turned.array[1:], moved, path=case.label)
    with pytest.raises(DataError, match="the voxels of its image"):
        align_label(case, path, ignore_origin=True)


def test_a_case_without_a_label(tmp_path):
    with pytest.raises(ValueError, match="`case` is expected to have a label"):
        align_label(Case("a", tmp_path, None), tmp_path / "b.nii.gz")
