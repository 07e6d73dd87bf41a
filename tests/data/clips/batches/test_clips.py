import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import chisquare

from keras_cakes.data.clips.batches.clip_augmentation import ClipAugmentation
from keras_cakes.data.clips.batches.clips import clips
from keras_cakes.data.clips.batches.sampling import segment_frames
from keras_cakes.data.clips.sources import ArrayClips

RAW = {"mean": (0.0,), "std": (1 / 255,)}
WHOLE = ClipAugmentation((4, 4), "none", **RAW)


def _source(count=5, channels=1, lengths=None, labels=None):
    """Every frame has one value: ten times its clip, and its own number."""
    lengths = lengths or [3 + number % 4 for number in range(count)]
    return ArrayClips(
        [
            np.full((length, 6, 8, channels), 10 * clip, np.uint8)
            + np.arange(length, dtype=np.uint8)[:, None, None, None]
            for clip, length in enumerate(lengths)
        ],
        labels or [clip % 3 for clip in range(len(lengths))],
        classes=("a", "b", "c"),
    )


class _Broken(ArrayClips):
    """Some clips cannot be read."""

    def break_clips(self, *broken):
        self.broken = tf.constant(broken)
        return self

    def _note(self, clip):
        self.failures[self.names[clip]] = "broken"
        return np.bool_(False)

    def read(self, clip, frames):
        good = tf.reduce_all(tf.not_equal(clip, self.broken))
        check = tf.debugging.Assert(good, ["broken clip", clip])
        with tf.control_dependencies([check] if check is not None else []):
            return super().read(clip, frames)

    def try_read(self, clip, frames):
        def failed():
            noted = tf.numpy_function(self._note, [clip], tf.bool)
            noted.set_shape([])
            shape = tf.concat([tf.shape(frames), [1, 1, self.channels]], 0)
            return tf.zeros(shape, tf.uint8), noted

        bad = tf.reduce_any(tf.equal(clip, self.broken))
        return tf.cond(
            bad,
            failed,
            lambda: (super(_Broken, self).read(clip, frames), ~bad),
        )


def _broken(*broken, count=5):
    source = _source(count)
    return _Broken(
        [np.full((3, 6, 8, 1), 10 * clip, np.uint8) for clip in range(count)],
        source.labels.tolist(),
        classes=source.classes,
    ).break_clips(*broken)


def _take(source, frames=2, batch_size=1, **keywords):
    keywords = {"seed": 3, "augmentation": WHOLE, **keywords}
    data = clips(source, frames, batch_size=batch_size, **keywords)
    return [(clip.numpy(), label.numpy()) for clip, label in data]


def _numbers(batches):
    return [
        int(x) // 10 for clip, _ in batches for x in clip[:, 0, 0, 0, 0] + 0.5
    ]


