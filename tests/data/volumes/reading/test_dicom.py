import builtins
import dataclasses
import os
import time
import tracemalloc

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.filewriter import write_file_meta_info
from pydicom.pixels import apply_rescale
from pydicom.uid import MPEG2MPML
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pydicom.uid import ExplicitVRBigEndian
from pydicom.uid import JPEG2000Lossless
from pydicom.uid import RLELossless

from keras_cakes.data import DataError
from keras_cakes.data.volumes.reading.dicom import list_series
from keras_cakes.data.volumes.reading.dicom import read_dicom
from keras_cakes.data.volumes.reading.dicom import read_dicom_grid
from keras_cakes.data.volumes.reading.nifti import read_nifti
from keras_cakes.data.volumes.reading.nifti import write_nifti
from keras_cakes.data.volumes.reading.read_scan import read_scan
from tests.data.volumes.reading.dicom_files import AXIAL
from tests.data.volumes.reading.dicom_files import CORONAL
from tests.data.volumes.reading.dicom_files import SAGITTAL
from tests.data.volumes.reading.dicom_files import SERIES
from tests.data.volumes.reading.dicom_files import item
from tests.data.volumes.reading.dicom_files import positions
from tests.data.volumes.reading.dicom_files import write_enhanced
from tests.data.volumes.reading.dicom_files import write_series
from tests.data.volumes.reading.dicom_files import write_slice

# What a message says, and the elements of one slice that lead to it.
MISFITS = [
    ("ImagePositionPatient of 3 finite nu", {"ImagePositionPatient": None}),
    ("ImageOrientationPatient of 6", {"ImageOrientationPatient": None}),
    ("PixelSpacing of 2 finite numbers", {"PixelSpacing": None}),
    ("PixelSpacing of 2 finite numbers", {"PixelSpacing": "1"}),
    ("PixelSpacing above 0", {"PixelSpacing": [0, 1]}),
    ("the PixelSpacing of", {"PixelSpacing": [2, 1]}),
    ("3 finite numbers", {"ImagePositionPatient": [0, 0, "1e300"]}),
    ("two perpendicular", {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}),
    ("the ImageOrientationPa", {"ImageOrientationPatient": list(CORONAL)}),
    ("[6, 5], is expected. Received: [10, 3]", {"Rows": 3, "Columns": 10}),
    ("Rows of 1 finite number is expected", {"Rows": None}),
    ("BitsAllocated of 1 finite number", {"BitsAllocated": None}),
    ("complete, readable DICOM data", {"PixelData": None}),
    ("complete, readable DICOM data", {"PixelRepresentation": None}),
    ("=PALETTE COLOR", {"PhotometricInterpretation": "PALETTE COLOR"}),
    ("grey pixels", {"PhotometricInterpretation": "RGB"}),
    ("RescaleSlope of 1 finite number", {"RescaleIntercept": "-1024"}),
    ("RescaleIntercept of 1 finite number", {"RescaleSlope": "2"}),
    ("other than 0", {"RescaleSlope": "0", "RescaleIntercept": "0"}),
]


def _volume(slices=4, rows=5, columns=6, dtype="int16"):
    size = slices * rows * columns
    return np.arange(size, dtype=dtype).reshape(slices, rows, columns)


def _edit(path, **elements):
    dataset = pydicom.dcmread(path)
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)


def _check(path, *messages, read=read_dicom, **arguments):
    """Reading is refused, soon, with a message that holds all of these."""
    begin = time.monotonic()
    tracemalloc.start()
    with pytest.raises(DataError) as info:
        read(path, **arguments)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
    assert time.monotonic() - begin < 5
    for message in (*messages, "expected", "Received"):
        assert message in str(info.value)
    return str(info.value)


