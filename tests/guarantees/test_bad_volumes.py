"""Damaged cases, each made from a good one: a clear error, soon, and small."""

import dataclasses
import gzip
import os
import struct
import time
import tracemalloc

import nibabel
import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless

from keras_cakes.data import Case
from keras_cakes.data import DataError
from keras_cakes.data import VolumeDataset
from keras_cakes.data import prepare
from keras_cakes.data.volumes.cases import read_case
from tests.data.volumes.reading.dicom_files import write_series

CLASSES = ("background", "organ")
AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])
SHAPE = (6, 7, 8)
VOLUME = np.arange(336, dtype="int16").reshape(SHAPE)
LABEL = (VOLUME % 5 == 0).astype("uint8")


def _save(path, array, affine=AFFINE, kind=nibabel.Nifti1Image, **header):
    image = kind(array, affine)
    for name, value in header.items():
        image.header[name] = value
    image.to_filename(path)


def _raw(path, change):
    """Rewrites the bytes of a file, unpacked where it is packed."""
    is_packed = path.suffix == ".gz"
    content = path.read_bytes()
    content = bytearray(gzip.decompress(content) if is_packed else content)
    content = bytes(change(content))
    path.write_bytes(gzip.compress(content) if is_packed else content)


def _patch(path, offset, form, *values):
    def change(content):
        struct.pack_into("<" + form, content, offset, *values)
        return content

    _raw(path, change)


def _cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def _wrong_sum(path):
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF
    path.write_bytes(content)


def _dims(*sizes):
    return lambda p: _patch(p, 40, "8h", *sizes)


def _affine(row, column, value):
    """Of the affine in the header, from byte 280 on."""
    return lambda p: _patch(p, 280 + 16 * row + 4 * column, "f", value)


def _array(array, **keywords):
    def rewrite(path):
        _save(path, array, **keywords)

    return rewrite


def _with(value, dtype="float32"):
    array = VOLUME.astype(dtype)
    array[2, 3, 4] = value
    return array


def _loop(path):
    path.unlink()
    other = path.with_name("other.nii.gz")
    other.symlink_to(path.name)
    path.symlink_to(other.name)


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


def _folder(path):
    path.unlink()
    path.mkdir()


def _dicom(change):
    """A folder with a DICOM series of 8 slices, then damaged."""

    def rewrite(path):
        _folder(path)
        files = write_series(path, VOLUME.transpose(2, 1, 0))
        change(path, files)

    return rewrite


def _two_series(path, files):
    write_series(path / "b", VOLUME.T, SeriesInstanceUID="1.2.3.4")


def _tilted(path, files):
    files[3].unlink()
    write_series(
        path / "b",
        VOLUME.T[3:4],
        orientation=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
        origin=(0.0, 0.0, 3.0),
    )


def _huge_rows(path, files):
    for file in files:
        content = file.read_bytes()
        place = content.index(b"\x28\x00\x10\x00US") + 8
        file.write_bytes(content[:place] + b"\xff\xff" + content[place + 2 :])


def _wrong_syntax(path, files):
    known = b"1.2.840.10008.1.2.1\x00"
    other = str(JPEG2000Lossless).encode()
    for file in files:
        content = file.read_bytes()
        place = content.index(known)
        size = struct.pack("<H", len(other))
        file.write_bytes(
            content[: place - 2] + size + other + content[place + len(known) :]
        )


