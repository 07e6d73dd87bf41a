import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.data import Clip
from keras_cakes.data import DataError
from keras_cakes.data import VideoClips
from keras_cakes.data import read_class_folders
from keras_cakes.data import read_clip_list
from tests.data.clips.video_files import all_frames
from tests.data.clips.video_files import moving
from tests.data.clips.video_files import write_frames
from tests.data.clips.video_files import write_video

CLASSES = ("left", "right", "still")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folders of frames and videos."""
    root = tmp_path_factory.mktemp("clips")
    write_frames(root / "1", moving(5, 8, 8))
    write_frames(root / "a b", moving(3, 8, 8))
    write_frames(root / "zero", moving(4, 8, 8), first=0)
    write_frames(root / "sub" / "png", moving(2, 8, 8), "{}.png")
    write_video(root / "v.mp4", moving(7), "h264.mp4")
    write_video(root / "w x.webm", moving(6), "vp9.webm")
    (root / "text.mp4").write_text("no video")
    return root


def _read(tmp_path, root, text, ending="txt", encoding="utf-8", **options):
    path = tmp_path / f"own.{ending}"
    path.write_bytes(text.encode(encoding))
    options.setdefault("classes", None if ending == "csv" else CLASSES)
    return read_clip_list(path, root, **options)


def test_text(tmp_path, root):
    dataset = _read(
        tmp_path,
        root,
        "1 5 0\r\na b 3 2\n\n  ./sub/../v.mp4\t7\t1  \nw x.webm 6 right\n",
        encoding="utf-8-sig",
    )
    assert (dataset.name, dataset.classes) == ("own", CLASSES)
    assert dataset.clips == (
        Clip("1", root / "1", 5, 0),
        Clip("a b", root / "a b", 3, 2),
        Clip("v.mp4", root / "v.mp4", 7, 1),
        Clip("w x.webm", root / "w x.webm", 6, 1),
    )
    assert dataset.skipped == {} and len(dataset) == 4
    source = VideoClips(dataset)
    assert [source.read(n, [2, 0]).shape[0] for n in range(4)] == [2] * 4
    np.testing.assert_array_equal(
        source.read(2, [6, 1]), all_frames(root / "v.mp4")[[6, 1]]
    )


def test_classes_that_only_the_list_tells(tmp_path, root):
    dataset = _read(tmp_path, root, "1 5 0\na b 3 3\n", classes=None)
    assert dataset.classes == ("0", "1", "2", "3")
    assert [clip.label for clip in dataset.clips] == [0, 3]


def test_frames_from_zero(tmp_path, root):
    dataset = _read(tmp_path, root, "zero 4 1\n", first_frame=0)
    assert (dataset.first_frame, dataset.clips[0].frames) == (0, 4)
    found = VideoClips(dataset).read(0, [3]).numpy()
    written = VideoClips(_read(tmp_path, root, "1 4 1\n")).read(0, [3])
    np.testing.assert_array_equal(found, written)
    with pytest.raises(DataError, match="line 1.*4 frames.*no file 00004.jpg"):
        _read(tmp_path, root, "zero 4 1\n")
    with pytest.raises(DataError, match="line 1.*5 frames.*no file 00000.jpg"):
        _read(tmp_path, root, "1 5 1\n", first_frame=0)


def test_csv(tmp_path, root):
    text = (
        "person,label, path ,split,num_frames\n"
        "7,right,v.mp4,train,7\n"
        '8,left,"a b",val,\n'
        " ,,,,\n"
        "8,still,w x.webm,train,\n"
    )
    dataset = _read(tmp_path, root, text, "csv", name="mine")
    assert (dataset.name, dataset.classes) == ("mine", CLASSES)
    assert dataset.clips == (
        Clip("v.mp4", root / "v.mp4", 7, 1),
        Clip("a b", root / "a b", 3, 0),
        Clip("w x.webm", root / "w x.webm", 6, 2),
    )
    train = _read(tmp_path, root, text, "csv", split="train")
    assert [clip.name for clip in train.clips] == ["v.mp4", "w x.webm"]
    # The classes of a part are those of the whole.
    assert train.classes == CLASSES
    with pytest.raises(DataError, match=r"split 'test'.*\['train', 'val'\]"):
        _read(tmp_path, root, text, "csv", split="test")


def test_csv_of_numbers_and_other_names(tmp_path, root):
    text = "path,label\nv.mp4,2\nsub/png,0\n"
    options = {"template": "{}.png"}
    dataset = _read(tmp_path, root, text, "csv", **options)
    assert dataset.classes == ("0", "1", "2")
    assert [clip.label for clip in dataset.clips] == [2, 0]
    assert [clip.frames for clip in dataset.clips] == [7, 2]
    dataset = _read(tmp_path, root, text, "csv", classes=CLASSES, **options)
    assert dataset.classes == CLASSES
    # Names come before numbers.
    names = ("2", "1", "0")
    dataset = _read(tmp_path, root, text, "csv", classes=names, **options)
    assert [clip.label for clip in dataset.clips] == [0, 2]


def test_beside_its_clips(root):
    (root / "beside.txt").write_text("1 5 0\n")
    dataset = read_clip_list(root / "beside.txt")
    assert dataset.clips[0].source == root / "1"
    (root / "absolute.txt").write_text(f"{root}/1 5 0\n")
    dataset = read_clip_list(root / "absolute.txt")
    assert dataset.clips[0].source == root / "1"


def test_short_clips_are_left_out_and_listed(tmp_path, root):
    text = "1 2 0\na b 3 1\n"
    dataset = _read(tmp_path, root, text, min_frames=3)
    assert [clip.name for clip in dataset.clips] == ["a b"]
    assert list(dataset.skipped) == ["1"]
    assert "3 frames or more are expected. Received: 2" in dataset.skipped["1"]
    assert len(_read(tmp_path, root, text)) == 2
    with pytest.raises(DataError, match="own.txt: at least one clip.*2 that"):
        _read(tmp_path, root, text, min_frames=4)


BAD_LINES = {
    "a b 3": "a number of frames is expected. Received: 'b'",
    "a b": "`folder frames label` is expected. Received: 'a b'",
    "nowhere 3 0": "nowhere: a video file or a folder .* Received: no such",
    "a b 4 0": "a b: 4 frames, .*Received: no file 00004.jpg",
    "a b -3 0": "1 frame or more is expected. Received: -3",
    "a b 0 0": "1 frame or more is expected. Received: 0",
    "a b 3.5 0": "a number of frames is expected. Received: '3.5'",
    "a b 3 3": "a label from 0 to 2, .*Received: '3'",
    "a b 3 -1": "a label from 0 to 2, .*Received: '-1'",
    "a b 3 up": "a label from 0 to 2, .*Received: 'up'",
    "../x 3 0": "a path below .* is expected. Received: '../x'",
    "sub/../../x 3 0": "a path below .* is expected",
    "/etc 3 0": "a path below .* is expected. Received: '/etc'",
    "1 5 1": "listed once is expected. Received: '1', as in line 1",
    "./1/ 5 1": "listed once is expected. Received: '1', as in line 1",
    "a\0b 3 0": "a path below",
    f"{'x' * 300} 3 0": "File name too long",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_bad_lines(tmp_path, root, line):
    text = f"1 5 0\n{line}\nv.mp4 7 2\n"
    with pytest.raises(DataError, match=BAD_LINES[line]) as caught:
        _read(tmp_path, root, text)
    assert str(caught.value).startswith(f"{tmp_path / 'own.txt'}, line 2: ")
    dataset = _read(tmp_path, root, text, on_error="skip")
    assert [clip.name for clip in dataset.clips] == ["1", "v.mp4"]
    assert list(dataset.skipped.values()) == [str(caught.value)]


@pytest.mark.parametrize("number", ["4000000", "10000", "9" * 5000, "0" * 9])
def test_one_number_does_not_make_millions_of_classes(tmp_path, root, number):
    text = f"1 5 1\nv.mp4 7 {number}\n"
    if number == "0" * 9:
        assert _read(tmp_path, root, text, classes=None).classes == ("0", "1")
        return
    with pytest.raises(DataError) as caught:
        _read(tmp_path, root, text, classes=None)
    assert str(caught.value) == (
        f"{tmp_path / 'own.txt'}, line 2: a number of a class below 10000 is "
        "expected where `classes` does not name them. "
        f"Received: label={number[:80]!r}"
    )
    dataset = _read(tmp_path, root, text, classes=None, on_error="skip")
    assert dataset.classes == ("0", "1")
    assert [clip.name for clip in dataset.clips] == ["1"]


@pytest.mark.parametrize("number", ["10000001", "9" * 30])
def test_one_number_does_not_make_millions_of_frames(tmp_path, root, number):
    with pytest.raises(DataError, match="line 1: at most 10000000 frames"):
        _read(tmp_path, root, f"v.mp4 {number} 0\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: the columns `path` and `label`.*Received: \[\]"),
        ("path;label\n", r"line 1: the columns.*Received: \['path;label'\]"),
        ("path,label,label\n", "line 1: the columns"),
        ("path,label\nv.mp4\n", "line 2: 2 values are expected. Received: 1"),
        ("path,label\n,left\n", "line 2: the path of a clip is expected"),
        ("path,label\ntext.mp4,left\n", "line 2: .*text.mp4: a readable vid"),
        ("path,label,num_frames\nv.mp4,left,x\n", "line 2: a number of fra"),
        ("path,label,num_frames\nv.mp4,left,-7\n", "line 2: 1 frame or more"),
        (
            "path,label\nv.mp4,\n",
            "line 2: a label, the number or the n",
        ),
        ('path,label\n"v.mp4,left\n', "line 2: CSV is expected"),
        ("path,label\n", "own.csv: at least one clip is expected"),
        ("path,label\n1/00001.jpg,left", "line 2: .*a readable video"),
    ],
)
def test_bad_tables(tmp_path, root, text, message):
    with pytest.raises(DataError, match=message) as caught:
        _read(tmp_path, root, text, "csv")
    assert str(caught.value).startswith(str(tmp_path / "own.csv"))


@pytest.mark.parametrize("ending", ["txt", "csv"])
def test_bad_files(tmp_path, root, ending):
    path = tmp_path / f"own.{ending}"
    with pytest.raises(DataError, match="own.*: a list is expected.*no file"):
        read_clip_list(path, root)
    path.write_bytes(b"path,label\n\xff\xfe,0\n")
    with pytest.raises(DataError, match="own.*: a list in UTF-8 is expected"):
        read_clip_list(path, root, on_error="skip")
    path.write_text("path,label\n1,0")
    with pytest.raises(DataError, match="nowhere: the folder of the clips"):
        read_clip_list(path, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "stop"}, "`on_error` is expected to be.*'stop'"),
        ({"min_frames": 0}, "`min_frames` is expected.*min_frames=0"),
        ({"classes": ("a", "a")}, "`classes` is expected to be names"),
        ({"classes": ()}, "`classes` is expected to be names"),
        ({"split": "train"}, "`split` is expected for a .csv list.*'train'"),
        ({"template": "x"}, "`template` is expected"),
    ],
)
def test_arguments(tmp_path, root, options, message):
    with pytest.raises(ValueError, match=message):
        _read(tmp_path, root, "1 5 0\n", **options)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("ab c.,'\"é_-", min_size=1, max_size=12).filter(
                lambda name: name.strip() == name and name.strip(". ")
            ),
            st.integers(0, 2),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda pair: pair[0],
    )
)
def test_any_names(tmp_path_factory, clips):
    folder = tmp_path_factory.mktemp("names")
    for name, _ in clips:
        write_frames(folder / name, moving(2, 4, 4))
    lines = [f"{name} 2 {label}\n" for name, label in clips]
    (folder / "list.txt").write_text("".join(lines), encoding="utf-8")
    with open(folder / "list.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *clips])
    for ending in ("txt", "csv"):
        dataset = read_clip_list(folder / f"list.{ending}", classes=CLASSES)
        found = [(clip.name, clip.label) for clip in dataset.clips]
        assert found == clips


@pytest.fixture
def classes(tmp_path, root):
    """A folder of classes: videos, a folder of frames, and other files."""
    folder = tmp_path / "set"
    write_frames(folder / "right" / "frames", moving(4, 8, 8))
    (folder / "left").mkdir()
    for name, kind in (("b.MP4", "v.mp4"), ("a.webm", "w x.webm")):
        (folder / "left" / name).write_bytes((root / kind).read_bytes())
    (folder / "left" / "notes.txt").write_text("no clip")
    (folder / "left" / ".hidden.mp4").write_text("no clip")
    (folder / ".git").mkdir()
    (folder / "README.md").write_text("no class")
    return folder


def test_folders_of_classes(classes):
    dataset = read_class_folders(classes)
    assert (dataset.name, dataset.classes) == ("set", ("left", "right"))
    assert dataset.clips == (
        Clip("left/a.webm", classes / "left" / "a.webm", 6, 0),
        Clip("left/b.MP4", classes / "left" / "b.MP4", 7, 0),
        Clip("right/frames", classes / "right" / "frames", 4, 1),
    )
    dataset = read_class_folders(
        classes, ("right", "left"), min_frames=6, name="mine"
    )
    assert (dataset.name, dataset.classes) == ("mine", ("right", "left"))
    assert [clip.label for clip in dataset.clips] == [1, 1]
    assert list(dataset.skipped) == ["right/frames"]


def test_bad_folders_of_classes(classes, tmp_path):
    (classes / "left" / "c.mp4").write_text("no video")
    (classes / "right" / "empty").mkdir()
    for name in ("d.avi", "e.avi"):
        other = "e.avi" if name == "d.avi" else "d.avi"
        (classes / "right" / name).symlink_to(other)
    with pytest.raises(DataError) as caught:
        read_class_folders(classes)
    assert str(caught.value).startswith(str(classes / "left" / "c.mp4"))
    dataset = read_class_folders(classes, on_error="skip")
    assert len(dataset) == 3
    assert sorted(dataset.skipped) == [
        "left/c.mp4",
        "right/d.avi",
        "right/e.avi",
        "right/empty",
    ]
    with pytest.raises(DataError, match="up: a folder is expected"):
        read_class_folders(classes, ("left", "up"))
    with pytest.raises(DataError, match="nowhere: a folder is expected"):
        read_class_folders(tmp_path / "nowhere")
    with pytest.raises(DataError, match="empty: a folder for each class"):
        read_class_folders(classes / "right" / "empty")


def test_subsets(classes):
    dataset = read_class_folders(classes, min_frames=5)
    part = dataset.subset(["right/frames", "left/b.MP4"])
    assert [clip.name for clip in part.clips] == ["left/b.MP4"]
    with pytest.raises(DataError, match=r"names of clips.*\['left/x'\]"):
        dataset.subset(["left/x"])


def test_real_lists(real_data):
    root = real_data / "gmdcsa24_rgb"
    listed = read_clip_list(root / "videos.csv")
    found = read_class_folders(root / "videos")
    assert len(listed) == len(found) == 19
    assert listed.classes == found.classes == ("adl", "fall")
    counts = {clip.source: clip.frames for clip in found.clips}
    assert counts == {clip.source: clip.frames for clip in listed.clips}
    root = real_data / "fir_action"
    train, val = (
        read_clip_list(root / "videos.csv", split=split)
        for split in ("train", "val")
    )
    assert (len(train), len(val)) == (998, 398)
    assert train.classes == val.classes
    assert len(train.classes) == 5