def test_slices_are_ordered_by_position(tmp_path):
    volume = _volume(12)
    names = [f"{index}" for index in range(1, 13)]
    files = write_series(tmp_path, volume, names=names, distance=2.5)
    assert sorted(names) != names
    [series] = list_series(tmp_path)
    assert (series.uid, series.description) == (SERIES, "Thorax")
    assert (series.modality, series.files) == ("CT", tuple(files))
    with pytest.raises(dataclasses.FrozenInstanceError):
        series.uid = ""
    scan = read_dicom(tmp_path)
    np.testing.assert_array_equal(scan.array, volume.transpose(2, 1, 0))
    assert scan.array.dtype == np.int16
    assert scan.spacing == (1.0, 1.0, 2.5)
    assert scan.source == tmp_path
    shape, affine = read_dicom_grid(tmp_path)
    assert shape == scan.array.shape
    np.testing.assert_array_equal(affine, scan.affine)
    np.testing.assert_array_equal(read_scan(tmp_path).array, scan.array)


@pytest.mark.parametrize(
    ("orientation", "codes", "linear"),
    [
        (AXIAL, "LPS", [[-2, 0, 0], [0, -3, 0], [0, 0, 5]]),
        (CORONAL, "LIP", [[-2, 0, 0], [0, 0, -5], [0, -3, 0]]),
        (SAGITTAL, "PIR", [[0, 0, 5], [-2, 0, 0], [0, -3, 0]]),
    ],
)
def test_affines_worked_out_by_hand(tmp_path, orientation, codes, linear):
    # Rows lie 3 mm apart, columns 2 mm, slices 5 mm.
    write_series(tmp_path, _volume(), orientation, (3, 2), 5, (10, 20, 30))
    scan = read_dicom(tmp_path)
    assert scan.orientation == codes
    expected = np.eye(4)
    expected[:3, :3] = linear
    expected[:3, 3] = -10, -20, 30
    np.testing.assert_array_equal(scan.affine, expected)
    assert np.linalg.det(scan.affine) > 0


