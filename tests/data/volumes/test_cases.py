import gzip
import json
import tracemalloc

import nibabel
import numpy as np
import pytest

from keras_cakes.data import Case
from keras_cakes.data import DataError
from keras_cakes.data import load_case
from keras_cakes.data import read_fold
from keras_cakes.data import read_msd
from keras_cakes.data import save_label
from keras_cakes.data.volumes.synthetic.phantom import write_msd

CLASSES = ("background", "rising", "falling")


@pytest.fixture
def folder(tmp_path):
    write_msd(tmp_path / "msd", 6, shape=(16, 17, 18), seed=1)
    return tmp_path / "msd"


def _edit(folder, **changes):
    path = folder / "dataset.json"
    document = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps(document))


def _write(path, array, affine=None):
    affine = np.eye(4) if affine is None else affine
    nibabel.Nifti1Image(array, affine).to_filename(path)


def test_msd_folder(folder):
    dataset = read_msd(folder)
    assert dataset.name == "phantom"
    assert dataset.classes == CLASSES
    assert [case.name for case in dataset.cases][:2] == [
        "phantom_000",
        "phantom_001",
    ]
    volume = load_case(dataset.cases[0], dataset.classes)
    assert volume.image.shape == (16, 17, 18, 1)
    assert volume.image.dtype == np.float32
    assert volume.label.dtype == np.uint8
    assert abs(volume.image.mean()) < 1e-4
    assert volume.image.std() == pytest.approx(1.0, abs=1e-4)
    assert volume.source == dataset.cases[0].image


def test_scale_of_the_file_is_honoured_and_channels_are_kept(tmp_path):
    values = np.random.default_rng(0).integers(0, 9, (4, 5, 6, 2))
    image = nibabel.Nifti1Image(values.astype(np.int16), np.eye(4))
    image.header.set_slope_inter(2.0, -1000.0)
    image.to_filename(tmp_path / "a.nii.gz")
    volume = load_case(Case("a", tmp_path / "a.nii.gz", None), CLASSES)
    expected = values - values.mean(axis=(0, 1, 2))
    expected = expected / values.std(axis=(0, 1, 2))
    np.testing.assert_allclose(volume.image, expected, atol=1e-4)
    assert volume.label is None


def test_label_round_trip_on_the_original_grid(folder, tmp_path):
    affine = np.array(
        [[0.0, 2, 0, 5], [-1.5, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]]
    )
    image = np.random.default_rng(0).normal(size=(4, 5, 6))
    _write(tmp_path / "a.nii.gz", image, affine)
    volume = load_case(Case("a", tmp_path / "a.nii.gz", None), CLASSES)
    label = np.random.default_rng(1).integers(0, 3, (4, 5, 6))
    save_label(volume, label, path=tmp_path / "out.nii.gz")
    written = nibabel.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), label)
    np.testing.assert_array_equal(written.affine, affine)
    assert not list(tmp_path.glob(".*out*"))
    for bad, message in (
        (label[1:], r"of shape \(4, 5, 6\)"),
        (None, "label.shape=None"),
        (label - 1, "from -1 to 1"),
        (label + 254, "from 254 to 256"),
        (label / 2, "label.dtype=float64"),
    ):
        with pytest.raises(ValueError, match=message):
            save_label(volume, bad, path=tmp_path / "bad.nii.gz")
    assert not (tmp_path / "bad.nii.gz").exists()


def test_folds_without_splits_cover_every_case_once(folder):
    dataset = read_msd(folder)
    seen = []
    for fold in range(5):
        training, validation = read_fold(folder, dataset, fold=fold)
        assert len(training) + len(validation) == 6
        seen += [case.name for case in validation]
    assert sorted(seen) == [case.name for case in dataset.cases]


