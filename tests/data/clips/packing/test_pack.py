import dataclasses
import hashlib
import json
import multiprocessing
import os
import random
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes._files import locked
from keras_cakes.data import ArrayClips
from keras_cakes.data import Clip
from keras_cakes.data import ClipDataset
from keras_cakes.data import DataError
from keras_cakes.data import VideoClips
from keras_cakes.data import open_packed
from keras_cakes.data import pack
from keras_cakes.data.clips.packing.shards import Encoding
from tests.data.clips.video_files import moving
from tests.data.clips.video_files import write_frames
from tests.data.clips.video_files import write_video

CLASSES = ("left", "right")


def _dataset(folder, count=6):
    folder.mkdir(exist_ok=True)
    kinds = ("h264.mp4", "vp9.webm", "mjpeg.avi")
    clips = [Clip("frames", folder / "frames", 5, 1)]
    write_frames(clips[0].source, moving(5, 30, 20))
    for number in range(1, count):
        path = folder / f"{number}.{kinds[number % 3]}"
        frames = 3 + number % 4
        write_video(path, moving(frames, seed=number), kinds[number % 3])
        clips.append(Clip(f"clip {number}", path, frames, number % 2))
    return ClipDataset("small", tuple(clips), CLASSES)


def _pack(source, folder, **options):
    options.setdefault("clips_per_shard", 2)
    return pack(source, folder, verbose=False, **options)