@pytest.mark.filterwarnings("ignore:The DICOM readers are highly")
def test_oblique_affine_is_that_of_nibabel(tmp_path):
    from nibabel.nicom.dicomwrappers import wrapper_from_file

    turn = np.deg2rad(20)
    orientation = (np.cos(turn), np.sin(turn), 0, 0, 0, -1)
    first, *_ = write_series(
        tmp_path, _volume(), orientation, (3, 2), 1.5, (-7, 8, 9)
    )
    wrapper = wrapper_from_file(first)
    # nibabel's axes are (row, column) in a world of left and posterior.
    expected = np.diag([-1, -1, 1, 1]) @ wrapper.affine[:, [1, 0, 2, 3]]
    affine = read_dicom(tmp_path).affine
    np.testing.assert_allclose(affine[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    # Its axes, too, are right-handed: with two swapped, the third turns round.
    normal = -expected[:3, 2] / np.linalg.norm(expected[:3, 2])
    np.testing.assert_allclose(affine[:3, 2], 1.5 * normal, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_voxels_lie_where_their_slices_say(tmp_path_factory, data):
    numbers = st.floats(-1, 1).map(lambda x: round(x, 3))
    quaternion = np.array([data.draw(numbers) for _ in range(4)])
    if np.linalg.norm(quaternion) < 0.1:
        quaternion = np.array([1.0, 0, 0, 0])
    rotation = nibabel.quaternions.quat2mat(quaternion)
    spacing = [data.draw(st.floats(0.2, 4)) for _ in range(2)]
    distance = data.draw(st.floats(0.3, 9))
    origin = [data.draw(st.floats(-500, 500)) for _ in range(3)]
    # A tilted gantry: slices are shifted against each other.
    tilt = np.array(data.draw(st.sampled_from([(0, 0, 0), (0.3, -0.1, 0)])))
    volume = _volume(data.draw(st.integers(2, 5)), 3, 4)
    names = data.draw(st.permutations([f"{k}" for k in range(len(volume))]))
    folder = tmp_path_factory.mktemp("series")
    steps = np.arange(len(volume))[:, None] * (rotation[2] + rotation.T @ tilt)
    places = np.array(origin) + distance * steps
    orientation = (*rotation[0], *rotation[1])
    for name, pixels, place in zip(names, volume, places, strict=True):
        write_slice(folder / name, pixels, place, orientation, spacing)
    scan = read_dicom(folder)
    for i, j, k in np.ndindex(scan.array.shape):
        slice_, row, column = np.unravel_index(scan.array[i, j, k], (9, 3, 4))
        left_posterior_superior = (
            places[slice_]
            + column * spacing[1] * rotation[0]
            + row * spacing[0] * rotation[1]
        )
        world = scan.affine @ [i, j, k, 1]
        np.testing.assert_allclose(
            world[:3], left_posterior_superior * [-1, -1, 1], atol=1e-5
        )


def test_real_series_equals_its_nifti_copy(real_data, tmp_path):
    folder = real_data / "dicom_hcrop"
    [series] = list_series(folder)
    names = [path.name for path in series.files]
    assert names == [f"{number}.dcm" for number in range(1, 33)]
    assert sorted(names) != names
    assert (series.modality, series.description) == ("MR", "HippoCrop")
    scan = read_dicom(folder)
    assert (scan.array.shape, scan.array.dtype) == ((35, 51, 32), np.int16)
    assert (scan.array.min(), scan.array.max()) == (2, 154)
    assert (scan.orientation, scan.spacing) == ("LPS", (1.0, 1.0, 1.0))
    for index, path in enumerate(series.files):
        pixels = pydicom.dcmread(path).pixel_array
        np.testing.assert_array_equal(scan.array[:, :, index], pixels.T)
    write_nifti(scan.array, scan.affine, path=tmp_path / "a.nii.gz")
    copy = read_nifti(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(copy.array, scan.array)
    assert copy.array.dtype == scan.array.dtype
    np.testing.assert_array_equal(copy.affine, scan.affine)


def test_values_are_those_of_pydicom():
    for name in (
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
    ):
        path = get_testdata_file(name)
        dataset = pydicom.dcmread(path)
        expected = apply_rescale(dataset.pixel_array, dataset)
        scan = read_dicom(path)
        np.testing.assert_array_equal(scan.array[:, :, 0], expected.T)
        assert scan.array.dtype == np.dtype("int16")
        assert scan.spacing[2] == dataset.SliceThickness


def test_compressed_slices_and_deflated_files(tmp_path):
    volume = _volume()
    for path in write_series(tmp_path / "rle", volume):
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    for path in write_series(tmp_path / "deflated", volume):
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
        dataset.save_as(path)
    for name in ("rle", "deflated"):
        array = read_dicom(tmp_path / name).array
        np.testing.assert_array_equal(array, volume.transpose(2, 1, 0))


def test_type_follows_the_scale(tmp_path):
    for stored, slope, intercept, kind in (
        ("uint16", 1, -1024, "int16"),
        ("int16", 2, 3, "int16"),
        ("int16", 1, 32700, "float32"),
        ("int16", 0.5, 0, "float32"),
        ("uint16", 1, 0, "uint16"),
        ("uint16", None, None, "uint16"),
        ("uint8", None, None, "uint8"),
    ):
        volume = _volume(dtype=stored)
        write_series(
            tmp_path, volume, RescaleSlope=slope, RescaleIntercept=intercept
        )
        array = read_dicom(tmp_path).array
        assert array.dtype == kind
        expected = volume.astype(float)
        if slope is not None:
            expected = expected * slope + intercept
        np.testing.assert_array_equal(array, expected.transpose(2, 1, 0))


def test_each_slice_has_its_own_scale(tmp_path):
    volume = _volume(3)
    for index, path in enumerate(write_series(tmp_path, volume)):
        _edit(path, RescaleSlope=f"{index + 0.25}", RescaleIntercept="1")
    array = read_dicom(tmp_path).array
    slopes = np.array([0.25, 1.25, 2.25])[:, None, None]
    expected = (volume * slopes + 1).transpose(2, 1, 0)
    np.testing.assert_array_equal(array, expected.astype("float32"))


def test_lookup_tables_and_inverted_greys(tmp_path):
    volume = _volume(2, 2, 3, "uint16")
    table = item(LUTDescriptor=[12, 0, 16], LUTData=list(range(100, 112)))
    table[0].ModalityLUTType = "HU"
    table[0]["LUTDescriptor"].VR = table[0]["LUTData"].VR = "US"
    write_series(
        tmp_path,
        volume,
        ModalityLUTSequence=table,
        PhotometricInterpretation="MONOCHROME1",
    )
    array = read_dicom(tmp_path).array
    np.testing.assert_array_equal(array, volume.transpose(2, 1, 0) + 100)


def test_frames_with_functional_groups(tmp_path):
    volume = _volume(3, dtype="uint16")
    places = positions(3, distance=2.0)[[2, 0, 1]]
    path = write_enhanced(tmp_path / "a", volume, places, [1, 2, 3])
    scan = read_dicom(path)
    expected = volume * np.array([1.0, 2, 3])[:, None, None] - 1024
    np.testing.assert_array_equal(
        scan.array, expected[[1, 2, 0]].transpose(2, 1, 0)
    )
    assert scan.spacing == (0.75, 0.5, 2.0)
    assert list_series(tmp_path)[0].files == (path,)
    write_enhanced(path, volume, places[[0, 0, 1]])
    _check(tmp_path, "a, frame 1 lies there too")
    write_enhanced(path, volume, places, NumberOfFrames=2)
    _check(path, "a functional group for each of 2 frames", "3 groups")
    _edit(path, PerFrameFunctionalGroupsSequence=None)
    _check(path, "one frame, or a functional group for each")
    _edit(path, NumberOfFrames=[2, 3])
    _check(path, "NumberOfFrames of 1 finite number is expected")


def test_mixed_folders(tmp_path):
    inner = tmp_path / "inner" / "one"
    write_series(inner, _volume(3), names=["c.jpg", "b", "a.txt"])
    write_series(
        tmp_path,
        _volume(2),
        names=["z", "y"],
        SeriesInstanceUID="1.2.3",
        SeriesDescription=None,
        Modality="MR",
    )
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / ".marker").touch()
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "inner" / "itself").symlink_to("itself")
    os.mkfifo(tmp_path / "pipe")
    report = get_testdata_file("test-SR.dcm")
    (tmp_path / "report.dcm").symlink_to(report)
    first, second = list_series(tmp_path)
    assert [path.name for path in first.files] == ["c.jpg", "b", "a.txt"]
    assert (second.uid, second.description) == ("1.2.3", "")
    assert read_dicom(tmp_path, SERIES).array.shape == (6, 5, 3)
    assert read_dicom(tmp_path, series="1.2.3").array.shape == (6, 5, 2)
    assert read_dicom_grid(tmp_path, "1.2.3")[0] == (6, 5, 2)
    listed = f"{SERIES} (Thorax, 3 files), 1.2.3 (no name, 2 files)"
    _check(tmp_path, listed, "Received: series=None")
    _check(tmp_path, listed, "Received: series=1.2", series="1.2")


def test_folders_without_images(tmp_path, monkeypatch):
    _check(tmp_path / "absent", "absent: a folder or a file")
    _check(tmp_path, "a DICOM image", "none in 0 files")
    (tmp_path / "notes.txt").write_text("no DICOM")
    _check(tmp_path, "a DICOM image", "none in 1 files", read=list_series)
    _check(tmp_path / "notes.txt", "notes.txt: a DICOM image")
    _check(get_testdata_file("test-SR.dcm"), "test-SR.dcm: a DICOM image")
    (tmp_path / "itself").symlink_to("itself")
    _check(tmp_path / "itself", "itself: a folder or a file")

    def refuse(folder, onerror):
        onerror(PermissionError(13, "Permission denied", str(folder)))
        return iter(())

    monkeypatch.setattr(os, "walk", refuse)
    _check(tmp_path, "PermissionError", "Permission denied")


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    files = write_series(tmp_path, _volume())
    opened = builtins.open

    def refuse(path, *arguments, **kwargs):
        if os.fspath(path) == os.fspath(files[2]):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", refuse)
        message = _check(tmp_path, "PermissionError")
        assert message.startswith(str(files[2]))
    files[1].write_bytes(b"")
    message = _check(tmp_path, "an empty file", read=list_series)
    assert message.startswith(str(files[1]))


def test_files_cut_short(tmp_path):
    files = write_series(tmp_path, _volume(rows=30, columns=40))
    content = files[3].read_bytes()
    # From the preamble over the header to the last pixel.
    for size in (132, 140, 300, 500, 700, 1000, len(content) - 2):
        files[3].write_bytes(content[:size])
        message = _check(tmp_path)
        assert message.startswith(str(files[3]))
    _check(tmp_path, "The number of bytes of pixel data is less")
    files[3].write_bytes(content[:-1000])
    _check(tmp_path, "header fits its", read=read_dicom_grid)
    damaged = bytearray(content)
    damaged[600:900] = b"\xff" * 300
    files[3].write_bytes(damaged)
    assert _check(tmp_path).startswith(str(files[3]))


@pytest.mark.filterwarnings("ignore:::pydicom")
def test_damaged_bytes_raise_nothing_else(tmp_path):
    table = item(LUTDescriptor=[9, 0, 16], LUTData=list(range(9)))
    table[0]["LUTDescriptor"].VR = table[0]["LUTData"].VR = "US"
    single = write_slice(
        tmp_path / "a", _volume()[0], ModalityLUTSequence=table
    )
    several = write_enhanced(tmp_path / "b", _volume(), positions(4))
    generator = np.random.default_rng(0)
    refused = 0
    for path in (single, several):
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(50):
            damaged = content.copy()
            places = generator.integers(132, len(content), 5)
            damaged[places] = generator.integers(0, 256, 5)
            path.write_bytes(damaged.tobytes())
            for read in (read_dicom, read_dicom_grid, list_series):
                try:
                    read(path)
                except DataError as error:
                    refused += 1
                    assert str(path) in str(error)
    assert refused > 100


def test_a_number_that_is_a_word(tmp_path):
    path = write_slice(tmp_path / "a", _volume()[0])
    dataset = pydicom.dcmread(path)
    dataset.add_new("Rows", "LO", "many")
    dataset.save_as(path)
    _check(path, "a: Rows of 1 finite number", "Received: Rows=many")


def test_headers_that_claim_too_much(tmp_path):
    path = write_slice(tmp_path / "a.dcm", _volume()[0])
    _edit(path, Rows=65535, Columns=65535)
    _check(tmp_path, "a.dcm: a complete file", "Rows=65535, Columns=65535")
    _edit(path, Rows=0)
    _check(tmp_path, "a.dcm: a complete file", "Rows=0")
    path = write_slice(tmp_path / "a.dcm", _volume()[0])
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(path)
    _check(tmp_path, "a.dcm: a complete file", "Rows=65535")


@pytest.mark.filterwarnings("ignore:::pydicom")
def test_wrong_transfer_syntax(tmp_path):
    path = write_series(tmp_path, _volume())[2]
    meta = pydicom.dcmread(path).file_meta
    body = path.read_bytes()[144 + meta.FileMetaInformationGroupLength :]
    for syntax, message in (
        (ExplicitVRBigEndian, "no SeriesInstanceUID"),
        (RLELossless, "complete, readable DICOM"),
        (JPEG2000Lossless, "complete, readable DICOM"),
        (MPEG2MPML, "complete, readable DICOM"),
        (DeflatedExplicitVRLittleEndian, "decompressing"),
        ("1.2.3", "a known transfer syntax is expected. Received: Transfer"),
        ("", "a known transfer syntax is expected. Received: Transfer"),
    ):
        meta.TransferSyntaxUID = syntax
        with open(path, "wb") as file:
            file.write(bytes(128) + b"DICM")
            write_file_meta_info(file, meta, enforce_standard=False)
            file.write(body)
        assert _check(tmp_path, message).startswith(str(path))


def test_slices_that_do_not_fit(tmp_path):
    for number, (message, elements) in enumerate(MISFITS):
        folder = tmp_path / str(number)
        files = write_series(folder, _volume())
        _edit(files[2], **elements)
        text = _check(folder, message)
        assert "2.dcm" in text
        assert text.startswith(str(folder))
        # A list is made all the same, by position or else by name.
        [series] = list_series(folder)
        assert sorted(series.files) == files


def test_colours_of_real_files_are_refused():
    for name in ("examples_palette.dcm", "examples_rgb_color.dcm"):
        _check(get_testdata_file(name), f"{name}: grey pixels")


def test_two_slices_at_one_place(tmp_path):
    files = write_series(tmp_path, _volume())
    _edit(files[2], ImagePositionPatient=[0, 0, 1])
    text = _check(tmp_path, "2.dcm: one slice in each plane")
    assert "1.dcm lies there too" in text
    assert "[0.0, 0.0, 1.0]" in text
    # Side by side, as tiles.
    for index, path in enumerate(files):
        _edit(path, ImagePositionPatient=[index, 0, 0])
    _check(tmp_path, "one slice in each plane")


@pytest.mark.parametrize("missing", [1, 3, 5])
def test_a_missing_slice(tmp_path, missing):
    files = write_series(tmp_path, _volume(7), distance=2.5)
    files[missing].unlink()
    text = _check(tmp_path, "here of 2.5 mm", "Received: 5 mm from")
    assert text.startswith(f"{files[missing + 1]}: slices in even steps")
    assert f"from {files[missing - 1]}, a step of [0.0, 0.0, 5.0]" in text


def test_uneven_steps(tmp_path):
    files = write_series(tmp_path, _volume(3))
    files[2].unlink()
    write_slice(files[2], _volume()[0], (0, 0, 3))
    _check(tmp_path, "here of 1 mm", f"Received: 2 mm from {files[1]}")
    # Aside, within its plane.
    write_slice(files[2], _volume()[0], (0.5, 0, 2))
    _check(tmp_path, "2.dcm: slices in even steps", "[0.5, 0.0, 1.0]")
    # Small differences that add up.
    for index in range(30):
        place = 1.01 * min(index, 15) + 0.99 * max(index - 15, 0)
        write_slice(tmp_path / f"{index}.dcm", _volume()[0], (0, 0, place))
    _check(tmp_path, "slices in even steps")
    # Rounded to a hundredth of a millimetre.
    for index in range(30):
        place = round(0.625 * index, 2)
        write_slice(tmp_path / f"{index}.dcm", _volume()[0], (0, 0, place))
    assert read_dicom(tmp_path).spacing[2] == pytest.approx(0.625, abs=1e-3)


def test_a_single_slice_needs_its_thickness(tmp_path):
    path = write_slice(tmp_path / "a", _volume()[0], SliceThickness=3)
    assert read_dicom(path).spacing == (1.0, 1.0, 3.0)
    _edit(path, SpacingBetweenSlices=-4)
    assert read_dicom(path).spacing == (1.0, 1.0, 4.0)
    _edit(path, SpacingBetweenSlices=None, SliceThickness=None)
    _check(path, "SliceThickness of 1 finite number")
    _edit(path, SliceThickness=0)
    _check(path, "invertible affine")
    _check(path, "invertible affine", read=read_dicom_grid)


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    imported = builtins.__import__

    def without_pydicom(name, *arguments, **kwargs):
        if name == "pydicom":
            raise ImportError(name)
        return imported(name, *arguments, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pydicom)
    with pytest.raises(ImportError, match=r"keras-cakes\[dicom\]"):
        read_dicom(tmp_path)