def test_folds_of_the_split_file(folder):
    dataset = read_msd(folder)
    splits = {"folds": {"0": ["phantom_003"], "1": ["absent"]}}
    (folder / "splits.json").write_text(json.dumps(splits))
    _, validation = read_fold(folder, dataset, fold=0)
    assert [case.name for case in validation] == ["phantom_003"]
    for fold in (1, 2):
        with pytest.raises(DataError, match="splits.json: a fold of"):
            read_fold(folder, dataset, fold=fold)
    for text in ("{}", "{", '{"folds": []}', "[" * 100_000):
        (folder / "splits.json").write_text(text)
        with pytest.raises(DataError, match="JSON with `folds`"):
            read_fold(folder, dataset, fold=0)


def test_missing_folder_and_list(tmp_path):
    with pytest.raises(DataError, match="absent: .*no such folder"):
        read_msd(tmp_path / "absent")
    with pytest.raises(DataError, match="dataset.json: .*holds nothing"):
        read_msd(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("[" * 100_000, "RecursionError|JSONDecodeError"),
        ("{}", "KeyError"),
        ('{"labels": {"a": "b"}, "training": []}', "ValueError"),
        ('{"labels": {"0": "b"}, "training": []}', "0 cases"),
        ('{"labels": {"0": "b"}, "training": [1]}', "TypeError"),
    ],
)
def test_damaged_list(tmp_path, text, message):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=message) as info:
        read_msd(tmp_path)
    assert "dataset.json" in str(info.value)


def test_list_and_files_disagree(folder):
    entries = json.loads((folder / "dataset.json").read_text())["training"]
    _edit(folder, labels={"0": "background", "2": "b"})
    with pytest.raises(DataError, match="labels numbered from 0"):
        read_msd(folder)
    _edit(folder, labels={"0": "background", "1": "b"})
    _edit(folder, training=entries[:1] * 2)
    with pytest.raises(DataError, match="each case is expected once"):
        read_msd(folder)
    outside = {**entries[0], "label": "../secret.nii.gz"}
    _edit(folder, training=[outside])
    with pytest.raises(DataError, match="inside the folder.*secret"):
        read_msd(folder)
    for path in ("a\0b", "a" * 5000):
        _edit(folder, training=[{**entries[0], "image": path}])
        with pytest.raises(DataError, match="dataset.json: .*image") as info:
            read_msd(folder)
        assert "Received" in str(info.value)
    (folder / "link").symlink_to(folder.parent)
    _edit(folder, training=[{**entries[0], "image": "link/secret"}])
    with pytest.raises(DataError, match="inside the folder.*secret"):
        read_msd(folder)
    (folder / entries[0]["label"]).unlink()
    _edit(folder, training=entries)
    with pytest.raises(DataError, match="labelsTr.*the label that"):
        read_msd(folder)
    (folder / entries[0]["image"]).unlink()
    with pytest.raises(DataError, match="imagesTr.*the image that"):
        read_msd(folder)