def _digest(folder):
    """Every file of a pack, by name and content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_png_keeps_every_value(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    source = VideoClips(dataset)
    packed = _pack(dataset, tmp_path / "out", encoding="png")
    assert packed.names == source.names
    assert (packed.classes, packed.channels) == (CLASSES, 3)
    np.testing.assert_array_equal(packed.labels, source.labels)
    np.testing.assert_array_equal(packed.frame_counts, source.frame_counts)
    for number, clip in enumerate(dataset.clips):
        frames = [clip.frames - 1, 0, 0, 1]
        np.testing.assert_array_equal(
            packed.read(number, frames), source.read(number, frames)
        )
        np.testing.assert_array_equal(
            list(packed.frames_of(number)), list(source.frames_of(number))
        )


def test_jpeg_is_close(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    source = VideoClips(dataset, channels=1)
    large = _pack(source, tmp_path / "large", quality=98)
    small = _pack(source, tmp_path / "small", quality=20)
    assert large.channels == 1
    for number in range(len(source)):
        expected = source.read(number, [1, 2]).numpy().astype(int)
        near, far = (
            np.abs(packed.read(number, [1, 2]).numpy() - expected).mean()
            for packed in (large, small)
        )
        assert near < 4 < far


def test_any_program_can_read_the_shards(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    packed = _pack(dataset, tmp_path / "out", encoding="png")
    shards = sorted(map(str, (tmp_path / "out").rglob("*.tfrecord")))
    assert len(shards) == 3
    records = list(tf.data.TFRecordDataset(shards))
    assert len(records) == len(packed)
    for number, record in enumerate(records):
        example = tf.io.parse_single_example(
            record,
            {
                "frames": tf.io.VarLenFeature(tf.string),
                "label": tf.io.FixedLenFeature([], tf.int64),
                "name": tf.io.FixedLenFeature([], tf.string),
                "size": tf.io.FixedLenFeature([2], tf.int64),
            },
        )
        frames = np.stack(
            [tf.io.decode_png(one) for one in example["frames"].values.numpy()]
        )
        np.testing.assert_array_equal(frames, list(packed.frames_of(number)))
        assert example["label"] == packed.labels[number]
        assert example["name"].numpy().decode() == packed.names[number]
        assert tuple(example["size"].numpy()) == frames.shape[1:3]


@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    channels=st.sampled_from([1, 3]),
    clips_per_shard=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_arrays_come_back(
    tmp_path_factory, lengths, size, channels, clips_per_shard, seed
):
    generator = np.random.default_rng(seed)
    arrays = [
        generator.integers(0, 256, (length, *size, channels), np.uint8)
        for length in lengths
    ]
    labels = [None if length == 1 else length % 2 for length in lengths]
    source = ArrayClips(arrays, labels, classes=CLASSES)
    packed = _pack(
        source,
        tmp_path_factory.mktemp("pack"),
        encoding="png",
        clips_per_shard=clips_per_shard,
    )
    np.testing.assert_array_equal(packed.labels, source.labels)
    for number, array in enumerate(arrays):
        frames = generator.integers(0, len(array), 6)
        np.testing.assert_array_equal(
            packed.read(number, frames), array[frames]
        )
    packed.verify()


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((240, 320), 112, (112, 149)),
        ((320, 240), 112, (149, 112)),
        ((100, 176), 100, (100, 176)),
        ((100, 176), 256, (100, 176)),
        ((100, 176), None, (100, 176)),
        ((3, 1000), 2, (2, 667)),
        ((7, 7), 1, (1, 1)),
    ],
)
def test_sizes(size, short_side, expected):
    encoding = Encoding(short_side, "png", 95)
    assert encoding.size(*size) == expected
    frame = np.full((*size, 3), 90, "uint8")
    decoded = tf.io.decode_png(encoding.encode(frame)).numpy()
    np.testing.assert_array_equal(decoded, np.full((*expected, 3), 90))


def test_a_smaller_pixel_is_the_mean_of_those_it_covers(tmp_path):
    frames = moving(3, 24, 36)
    source = ArrayClips([frames], [0], classes=CLASSES)
    packed = _pack(source, tmp_path / "out", short_side=8, encoding="png")
    means = frames.reshape(3, 8, 3, 12, 3, 3).mean(axis=(2, 4))
    assert packed.read(0, range(3)).shape == (3, 8, 12, 3)
    np.testing.assert_allclose(packed.read(0, range(3)), means, atol=0.51)
    # A pack of a pack.
    again = _pack(packed, tmp_path / "again", short_side=4, encoding="png")
    means = means.reshape(3, 4, 2, 6, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(again.read(0, range(3)), means, atol=1.01)


def test_the_same_again_is_not_made_anew(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    folder = tmp_path / "out"
    _pack(dataset, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    content = _digest(folder)
    _pack(dataset, folder)
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    assert before.pop(folder / ".lock") <= after.pop(folder / ".lock")
    assert before == after
    assert content == _digest(folder)
    # However many work at it.
    other = tmp_path / "other"
    _pack(dataset, other, workers=1)
    assert content == _digest(other)


def test_a_changed_file_is_packed_anew(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    folder = tmp_path / "out"
    _pack(dataset, folder, encoding="png")
    times = {p.name: p.stat().st_mtime_ns for p in folder.rglob("*.tfrecord")}
    clip = dataset.clips[3]
    write_video(clip.source, moving(clip.frames, seed=77), "vp9.webm")
    packed = _pack(dataset, folder, encoding="png")
    changed = [
        path.name
        for path in sorted(folder.rglob("*.tfrecord"))
        if path.stat().st_mtime_ns != times[path.name]
    ]
    assert changed == ["00001.tfrecord"]
    np.testing.assert_array_equal(
        packed.read(3, [1]), VideoClips(dataset).read(3, [1])
    )
    packed.verify()


def test_broken_clips_are_listed(tmp_path, caplog):
    dataset = _dataset(tmp_path / "raw")
    for number in (0, 2, 3):
        source = dataset.clips[number].source
        if source.is_dir():
            (source / "00003.jpg").unlink()
        else:
            source.write_bytes(source.read_bytes()[:-200])
    with pytest.raises(DataError, match="raw/"):
        _pack(dataset, tmp_path / "out")
    with pytest.raises(DataError, match="manifest of a finished pack"):
        open_packed(tmp_path / "out")
    packed = _pack(dataset, tmp_path / "out", on_error="skip")
    assert packed.names == ("clip 1", "clip 4", "clip 5")
    assert list(packed.skipped) == ["frames", "clip 2", "clip 3"]
    assert "00003.jpg" in packed.skipped["frames"]
    assert "Clip frames cannot be read" in caplog.text
    assert open_packed(tmp_path / "out").skipped == packed.skipped
    # Names of a split may be those of clips that were left out.
    assert packed.subset(["clip 2", "clip 4"]).names == ("clip 4",)
    packed.verify()
    # They are not passed over where errors are raised.
    with pytest.raises(DataError, match="raw/"):
        _pack(dataset, tmp_path / "out")
    for number in (1, 4, 5):
        dataset.clips[number].source.unlink()
    with pytest.raises(DataError, match="at least one clip that can be pac"):
        _pack(dataset, tmp_path / "out", on_error="skip")


def test_what_a_list_was_read_without_stays_known(tmp_path):
    dataset = _dataset(tmp_path / "raw", 2)
    dataset = dataclasses.replace(dataset, skipped={"short": "too short"})
    packed = _pack(dataset, tmp_path / "out")
    assert packed.skipped == {"short": "too short"}
    assert packed.subset(["clip 1", "short"]).names == ("clip 1",)


def test_a_shard_that_was_cut_short_is_made_anew(tmp_path):
    dataset = _dataset(tmp_path / "raw")
    folder = tmp_path / "out"
    _pack(dataset, folder)
    content = _digest(folder)
    shard = folder / "shards" / "00001.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(DataError, match="00001.tfrecord of"):
        open_packed(folder)
    _pack(dataset, folder)
    assert content == _digest(folder)
    for path in (shard, folder / "index.npy"):
        path.unlink()
        _pack(dataset, folder)
        assert content == _digest(folder)


def test_other_settings_and_other_folders(tmp_path):
    dataset = _dataset(tmp_path / "raw", 3)
    folder = tmp_path / "out"
    _pack(dataset, folder)
    for options in (
        {"short_side": 20},
        {"encoding": "png"},
        {"quality": 90},
        {"clips_per_shard": 3},
    ):
        with pytest.raises(
            DataError, match="pack.json: the clips and settings of this pack"
        ):
            _pack(dataset, folder, **options)
    with pytest.raises(DataError, match="the clips and settings"):
        _pack(dataset.subset(["frames"]), folder)
    with pytest.raises(DataError, match=r"raw: a new folder.*'1.vp9.webm'"):
        _pack(dataset, tmp_path / "raw")
    with pytest.raises(DataError, match="frames/00001.jpg: a new folder"):
        _pack(dataset, tmp_path / "raw" / "frames" / "00001.jpg")
    with locked(folder / ".lock"):
        with pytest.raises(DataError, match="one packing at a time"):
            _pack(dataset, folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "gif"}, "`encoding` is expected.*encoding='gif'"),
        ({"quality": 0}, "`quality` is expected.*quality=0"),
        ({"quality": 101}, "`quality` is expected.*quality=101"),
        ({"short_side": 0}, "`short_side` is expected.*short_side=0"),
        ({"clips_per_shard": 0}, "`clips_per_shard`.*clips_per_shard=0"),
        ({"workers": 0}, "`workers` is expected.*workers=0"),
        ({"on_error": "stop"}, "`on_error` is expected.*'stop'"),
    ],
)
def test_arguments(tmp_path, options, message):
    source = ArrayClips([moving(2, 8, 8)], [0], classes=CLASSES)
    with pytest.raises(ValueError, match=message):
        _pack(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_progress(tmp_path, capsys):
    source = ArrayClips([moving(2, 8, 8)] * 3, [0, 1, 0], classes=CLASSES)
    pack(source, tmp_path / "out", clips_per_shard=1)
    assert "3/3" in capsys.readouterr().out


def test_a_packing_that_was_killed_at_once(tmp_path):
    folder = tmp_path / "out"
    (folder / "shards").mkdir(parents=True)
    source = ArrayClips([moving(2, 8, 8)], [0], classes=CLASSES)
    with pytest.raises(DataError, match=r"out: a new folder.*\['shards'\]"):
        _pack(source, folder)
    (folder / "shards").rmdir()
    for name in (".lock", ".77.pack.json"):
        (folder / name).write_bytes(b"")
    _pack(source, folder)
    assert not list(folder.rglob(".77.*"))


def _arrays():
    return ArrayClips(
        [moving(6, 100, 120, seed) for seed in range(24)],
        [seed % 2 for seed in range(24)],
        classes=CLASSES,
    )


def _work(folder, ready):
    """Packs in a process of its own, which may be killed."""
    source = _arrays()
    ready.set()
    _pack(source, folder, encoding="png", workers=2)


def test_kills_at_random_moments_leave_no_trace(tmp_path):
    start = time.monotonic()
    whole = tmp_path / "whole"
    _pack(_arrays(), whole, encoding="png", workers=2)
    seconds = time.monotonic() - start
    folder = tmp_path / "killed"
    context = multiprocessing.get_context("spawn")
    generator = random.Random(0)
    seen = set()
    for _ in range(4):
        ready = context.Event()
        process = context.Process(target=_work, args=(folder, ready))
        process.start()
        assert ready.wait(60)
        time.sleep(generator.uniform(0, seconds))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        notes = {path.name for path in folder.rglob("*.json")}
        # What is done stays done.
        assert seen <= notes
        seen = notes - {"manifest.json"}
        for note in folder.glob("shards/*.json"):
            shard = json.loads(note.read_text())
            content = note.with_suffix(".tfrecord").read_bytes()
            assert hashlib.sha256(content).hexdigest() == shard["sha256"]
    packed = _pack(_arrays(), folder, encoding="png", workers=2)
    packed.verify()
    assert _digest(folder) == _digest(whole)