IMAGES = {
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("no volume"),
    "packed text": lambda p: p.write_bytes(gzip.compress(b"no volume" * 99)),
    "packed nothing": lambda p: p.write_bytes(gzip.compress(b"")),
    "another archive": lambda p: p.write_bytes(b"PK\x03\x04" + bytes(400)),
    "half of the packed bytes": lambda p: _cut(p, 0.5),
    "nearly all packed bytes": lambda p: _cut(p, 0.97),
    "half of the voxels": lambda p: _raw(p, lambda c: c[: len(c) // 2]),
    "half of the header": lambda p: _raw(p, lambda c: c[:100]),
    "wrong checksum": _wrong_sum,
    "a trillion voxels": _dims(3, 10000, 10000, 10000, 1, 1, 1, 1),
    "more voxels than bytes": _dims(3, 60, 70, 80, 1, 1, 1, 1),
    "no voxels": _dims(3, 6, 0, 8, 1, 1, 1, 1),
    "negative size": _dims(3, 6, -7, 8, 1, 1, 1, 1),
    "two axes": _dims(2, 6, 7, 1, 1, 1, 1, 1),
    "five axes": _array(np.zeros((3, 3, 3, 2, 2), "uint8")),
    "nine axes": _dims(9, 6, 7, 8, 1, 1, 1, 1),
    "magic": lambda p: _patch(p, 344, "4s", b"abcd"),
    "kind of voxels": lambda p: _patch(p, 70, "h", 1234),
    "voxels far behind": lambda p: _patch(p, 108, "f", 1e9),
    "voxels nowhere": lambda p: _patch(p, 108, "f", float("nan")),
    "affine of NaN": _affine(0, 0, float("nan")),
    "infinite affine": _affine(1, 3, float("inf")),
    "zero spacing": _affine(2, 2, 0.0),
    "complex": _array(VOLUME.astype("complex64")),
    "colours": _array(np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])),
    "NaN": _array(_with(np.nan)),
    "infinity": _array(_with(np.inf)),
    "constant": _array(np.full(SHAPE, 7, "int16")),
    "another format": lambda p: (
        nibabel.MGHImage(VOLUME.astype("float32"), AFFINE).to_filename(
            p.with_suffix("").with_suffix(".mgz")
        )
        or p.write_bytes(p.with_suffix("").with_suffix(".mgz").read_bytes())
    ),
    "missing": lambda p: p.unlink(),
    "link in a circle": _loop,
    "broken link": lambda p: p.unlink() or p.symlink_to("nowhere.nii.gz"),
    "pipe": _pipe,
    "empty folder": _folder,
    "missing slice": _dicom(lambda p, files: files[4].unlink()),
    "two series": _dicom(_two_series),
    "slice twice": _dicom(
        lambda p, files: (p / "b.dcm").write_bytes(files[2].read_bytes())
    ),
    "tilted slice": _dicom(_tilted),
    "slice cut short": _dicom(lambda p, files: _cut(files[5], 0.8)),
    "empty slice": _dicom(lambda p, files: files[5].write_bytes(b"")),
    "huge slices": _dicom(_huge_rows),
    "transfer syntax": _dicom(_wrong_syntax),
}
LABELS = {
    "fractions": _array(LABEL * 0.5),
    "negative": _array(LABEL.astype("int16") * -1),
    "beyond the classes": _array(LABEL * 7),
    "NaN": _array(np.where(LABEL, np.nan, 0).astype("float32")),
    "smaller grid": _array(LABEL[:5]),
    "turned grid": _array(LABEL.T),
    "shifted": _array(LABEL, affine=AFFINE + np.eye(4, k=3)),
    "other spacing": _array(LABEL, affine=np.diag([1.0, 2.0, 2.5, 1.0])),
    "four axes": _array(np.stack([LABEL, LABEL], -1)),
    "half of the packed bytes": lambda p: _cut(p, 0.5),
    "missing": lambda p: p.unlink(),
}


@pytest.fixture
def case(tmp_path):
    case = Case("bad", tmp_path / "bad_i.nii.gz", tmp_path / "bad_l.nii.gz")
    _save(case.image, VOLUME)
    _save(case.label, LABEL)
    return case


def _check(case, role):
    start = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read_case(case, CLASSES)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 5
    assert peak < 2**30
    message = str(caught.value)
    assert f"bad_{role}.nii.gz" in message.partition(" ")[0], message
    assert "expected" in message and "Received: " in message, message
    assert len(message) < 2000


def test_the_good_one_is_read(case):
    scan, label = read_case(case, CLASSES)
    np.testing.assert_array_equal(scan.array[..., 0], VOLUME)
    np.testing.assert_array_equal(label, LABEL)


@pytest.mark.parametrize("damage", IMAGES)
def test_damaged_images(case, damage):
    IMAGES[damage](case.image)
    # Alone: with a label, that the two disagree may come first.
    _check(dataclasses.replace(case, label=None), "i")


@pytest.mark.parametrize("damage", LABELS)
def test_damaged_labels(case, damage):
    LABELS[damage](case.label)
    _check(case, "l")


def test_a_file_that_may_not_be_read(case, monkeypatch):
    known = os.stat

    def refuse(path, *arguments, **keywords):
        if str(path) == str(case.image):
            raise PermissionError(13, "Permission denied", str(path))
        return known(path, *arguments, **keywords)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises((DataError, PermissionError), match="bad_i.nii.gz"):
        read_case(case, CLASSES)


def test_the_others_are_served_and_all_damage_is_listed(tmp_path):
    cases = []
    for role, damages in (("i", IMAGES), ("l", LABELS)):
        for number, damage in enumerate(damages):
            name = f"{role}{number:02}"
            case = Case(
                name, tmp_path / f"{name}.nii.gz", tmp_path / f"{name}_l.nii.gz"
            )
            _save(case.image, VOLUME)
            _save(case.label, LABEL)
            damages[damage](case.image if role == "i" else case.label)
            cases.append(case)
            if number % 10 == 0:
                good = Case(
                    f"good{name}",
                    tmp_path / f"good{name}.nii.gz",
                    tmp_path / f"good{name}_l.nii.gz",
                )
                _save(good.image, VOLUME)
                _save(good.label, LABEL)
                cases.append(good)
    dataset = VolumeDataset("mixed", tuple(cases), CLASSES)
    prepared = prepare(
        dataset, tmp_path / "out", on_error="skip", verbose=False
    )
    assert len(prepared.cases) == len(cases) - len(IMAGES) - len(LABELS)
    assert all(case.name.startswith("good") for case in prepared.cases)
    assert len(prepared.skipped) == len(IMAGES) + len(LABELS) >= 40