def test_damaged_cases(tmp_path):
    image, label = tmp_path / "image.nii.gz", tmp_path / "label.nii.gz"
    case = Case("a", image, label)
    good = np.random.default_rng(0).normal(size=(6, 7, 8)).astype("float32")
    truth = np.zeros((6, 7, 8), "uint8")

    def check(message, path=image):
        with pytest.raises(DataError, match=message) as info:
            load_case(case, CLASSES)
        assert str(info.value).startswith(str(path))
        assert "expected" in str(info.value)
        assert "Received" in str(info.value)

    _write(label, truth)
    image.write_bytes(b"not an image")
    check("complete NIfTI file")
    image.write_bytes(gzip.compress(b"x" * 5000))
    check("complete NIfTI file")
    _write(image, good)
    image.write_bytes(image.read_bytes()[:-200])
    check("complete NIfTI file")
    _write(image, good[0])
    check("3D volume")
    _write(image, np.full_like(good, np.nan))
    check("336 of 336 NaN")
    _write(image, np.full_like(good, 4.0))
    check("constant channel, value 4.0")
    _write(image, good * np.float64(1e300))
    check("336 of 336 NaN or infinite")
    _write(image, good.astype("complex64"))
    check("real numbers are expected. Received: dtype=complex64")
    _write(image, np.zeros((6, 7, 8), [(c, "u1") for c in "RGB"]))
    check("real numbers are expected")
    flat = np.eye(4)
    flat[:2, 1] = 1, 0
    _write(image, good, flat)
    check("finite, invertible affine")
    nibabel.MGHImage(good, np.eye(4)).to_filename(tmp_path / "image.mgz")
    with pytest.raises(DataError, match="a NIfTI file .* MGHImage"):
        load_case(Case("a", tmp_path / "image.mgz", None), CLASSES)
    _write(image, good)
    _write(label, truth[1:])
    check("on the grid of its image", label)
    _write(label, truth, np.diag([2.0, 1, 1, 1]))
    check("the affine of its image", label)
    for value in (3, 0.5, np.nan):
        _write(label, np.full((6, 7, 8), value, "float32"))
        check(r"the labels \[0, 1, 2\]", label)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_memory_does_not_follow_the_header(tmp_path, ending):
    path = tmp_path / f"image{ending}"
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 40))
    _write(tmp_path / "a.nii", noise.astype("uint8"))
    content = bytearray((tmp_path / "a.nii").read_bytes())
    # 200 MB are claimed, few enough to be likely, 64 kB are there.
    content[42:48] = np.array([1000, 1000, 25], "<i2").tobytes()
    content[70:74] = np.array([64, 64], "<i2").tobytes()
    path.write_bytes(gzip.compress(content) if ending[4:] else content)
    tracemalloc.start()
    with pytest.raises(DataError, match="header 200000352 bytes,.* 64352 byte"):
        load_case(Case("a", path, None), CLASSES)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_normalizing_a_great_offset_keeps_memory_small(tmp_path):
    path = tmp_path / "image.nii.gz"
    values = np.random.default_rng(0).normal(3e5, 10.0, (64, 64, 64))
    _write(path, values.astype("float32"))
    load_case(Case("a", path, None), CLASSES)
    tracemalloc.start()
    image = load_case(Case("a", path, None), CLASSES).image
    assert tracemalloc.get_traced_memory()[1] < 3.5 * image.nbytes
    tracemalloc.stop()
    assert abs(image.mean(dtype=np.float64)) < 1e-4
    assert image.std(dtype=np.float64) == pytest.approx(1.0, abs=1e-4)


def test_labels_that_do_not_fit_their_type_are_refused(tmp_path):
    label = np.zeros((6, 7, 8), "int16")
    label[0, 0, 0] = 257
    _write(tmp_path / "a.nii.gz", np.arange(336.0).reshape(6, 7, 8))
    _write(tmp_path / "b.nii.gz", label)
    case = Case("a", tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    with pytest.raises(DataError, match=r"b.nii.gz: .* Received: \[257\]"):
        load_case(case, tuple(map(str, range(300))))


def test_a_volume_of_too_many_axes(tmp_path):
    path = tmp_path / "image.nii.gz"
    _write(path, np.zeros((4, 4, 4, 2, 2), "uint8"))
    with pytest.raises(DataError, match="3D volume, or 4D.*4, 4, 4, 2, 2"):
        load_case(Case("a", path, None), CLASSES)


def test_an_image_of_two_files_is_refused(tmp_path):
    pair = nibabel.Nifti1Pair(np.arange(64.0).reshape(4, 4, 4), np.eye(4))
    pair.to_filename(tmp_path / "image.img")
    with pytest.raises(DataError, match="a NIfTI file .* Nifti1Pair"):
        load_case(Case("a", tmp_path / "image.img", None), CLASSES)


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "background", "1": "a", "2": "a"},
        {"0": "background", "1": "a", "01": "b"},
    ],
)
def test_labels_that_share_a_name_or_a_number(folder, labels):
    _edit(folder, labels=labels)
    with pytest.raises(DataError, match="each label.*of its own. Received"):
        read_msd(folder)


