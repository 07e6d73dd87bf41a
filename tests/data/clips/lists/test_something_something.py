import csv
import json

import pytest

from keras_cakes.data import DataError
from keras_cakes.data import read_clip_list
from keras_cakes.data.clips.lists.something_something import (
    read_something_something,
)
from keras_cakes.data.clips.lists.something_something_lists import (
    write_something_something_lists,
)
from tests.data.clips.lists.something_files import SORTED
from tests.data.clips.lists.something_files import write_v1
from tests.data.clips.lists.something_files import write_v2

V1 = "20bn-something-something-v1"
V2 = "20bn-something-something-v2"


def _read(folder, version=1, split="train", **options):
    return read_something_something(
        folder, version, split=split, partial=True, **options
    )


def _found(dataset):
    return [(clip.name, clip.frames, clip.label) for clip in dataset.clips]


@pytest.mark.parametrize("annotations", [".", "annotations"])
def test_version_1(tmp_path, annotations):
    write_v1(tmp_path, annotations)
    training = _read(tmp_path)
    # Numbers follow the names, not the lines of the file of labels.
    assert training.classes == SORTED
    assert _found(training) == [
        (f"{V1}/100218", 5, 2),
        (f"{V1}/7", 3, 0),
        (f"{V1}/24413", 2, 1),
    ]
    assert training.clips[0].source == tmp_path / V1 / "100218"
    assert (training.template, training.first_frame) == ("{:05d}.jpg", 1)
    assert _found(_read(tmp_path, split="validation")) == [(f"{V1}/31", 4, 1)]
    few = _read(tmp_path, min_frames=3)
    assert [clip.frames for clip in few.clips] == [5, 3]
    assert list(few.skipped) == [f"{V1}/24413"]


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_version_2(tmp_path, prefix):
    write_v2(tmp_path, prefix=prefix)
    training = _read(tmp_path, 2)
    assert training.classes == SORTED
    assert _found(training) == [
        (f"{V2}/100218.webm", 5, 2),
        (f"{V2}/7.webm", 3, 0),
        (f"{V2}/24413.webm", 2, 1),
    ]


def test_numbers_of_clips_and_classes_are_those_published(tmp_path):
    write_v1(tmp_path)
    with pytest.raises(DataError, match="174 classes are expected.*ved: 3"):
        read_something_something(tmp_path, 1, split="train")
    names = "".join(f"Doing {number}\n" for number in range(171))
    labels = tmp_path / "something-something-v1-labels.csv"
    labels.write_text(labels.read_text() + names)
    with pytest.raises(DataError, match="train.csv: 86017 clips .*ved: 3"):
        read_something_something(tmp_path, 1, split="train")
    with pytest.raises(DataError, match="validation.csv: 11522 .*ved: 1"):
        read_something_something(tmp_path, 1, split="validation")


def test_lists(tmp_path):
    write_v1(tmp_path)
    datasets = write_something_something_lists(tmp_path, 1, partial=True)
    assert (
        tmp_path / "train.txt"
    ).read_text() == f"{V1}/100218 5 2\n{V1}/7 3 0\n"
    classes = (tmp_path / "classes.txt").read_text().splitlines()
    assert tuple(classes) == SORTED
    for split, dataset in datasets.items():
        found = read_clip_list(tmp_path / f"{split}.txt", classes=classes)
        assert found.clips == dataset.clips
    with open(tmp_path / "left_out.csv", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["split"], row["clip"]) == ("train", f"{V1}/24413")
    assert row["problem"].endswith("3 frames or more are expected. Received: 2")
    assert list(datasets["train"].skipped) == [f"{V1}/24413"]


def test_missing_and_damaged_clips_are_counted(tmp_path):
    write_v2(tmp_path)
    (tmp_path / V2 / "7.webm").unlink()
    content = (tmp_path / V2 / "24413.webm").read_bytes()
    (tmp_path / V2 / "24413.webm").write_bytes(content[:-100])
    with pytest.raises(DataError, match="7.webm: .* Received: no such file"):
        _read(tmp_path, 2)
    datasets = write_something_something_lists(tmp_path, 2, partial=True)
    assert list(datasets["train"].skipped) == [
        f"{V2}/7.webm",
        f"{V2}/24413.webm",
    ]
    assert (tmp_path / "train.csv").read_text() == (
        "path,label,num_frames\n"
        f"{V2}/100218.webm,Pushing something from right to left,5\n"
    )


