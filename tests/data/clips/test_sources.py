import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data import ArrayClips
from keras_cakes.data import DataError
from keras_cakes.data.clips.sources import FrameSource


@pytest.fixture
def arrays():
    generator = np.random.default_rng(0)
    return [
        generator.integers(0, 256, (time, 6, 7, 3), np.uint8)
        for time in (3, 1, 8)
    ]


def test_frames_are_those_of_the_arrays(arrays):
    source = ArrayClips(arrays, [1, 0, None], classes=("a", "b"))
    assert source.names == ("0", "1", "2")
    assert source.labels.tolist() == [1, 0, -1]
    assert source.frame_counts.tolist() == [3, 1, 8]
    assert (source.channels, source.classes, len(source)) == (3, ("a", "b"), 3)
    frames = [0, 0, 2]
    data = tf.data.Dataset.from_tensor_slices([0, 2]).map(
        lambda clip: source.read(clip, frames)
    )
    assert data.element_spec.shape == (3, 6, 7, 3)
    for images, number in zip(data, (0, 2), strict=True):
        np.testing.assert_array_equal(images, arrays[number][frames])
    for number, array in enumerate(arrays):
        np.testing.assert_array_equal(list(source.frames_of(number)), array)
    images, is_read = source.try_read(2, [7, 1])
    assert is_read
    np.testing.assert_array_equal(images, arrays[2][[7, 1]])


@pytest.mark.parametrize("frames", [[0, 3], [-1]])
def test_frames_beyond_a_clip(arrays, frames):
    source = ArrayClips(arrays, [0, 0, 0], classes=("a",))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="Frames of a clip are expected"
    ):
        source.read(0, frames)
    data = tf.data.Dataset.range(1).map(lambda n: source.read(n, frames))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="Frames of a clip are expected"
    ):
        list(data)


def test_subsets_share_the_frames(arrays):
    source = ArrayClips(
        arrays, [0, 1, None], classes=("a", "b"), names=("x", "y", "z")
    )
    part = source.subset(["z", "x"])
    assert part.names == ("z", "x")
    assert part.labels.tolist() == [-1, 0]
    np.testing.assert_array_equal(part.read(0, [7, 0]), arrays[2][[7, 0]])
    np.testing.assert_array_equal(part.read(1, [2]), arrays[0][[2]])
    assert part._frames is source._frames
    with pytest.raises(DataError, match=r"Names of clips.*\['w'\]"):
        source.subset(["w"])


def test_fingerprints_follow_the_frames(arrays):
    source = ArrayClips(arrays, [0, 0, 0], classes=("a",))
    changed = [array.copy() for array in arrays]
    changed[1][0, 0, 0, 0] ^= 1
    other = ArrayClips(changed, [0, 0, 0], classes=("a",))
    same = [source.fingerprint(n) == other.fingerprint(n) for n in range(3)]
    assert same == [True, False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.clear(), "At least one clip.*0 clips"),
        (lambda a: a.pop(), "a label and a name for each.*2 clips, 3 labels"),
        (
            lambda a: a.__setitem__(1, a[1].astype("float32")),
            r"uint8 arrays.*arrays\[1\] of float32",
        ),
        (
            lambda a: a.__setitem__(2, a[2][:, :5]),
            r"of one size.*arrays\[2\] of uint8 and shape \(8, 5, 7, 3\)",
        ),
        (lambda a: a.__setitem__(0, a[0][:0]), r"arrays\[0\].*\(0, 6, 7, 3\)"),
        (lambda a: a.__setitem__(0, a[0][..., 0]), r"arrays\[0\].*\(3, 6, 7\)"),
        (
            lambda a: a.__setitem__(slice(None), [x[..., :2] for x in a]),
            "`channels` is expected to be one of .1, 3.. Received: channels=2",
        ),
    ],
)
def test_bad_arrays(arrays, change, message):
    change(arrays)
    with pytest.raises(ValueError, match=message):
        ArrayClips(arrays, [0, 0, 0], classes=("a",))


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 1, 2], None, r"Labels from 0 to 1.*Received: \[2\]"),
        ([0, -2, 1], None, r"Labels from 0 to 1.*Received: \[-2\]"),
        ([0, 1], None, "3 clips, 2 labels, 3 names"),
        ([0, 1, 1], ("a", "b"), "3 clips, 3 labels, 2 names"),
        ([0, 1, 1], ("a", "b", "a"), r"each name once.*\['a'\] more than once"),
    ],
)
def test_bad_labels_and_names(arrays, labels, names, message):
    with pytest.raises(ValueError, match=message):
        ArrayClips(arrays, labels, classes=("a", "b"), names=names)


def test_what_all_sources_share_reads_nothing():
    table = FrameSource(
        ["x"], [0], frame_counts=[3], classes=("a",), channels=1
    )
    for method in (table.frames_of, table.fingerprint):
        with pytest.raises(NotImplementedError):
            method(0)