def test_folds_that_list_something_else(folder):
    splits = {"folds": {"0": ["phantom_000", 3, "absent"]}}
    (folder / "splits.json").write_text(json.dumps(splits))
    with pytest.raises(DataError, match=r"unknown cases \['3', 'absent'\]"):
        read_fold(folder, read_msd(folder), fold=0)


def test_a_lying_header_is_refused_before_it_is_believed(tmp_path):
    path = tmp_path / "image.nii"
    _write(path, np.zeros((4, 4, 4), "uint8"))
    content = bytearray(path.read_bytes())
    content[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    path.write_bytes(content)
    with pytest.raises(DataError, match="header whose size fits the file"):
        load_case(Case("a", path, None), CLASSES)


@pytest.mark.parametrize(
    ("offset", "value", "kind"),
    [
        (70, 4612, "<i2"),  # No such data type.
        (108, -1408.0, "<f4"),  # Voxels before the end of the header.
        (108, 1e30, "<f4"),  # Voxels far behind the end of the file.
        (42, -3, "<i2"),  # A negative size.
    ],
)
def test_damaged_header(tmp_path, offset, value, kind):
    path = tmp_path / "image.nii"
    _write(path, np.zeros((4, 4, 4), "uint8"))
    content = bytearray(path.read_bytes())
    damage = np.array([value], kind).tobytes()
    content[offset : offset + len(damage)] = damage
    path.write_bytes(content)
    with pytest.raises(DataError, match="image.nii: .*expected. Received: "):
        load_case(Case("a", path, None), CLASSES)


def test_voxels_that_fail_the_checksum_are_refused(tmp_path):
    path = tmp_path / "image.nii.gz"
    values = np.random.default_rng(0).integers(0, 9, (30, 30, 30))
    _write(path, values.astype("uint8"))
    content = bytearray(path.read_bytes())
    # Every voxel can be decoded; only the sum at the end disagrees.
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="complete NIfTI file.*CRC"):
        load_case(Case("a", path, None), CLASSES)


def test_a_label_of_another_grid_is_not_read(tmp_path):
    _write(tmp_path / "a.nii.gz", np.ones((4, 4, 4), "uint8"))
    path = tmp_path / "b.nii.gz"
    _write(path, np.zeros((64, 64, 9), "uint8"))
    # Only the header is left; reading voxels would complain about that.
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:400]))
    path.write_bytes(path.read_bytes() + bytes(100))
    with pytest.raises(DataError, match=r"b.nii.gz.*shape=\(64, 64, 9\)"):
        load_case(Case("a", tmp_path / "a.nii.gz", path), CLASSES)


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("dataset_as_found.json", "no such file"),
        ("dataset_shape_mismatch.json", "label.*on the grid of its image"),
        ("dataset_wrong_organ.json", "281.*on the grid of its image"),
        ("dataset_not_nifti.json", "DS_Store.*complete NIfTI"),
    ],
)
def test_real_bad_files(real_data, listing, message):
    with pytest.raises(DataError, match=message):
        dataset = read_msd(real_data / "bad", listing)
        for case in dataset.cases:
            load_case(case, dataset.classes)


def test_real_cases(real_data, tmp_path):
    folder = real_data / "Task04_Hippocampus"
    dataset = read_msd(folder)
    training, validation = read_fold(folder, dataset, fold=0)
    assert (len(training), len(validation)) == (160, 40)
    # One float32 label, one uint8 image, one of large numbers.
    chosen = [case for case in dataset.cases if case.name.endswith("243")]
    for fold in range(5):
        # The rule without a list is that of the list.
        expected = read_fold(folder, dataset, fold=fold)
        assert read_fold(tmp_path, dataset, fold=fold) == expected
    for case in [*chosen, *dataset.cases[:5]]:
        volume = load_case(case, dataset.classes)
        assert set(np.unique(volume.label)) == {0, 1, 2}
        assert volume.label.shape == volume.image.shape[:3]