def test_a_complete_data_set_is_expected(tmp_path, monkeypatch):
    from keras_cakes.data.clips.lists import something_something

    write_v1(tmp_path)
    monkeypatch.setattr(
        something_something,
        "SOMETHING_SOMETHING_SIZES",
        {1: {"train": 3, "validation": 1}},
    )
    monkeypatch.setattr(something_something, "SOMETHING_SOMETHING_CLASSES", 3)
    write_something_something_lists(tmp_path, 1)
    (tmp_path / V1 / "7" / "00002.jpg").unlink()
    with pytest.raises(DataError, match=r"Received: 1 missing.*/7'\] among"):
        write_something_something_lists(tmp_path, 1)
    # What was counted is written nevertheless.
    assert (tmp_path / "train.txt").read_text() == f"{V1}/100218 5 2\n"


def _change(folder, name, text):
    path = folder / f"something-something-v1-{name}.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train", "5;Doing nothing\n", "of .*-labels.csv .* 5. .*'Doing noth"),
        ("train", "5\n", "line 1: the number of a clip.*'5' and ''"),
        ("train", "../../etc;Holding something\n", "line 1: .*'../../etc'"),
        ("train", "7;Holding something\n" * 2, "line 2: .* each once"),
        ("train", "", "at least one clip is expected. Received: none"),
        ("train", b"\xff;\xfe", "annotations in UTF-8 are expected"),
        ("labels", "a\na\n", "each once, are expected. Received: 2, 1 of"),
        ("labels", "\n", "Received: 0, 0 of them different"),
    ],
)
def test_damaged_annotations_of_version_1(tmp_path, name, text, message):
    write_v1(tmp_path)
    _change(tmp_path, name, text)
    with pytest.raises(DataError, match=message):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("name", "document", "message"),
    [
        ("train", {}, "train.json: JSON of a list is expected. .*a dict"),
        ("train", [3], "record 0: an object with id and template.*'3'"),
        ("train", [{"id": "a/b", "template": "x"}], "record 0: .*'a/b'"),
        ("train", [{"id": "5"}], "record 0: .*'5' and ''"),
        ("labels", [], "labels.json: JSON of a dict is expected. .*a list"),
        ("labels", {"a": "1", "b": "0"}, "sorted by name are exp.*'1', '0'"),
        ("labels", {"a": [[]], "b": "0"}, "sorted by name are expected"),
    ],
)
def test_damaged_annotations_of_version_2(tmp_path, name, document, message):
    write_v2(tmp_path)
    (tmp_path / "labels" / f"{name}.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=message):
        _read(tmp_path, 2)


def test_what_is_no_json(tmp_path):
    write_v2(tmp_path)
    path = tmp_path / "labels" / "train.json"
    for text in ("[", "[" * 200_000):
        path.write_text(text)
        with pytest.raises(DataError, match="train.json: JSON is expected"):
            _read(tmp_path, 2)


def test_a_wrong_version_or_split_is_named(tmp_path):
    with pytest.raises(ValueError, match="`version` .* one of .1, 2.*=3"):
        read_something_something(tmp_path, 3, split="train")
    for version, split in ((1, "test"), (2, "val")):
        with pytest.raises(ValueError, match=f"`split` .*'train'.*='{split}'"):
            read_something_something(tmp_path, version, split=split)
    with pytest.raises(ValueError, match="`on_error` is expected"):
        _read(tmp_path, on_error="ignore")
    with pytest.raises(DataError, match="no: the folder of the .*no such fol"):
        _read(tmp_path / "no")
    with pytest.raises(DataError, match="-labels.json or labels.json, there"):
        _read(tmp_path, 2)