def _same(some, others):
    for (a, b), (c, d) in zip(some, others, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


def test_shapes_and_types():
    for channels, size in ((1, (4, 5)), (3, (7, 4))):
        source = _source(channels=channels)
        data = clips(
            source,
            6,
            batch_size=2,
            seed=0,
            augmentation=ClipAugmentation(size),
            steps=3,
        )
        clip, label = data.element_spec
        assert (clip.shape, label.shape) == ((2, 6, *size, channels), (2,))
        assert (clip.dtype, label.dtype) == ("float32", "int32")
        assert len(list(data)) == 3


def test_the_default_crops_224():
    data = clips(_source(1), 2, batch_size=1, seed=0)
    assert data.element_spec[0].shape == (1, 2, 224, 224, 1)


def test_each_epoch_is_a_permutation():
    batches = _take(_source(5), batch_size=3, steps=20)
    order = np.array(_numbers(batches)).reshape(12, 5)
    assert all(sorted(epoch) == list(range(5)) for epoch in order)
    assert len({tuple(epoch) for epoch in order}) > 9


def test_orders_are_drawn_evenly():
    # 256 seeds further, or as many epochs, nothing is as it was.
    orders = []
    for seed in (0, 256):
        batches = _take(_source(4), batch_size=4, steps=300, seed=seed)
        orders.append(np.array(_numbers(batches)).reshape(300, 4))
    assert (orders[0] != orders[1]).any(1).mean() > 0.9
    assert (orders[0][:44] != orders[0][256:]).any(1).mean() > 0.8
    for place in range(4):
        drawn = np.bincount(np.concatenate(orders)[:, place])
        assert chisquare(drawn).pvalue > 1e-4


def test_labels_are_those_of_the_clips():
    source = _source(5)
    for clip, label in _take(source, batch_size=4, steps=5):
        for number, found in zip(_numbers([(clip, label)]), label, strict=True):
            assert found == source.labels[number]


@pytest.mark.parametrize("short", ["spread", "published"])
@pytest.mark.parametrize("remainder", ["dropped", "spread"])
def test_frames_are_one_of_each_segment(short, remainder):
    source = _source(lengths=[1, 3, 4, 9])
    seen = set()
    for clip, _ in _take(
        source, 4, steps=200, short=short, remainder=remainder
    ):
        values = np.round(clip[0, :, 0, 0, 0]).astype(int)
        number, frames = values[0] // 10, values % 10
        assert (np.diff(frames) >= 0).all() and (values // 10 == number).all()
        seen.add((number, *frames))
    expected = {
        (number, *frames)
        for number, length in enumerate(source.frame_counts)
        for key in range(300)
        for frames in [
            segment_frames(
                length, 4, key=[key, 0], short=short, remainder=remainder
            ).numpy()
        ]
        if length < 5
    }
    assert {chosen for chosen in seen if chosen[0] < 3} == expected
    if short == "published":
        assert (1, 0, 0, 0, 0) in seen
    last = max(chosen[-1] for chosen in seen if chosen[0] == 3)
    assert last == (7 if remainder == "dropped" else 8)


def test_a_resumed_run_goes_on():
    keywords = {
        "batch_size": 3,
        "augmentation": ClipAugmentation(
            (5, 5), flip=True, flip_pairs=((0, 1),), brightness=0.3
        ),
    }
    whole = _take(_source(), steps=6, **keywords)
    _same(whole, _take(_source(), steps=6, **keywords))
    _same(whole[4:], _take(_source(), steps=2, start_step=4, **keywords))
    other = _take(_source(), steps=6, seed=4, **keywords)
    assert any(
        (a != b).any() for (a, _), (b, _) in zip(whole, other, strict=True)
    )


def test_shards_share_the_clips_of_one():
    whole = _take(_source(), steps=9)
    parts = [_take(_source(), steps=3, shard=(i, 3)) for i in range(3)]
    _same(whole, [parts[number % 3][number // 3] for number in range(9)])


def test_the_number_of_threads_changes_nothing():
    data = clips(
        _source(), 3, batch_size=2, seed=1, steps=6, augmentation=WHOLE
    )
    options = tf.data.Options()
    options.threading.private_threadpool_size = 4
    _same(list(data), list(data.with_options(options)))


def test_a_subset():
    source = _source(6).subset(["1", "4"])
    assert sorted(_numbers(_take(source, steps=2))) == [1, 4]


def test_a_broken_clip_stops_training():
    source = _broken(3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="broken clip"):
        _take(source, steps=5)
    assert not source.failures


def test_a_broken_clip_is_skipped_and_counted():
    source = _broken(1, 3)
    batches = _take(source, steps=25, on_error="skip")
    assert source.failures == {"1": "broken", "3": "broken"}
    numbers = np.array(_numbers(batches)).reshape(5, 5)
    assert set(numbers.ravel()) == {0, 2, 4}
    # All others are seen, and where a clip was broken one of them.
    assert all(set(epoch) == {0, 2, 4} for epoch in numbers)
    assert all(
        label == n % 3
        for n, (_, label) in zip(_numbers(batches), batches, strict=True)
    )
    whole = _take(_source(5), steps=25)
    kept = [n not in (1, 3) for n in _numbers(whole)]
    assert [n for n, k in zip(numbers.ravel(), kept, strict=True) if k] == [
        n for n, k in zip(_numbers(whole), kept, strict=True) if k
    ]


def test_a_run_that_skips_can_be_resumed():
    whole = _take(_broken(0, 2), batch_size=2, steps=8, on_error="skip")
    rest = _take(
        _broken(0, 2), batch_size=2, steps=3, start_step=5, on_error="skip"
    )
    _same(whole[5:], rest)


def test_skipping_changes_nothing_where_all_can_be_read():
    _same(
        _take(_source(), batch_size=2, steps=6),
        _take(_source(), batch_size=2, steps=6, on_error="skip"),
    )


def test_nothing_can_be_read():
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="that can be read is expected"
    ):
        _take(_broken(0, 1, count=2), steps=1, on_error="skip")


def test_sizes_of_frames_may_differ():
    class Mixed(ArrayClips):
        def read(self, clip, frames):
            images = super().read(clip, frames)
            images = images[:, : 3 + clip, : 5 - clip]
            images.set_shape((None, None, None, 1))
            return images

    source = Mixed(
        [np.full((3, 6, 8, 1), 10 * n, np.uint8) for n in range(3)],
        [0, 1, 2],
        classes=("a", "b", "c"),
    )
    for crop in ("multi_scale", "random", "centre", "none"):
        augmentation = ClipAugmentation((4, 4), crop, **RAW)
        found = _take(source, augmentation=augmentation, steps=3)
        assert sorted(_numbers(found)) == [0, 1, 2]


MESSAGES = [
    ({"frames": 0}, "`frames` is .* at least 1. Received: frames=0"),
    ({"batch_size": 0}, "`batch_size` is .* at least 1.*batch_size=0"),
    ({"start_step": -1}, "`start_step` is .* at least 0.*start_step=-1"),
    ({"steps": -2}, "`steps` is expected .* at least 0.*steps=-2"),
    ({"shard": (2, 2)}, r"`shard` is .* Received: shard=\(2, 2\)"),
    ({"shard": (-1, 2)}, r"`shard` is .* Received: shard=\(-1, 2\)"),
    ({"shard": (0,)}, r"`shard` is .* Received: shard=\(0,\)"),
    ({"on_error": "log"}, "`on_error` is .*'skip'.* Received: on_error='log'"),
    ({"short": "pad"}, "`short` is expected .* Received: short='pad'"),
    ({"remainder": "?"}, r"`remainder` is expected .* remainder='\?'"),
    (
        {"source": _source(3, labels=[0, None, None])},
        r"labelled clips. Received: 3 clips, without label: \['1', '2'\]",
    ),
    (
        {"augmentation": ClipAugmentation(saturation=0.5)},
        "`saturation` is expected to be 0 for grey clips",
    ),
    (
        {"augmentation": ClipAugmentation(flip=True, flip_pairs=((1, 3),))},
        "`flip_pairs` is .* labels below 3",
    ),
]


def test_a_wrong_argument_is_named():
    for keywords, message in MESSAGES:
        arguments = {
            **{"source": _source(), "frames": 2, "batch_size": 1, "seed": 0},
            **keywords,
        }
        with pytest.raises(ValueError, match=message):
            clips(**arguments)
