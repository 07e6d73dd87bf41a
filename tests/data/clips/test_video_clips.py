import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data import Clip
from keras_cakes.data import ClipDataset
from keras_cakes.data import DataError
from keras_cakes.data import VideoClips
from tests.data.clips.video_files import all_frames
from tests.data.clips.video_files import moving
from tests.data.clips.video_files import write_frames
from tests.data.clips.video_files import write_video


@pytest.fixture
def dataset(tmp_path):
    write_video(tmp_path / "a.mp4", moving(9), "h264.mp4")
    write_video(tmp_path / "b.webm", moving(5, 30, 40), "vp9.webm")
    write_frames(tmp_path / "c", moving(6, 20, 24))
    clips = (
        Clip("a", tmp_path / "a.mp4", 9, 0),
        Clip("b", tmp_path / "b.webm", 5, 1),
        Clip("c", tmp_path / "c", 6, None),
    )
    return ClipDataset("small", clips, ("left", "right"))


def _mapped(source, frames, count=12, read=None):
    read = read or source.read
    return tf.data.Dataset.range(count).map(
        lambda number: read(number % len(source), frames),
        num_parallel_calls=4,
    )


def test_a_pipeline_sees_the_frames_of_the_files(dataset):
    source = VideoClips(dataset)
    assert source.labels.tolist() == [0, 1, -1]
    assert source.frame_counts.tolist() == [9, 5, 6]
    assert (len(source), source.channels) == (3, 3)
    expected = [
        all_frames(dataset.clips[0].source)[[4, 0, 0]],
        all_frames(dataset.clips[1].source)[[4, 0, 0]],
        np.stack(list(source.frames_of(2)))[[4, 0, 0]],
    ]
    data = _mapped(source, [4, 0, 0])
    assert data.element_spec.shape.as_list() == [3, None, None, 3]
    # Thrice: files are known when they are read again.
    for number, images in enumerate(data):
        np.testing.assert_array_equal(images, expected[number % 3])


def test_a_number_of_frames_that_only_running_tells(dataset):
    source = VideoClips(dataset, channels=1)
    read = tf.function(
        source.read,
        input_signature=[
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([None], tf.int32),
        ],
    )
    assert read(0, [1, 2]).shape == (2, 48, 64, 1)
    assert read(2, [5]).shape == (1, 20, 24, 1)


def test_all_frames_of_a_clip(dataset):
    source = VideoClips(dataset)
    for number, clip in enumerate(dataset.clips):
        frames = np.stack(list(source.frames_of(number)))
        read = source.read(number, range(clip.frames)).numpy()
        np.testing.assert_array_equal(frames, read)


def test_fingerprints_follow_the_files(dataset):
    source = VideoClips(dataset)
    before = [source.fingerprint(number) for number in range(3)]
    assert len(set(before)) == 3
    assert before == [source.fingerprint(number) for number in range(3)]
    dataset.clips[0].source.write_bytes(b"others")
    (dataset.clips[2].source / "00003.jpg").write_bytes(b"others")
    after = [source.fingerprint(number) for number in range(3)]
    assert [a == b for a, b in zip(after, before, strict=True)] == [
        False,
        True,
        False,
    ]
    dataset.clips[0].source.unlink()
    assert source.fingerprint(0) not in (before[0], after[0])


def test_damage_stops_a_pipeline_that_names_the_file(dataset):
    path = dataset.clips[1].source
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match="DataError: .*b.webm: a complete video file is expected",
    ):
        list(_mapped(VideoClips(dataset), [1, 2]))


def test_fewer_frames_than_stated(dataset):
    clips = tuple(
        Clip(clip.name, clip.source, 10, clip.label) for clip in dataset.clips
    )
    source = VideoClips(ClipDataset("long", clips, dataset.classes))
    for number, clip in enumerate(clips):
        with pytest.raises(DataError, match=str(clip.source)):
            source.read(number, [0, 9])
        with pytest.raises(DataError, match=str(clip.source)):
            list(source.frames_of(number))
    # And more than stated are not read.
    clips = (Clip("a", dataset.clips[0].source, 4, 0),)
    source = VideoClips(ClipDataset("short", clips, dataset.classes))
    assert len(list(source.frames_of(0))) == 4


def test_damage_that_is_passed_over_is_noted(dataset, caplog):
    dataset.clips[0].source.write_bytes(b"no video")
    (dataset.clips[2].source / "00002.jpg").unlink()
    source = VideoClips(dataset)
    data = _mapped(source, [1, 2], read=source.try_read)
    assert data.element_spec[1].shape == ()
    for number, (images, is_read) in enumerate(data):
        assert bool(is_read) == (number % 3 == 1)
        size = (30, 40) if is_read else (1, 1)
        assert images.shape == (2, *size, 3)
        assert is_read or not images.numpy().any()
    assert sorted(source.failures) == ["a", "c"]
    assert "a.mp4" in source.failures["a"]
    assert "00002.jpg" in source.failures["c"]
    # Once each, however often they are tried.
    assert caplog.text.count("Clip a cannot be read") == 1


def test_subsets(dataset):
    source = VideoClips(dataset, channels=1).subset(["c", "a"])
    assert (source.names, source.channels) == (("c", "a"), 1)
    assert source.labels.tolist() == [-1, 0]
    assert source.read(1, [8]).shape == (1, 48, 64, 1)
    with pytest.raises(DataError, match=r"names of clips.*\['d'\]"):
        source.subset(["d"])


def test_arguments(dataset):
    with pytest.raises(ValueError, match="`channels` is expected.*channels=2"):
        VideoClips(dataset, channels=2)
    with pytest.raises(ValueError, match="At least one clip.*0 clips"):
        VideoClips(ClipDataset("none", (), ("a",)))
