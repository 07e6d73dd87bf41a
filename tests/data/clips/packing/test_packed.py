import json
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data import ArrayClips
from keras_cakes.data import DataError
from keras_cakes.data import open_packed
from keras_cakes.data import pack
from tests.data.clips.video_files import moving


@pytest.fixture(scope="module")
def arrays():
    sizes = ((20, 30), (20, 30), (16, 16), (20, 30), (20, 30))
    return [
        moving(4 + number, *size, seed=number)
        for number, size in enumerate(sizes)
    ]


@pytest.fixture(scope="module")
def made(arrays, tmp_path_factory):
    """A pack of clips of two sizes, in three shards."""
    folder = tmp_path_factory.mktemp("packs")
    parts = [
        ArrayClips(arrays[first:last], [0] * (last - first), classes=("a",))
        for first, last in ((0, 2), (2, 3), (3, 5))
    ]
    source = ArrayClips(
        arrays[:2] + arrays[3:], [0, 1, 0, 1], classes=("a", "b")
    )
    options = {"encoding": "png", "clips_per_shard": 2, "verbose": False}
    pack(parts[1], folder / "other", **options)
    pack(source, folder / "pack", **options)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A pack that may be damaged."""
    shutil.copytree(made / "pack", tmp_path / "pack")
    return tmp_path / "pack"


@pytest.fixture
def expected(arrays):
    return arrays[:2] + arrays[3:]


def test_frames_in_a_pipeline(folder, expected):
    packed = open_packed(folder)
    frames = [3, 0, 0, 2]
    data = tf.data.Dataset.range(12).map(
        lambda number: packed.read(number % 4, frames), num_parallel_calls=4
    )
    assert data.element_spec.shape == (4, 20, 30, 3)
    for number, images in enumerate(data):
        np.testing.assert_array_equal(images, expected[number % 4][frames])
    read = tf.function(
        packed.read,
        input_signature=[
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([None], tf.int32),
        ],
    )
    np.testing.assert_array_equal(read(2, [5, 1]), expected[2][[5, 1]])
    images, is_read = packed.try_read(1, frames)
    assert is_read and packed.failures == {}
    np.testing.assert_array_equal(images, expected[1][frames])


def test_only_the_bytes_that_are_needed_are_read(folder, monkeypatch):
    import os

    packed = open_packed(folder)
    read, known = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *a: read.append(a[1:]) or known(*a))
    packed.read(3, [6, 2])
    index = np.load(folder / "index.npy")[-8:]
    assert read == [(index[n]["bytes"], index[n]["offset"]) for n in (6, 2)]


def test_grey_of_colours_and_the_reverse(folder, expected, tmp_path):
    grey = open_packed(folder, channels=1)
    images = grey.read(0, [1]).numpy()
    assert images.shape == (1, 20, 30, 1)
    weights = np.array([0.299, 0.587, 0.114])
    luma = expected[0][[1]] @ weights
    assert np.abs(images[..., 0] - luma).max() < 2
    source = ArrayClips([expected[0][..., :1]], [0], classes=("a",))
    packed = pack(source, tmp_path / "grey", encoding="png", verbose=False)
    assert packed.channels == 1
    np.testing.assert_array_equal(
        open_packed(tmp_path / "grey").read(0, [2]),
        np.repeat(expected[0][[2]][..., :1], 3, -1),
    )
    with pytest.raises(ValueError, match="`channels` is expected.*channels=2"):
        open_packed(folder, channels=2)


def test_subsets(folder, expected):
    packed = open_packed(folder).subset(["3", "0"])
    assert packed.names == ("3", "0")
    assert packed.labels.tolist() == [1, 0]
    assert packed.frame_counts.tolist() == [8, 4]
    np.testing.assert_array_equal(packed.read(0, [7]), expected[3][[7]])
    np.testing.assert_array_equal(
        packed.subset(["0"]).read(0, [3]), expected[0][[3]]
    )
    with pytest.raises(DataError, match=r"Names of clips.*\['x'\]"):
        packed.subset(["x"])


def test_frames_beyond_a_clip(folder):
    packed = open_packed(folder)
    for frames in ([4], [-1]):
        with pytest.raises(DataError, match="frames 0 to 3 of 0 are expected"):
            packed.read(0, frames)


def _change(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def _frame(folder, number):
    """Place in the first shard of a byte of a frame."""
    return int(np.load(folder / "index.npy")[number]["offset"]) + 20


def _manifest(change):
    def damage(folder):
        path = folder / "manifest.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return damage


def _index(change):
    def damage(folder):
        index = np.load(folder / "index.npy")
        np.save(folder / "index.npy", change(index))

    return damage


def _far(index):
    index["offset"][-1] = 1 << 60
    return index


def _cut(path):
    path.write_bytes(path.read_bytes()[:-9])


DAMAGE = {
    "no manifest": lambda f: (f / "manifest.json").unlink(),
    "manifest cut short": lambda f: _cut(f / "manifest.json"),
    "manifest of a list": lambda f: (f / "manifest.json").write_text("[]"),
    "other version": _manifest(lambda d: d.update(version=99)),
    "no clips": _manifest(lambda d: d.pop("clips")),
    "fewer names": _manifest(lambda d: d["clips"]["name"].pop()),
    "label beyond classes": _manifest(lambda d: d.update(classes=["a"])),
    "negative frames": _manifest(
        lambda d: d["clips"].update(frames=[-4, 5, 7, 16])
    ),
    "huge frames": _manifest(lambda d: d["clips"].update(frames=[1 << 80] * 4)),
    "shard that is not there": _manifest(
        lambda d: d["clips"].update(shard=[0, 0, 1, 7])
    ),
    "no shard": lambda f: (f / "shards" / "00001.tfrecord").unlink(),
    "shard cut short": lambda f: _cut(f / "shards" / "00001.tfrecord"),
    "empty shard": lambda f: (f / "shards" / "00000.tfrecord").write_bytes(b""),
    "no index": lambda f: (f / "index.npy").unlink(),
    "index cut short": lambda f: _cut(f / "index.npy"),
    "index of others": lambda f: shutil.copy(
        f.parent / "other" / "index.npy", f
    ),
    "index of objects": _index(lambda i: np.array([None] * len(i))),
    "index of numbers": _index(lambda i: i["offset"]),
    "frames far behind": _index(_far),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_packs(folder, made, damage):
    shutil.copytree(made / "other", folder.parent / "other")
    open_packed(folder)
    DAMAGE[damage](folder)
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        open_packed(folder)
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert message.startswith(str(folder / "manifest.json")), message
    assert "expected" in message and "Received: " in message


def test_a_damaged_frame(folder, expected):
    _change(folder / "shards" / "00000.tfrecord", _frame(folder, 2))
    packed = open_packed(folder)
    # The others are what they were.
    np.testing.assert_array_equal(packed.read(0, [1, 3]), expected[0][[1, 3]])
    message = "00000.tfrecord: frame 2 of 0 is expected as it was packed"
    with pytest.raises(DataError, match=message):
        packed.read(0, [1, 2])
    data = tf.data.Dataset.range(1).map(lambda n: packed.read(n, [2]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(data)
    data = tf.data.Dataset.range(4).map(lambda n: packed.try_read(n, [2, 0]))
    for number, (images, is_read) in enumerate(data):
        assert bool(is_read) == (number > 0)
        assert images.shape == ((2, 20, 30, 3) if is_read else (2, 1, 1, 3))
    assert list(packed.failures) == ["0"]
    with pytest.raises(DataError, match="00000.tfrecord: the SHA-256"):
        packed.verify()


def test_files_that_go_away_while_frames_are_read(folder):
    packed = open_packed(folder)
    (folder / "shards" / "00001.tfrecord").unlink()
    packed.read(0, [0])
    with pytest.raises(DataError, match="00001.tfrecord: a shard of a pack"):
        packed.read(2, [0])
    with pytest.raises(DataError, match="00001.tfrecord.*no such file"):
        packed.verify()


def test_a_changed_index_is_seen_by_its_checksum(folder):
    def swap(index):
        index[:2] = index[1::-1]
        return index

    _index(swap)(folder)
    with pytest.raises(DataError, match="index.npy: the SHA-256"):
        open_packed(folder).verify()
