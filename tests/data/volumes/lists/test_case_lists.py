import csv
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.data import Case
from keras_cakes.data import DataError
from keras_cakes.data import VolumeDataset
from keras_cakes.data import load_case
from keras_cakes.data import read_fold
from keras_cakes.data import write_nifti
from keras_cakes.data.volumes.lists.case_lists import read_case_list
from keras_cakes.data.volumes.lists.case_lists import write_case_list

CLASSES = ("background", "organ")


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        image = generator.normal(size=(4, 5, 6)).astype("float32")
        label = generator.integers(0, 2, (4, 5, 6)).astype("uint8")
        write_nifti(image, np.eye(4), path=tmp_path / f"{name}.nii.gz")
        write_nifti(label, np.eye(4), path=tmp_path / f"{name}_organ.nii")
    (tmp_path / "series").mkdir()
    return tmp_path


def _read(folder, text, encoding="utf-8", **options):
    path = folder / "own.csv"
    path.write_bytes(text.encode(encoding))
    return read_case_list(path, CLASSES, **options)


def test_a_list(folder):
    dataset = _read(
        folder, "image,label\na.nii.gz,a_organ.nii\nb.nii.gz,b_organ.nii\n"
    )
    assert (dataset.name, dataset.classes) == ("own", CLASSES)
    assert [case.name for case in dataset.cases] == ["a", "b"]
    volume = load_case(dataset.cases[1], dataset.classes)
    assert volume.image.shape == (4, 5, 6, 1)
    assert set(np.unique(volume.label)) == {0, 1}
    training, validation = read_fold(folder, dataset, fold=0)
    assert len(training) + len(validation) == 2


def test_names_other_columns_and_a_series(folder):
    absolute = folder / "a.nii.gz"
    dataset = _read(
        folder,
        "age, label ,name,image\r\n"
        f'61,a_organ.nii," first ","{absolute}"\r\n'
        "\r\n"
        " , ,,\r\n"
        "62,a_organ.nii,,series\r\n"
        "63,./b_organ.nii,third,./b.nii.gz",
        encoding="utf-8-sig",
        name="mine",
    )
    assert dataset.name == "mine"
    assert dataset.cases == (
        Case("first", absolute, folder / "a_organ.nii"),
        Case("series", folder / "series", folder / "a_organ.nii"),
        Case("third", folder / "b.nii.gz", folder / "b_organ.nii"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the columns `image` and `label`.*Received: \\[\\]"),
        ("image;label\na;b", r"line 1: .* Received: \['image;label'\]"),
        ("image,image,label\n", "line 1: the columns"),
        ("image,label,name,name\n", "line 1: the columns"),
        ("image,label\n\n", "own.csv: at least one case .* Received: none"),
        ("image,label\na.nii.gz\n", "line 2: 2 values are .* Received: 1"),
        (
            "image,label\na.nii.gz,a_organ.nii,b\n",
            "line 2: 2 values are expected. Received: 3",
        ),
        ("image,label\n,a_organ.nii\n", "line 2: the path of the image .*not"),
        ("image,label\na.nii.gz, \n", "line 2: the path of the label .*noth"),
        (
            "image,label\nc.nii.gz,a_organ.nii\n",
            "line 2: the image .*c.nii.gz is expected. Received: no such file",
        ),
        (
            "image,label\na.nii.gz,series\n",
            "line 2: the label .*series is expected. Received: no such file$",
        ),
        (
            f"image,label\n{'a' * 5000},a_organ.nii\n",
            "line 2: the path of the image is expected. Received: 'aaa.*OSErr",
        ),
        (
            "image,label\na.nii.gz,a_organ.nii\nseries/../a.nii.gz,b_organ.nii",
            "line 3: a case of its own name.*'a', as in line 2",
        ),
        (
            "image,label,name\na.nii.gz,a_organ.nii,..\n",
            r"line 2: a name that a folder may have .* Received: '\.\.'",
        ),
        ("image,label,name\na.nii.gz,a_organ.nii,x/y", "line 2: a name that"),
        ("image,label,name\n/,a_organ.nii,\n", "line 2: a name .*Received: ''"),
        ('image,label\n"a,b\n', "line 2: CSV is expected. Received: unexpec"),
        ('image,label\n"a"b,c\n', "line 2: CSV is expected. Received: "),
        ("image,label\n\0,b\n", "line 2: "),
        (f"image,label\n{'a' * 200_000},b\n", "line 2: .* field larger than"),
    ],
)
def test_lists_that_are_wrong(folder, text, message):
    with pytest.raises(DataError, match=message) as info:
        _read(folder, text)
    assert str(info.value).startswith(str(folder / "own.csv"))
    assert "expected" in str(info.value) and "Received: " in str(info.value)


def test_files_that_are_no_list(folder, monkeypatch):
    with pytest.raises(DataError, match="absent.csv: a CSV file is expected"):
        read_case_list(folder / "absent.csv", CLASSES)
    with pytest.raises(DataError, match="own.csv: CSV in UTF-8 is expected"):
        _read(folder, "image,label\n\u00e4,b", encoding="latin-1")
    monkeypatch.setattr(
        "keras_cakes.data.volumes.lists.case_lists._MOST_BYTES", 5
    )
    with pytest.raises(DataError, match="own.csv: CSV .* at most 5 bytes"):
        _read(folder, "image,label\n")


@pytest.mark.parametrize(
    "classes", ["organ", (), ("background",), ("a", "a"), ("a", ""), (0, 1)]
)
def test_classes(folder, classes):
    with pytest.raises(ValueError, match="`classes` is expected.*Received: cl"):
        read_case_list(folder / "own.csv", classes)


def test_written_and_read_again(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "c, d.nii.gz"
    elsewhere.write_bytes((folder / "a.nii.gz").read_bytes())
    cases = (
        Case("first", folder / "a.nii.gz", folder / "a_organ.nii"),
        Case("second", elsewhere, folder / "b_organ.nii"),
    )
    dataset = VolumeDataset("own", cases, CLASSES)
    write_case_list(dataset, folder / "own.csv")
    assert read_case_list(folder / "own.csv", list(CLASSES)) == dataset
    lines = (folder / "own.csv").read_text().splitlines()
    assert lines[:2] == ["image,label,name", "a.nii.gz,a_organ.nii,first"]
    without = dataclasses.replace(cases[0], label=None)
    with pytest.raises(ValueError, match="`dataset` is .*none for 'first'"):
        write_case_list(
            dataclasses.replace(dataset, cases=(without,)), folder / "no.csv"
        )
    assert not (folder / "no.csv").exists()


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.lists(
            st.lists(
                st.sampled_from(
                    ["image", "label", "name", "a", "", "..", "\0", '"', "/"]
                ),
                max_size=4,
            ),
            max_size=4,
        ).map(lambda rows: "\n".join(map(",".join, rows)).encode()),
    )
)
def test_any_list_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "own.csv"
    (path.parent / "a").write_text("")
    path.write_bytes(content)
    try:
        dataset = read_case_list(path, CLASSES)
    except DataError as error:
        assert str(error).startswith(str(path))
    else:
        rows = list(csv.reader(content.decode().splitlines()))
        assert 1 <= len(dataset.cases) < len(rows)
