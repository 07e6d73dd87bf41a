import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from keras_cakes.data.clips.batches.sampling import segment_frames
from keras_cakes.data.clips.batches.sampling import shifted_frames

KEY = tf.constant([3, 4])
counts = st.integers(1, 400)
segment_numbers = st.integers(1, 40)


PUBLISHED = [
    (8, 8, "validation", "1 1 1 1 1 1 1 1"),
    (8, 8, "test", "1 2 3 4 5 6 7 8"),
    (5, 8, "validation", "1 1 1 1 1 1 1 1"),
    (5, 8, "test", "1 1 2 3 3 4 5 5"),
    (9, 8, "validation", "1 2 3 4 6 7 8 9"),
    (16, 8, "validation", "2 4 6 8 10 12 14 16"),
    (30, 8, "validation", "2 6 10 14 17 21 25 29"),
    (40, 8, "validation", "3 8 13 18 23 28 33 38"),
    (48, 8, "validation", "4 10 16 22 28 34 40 46"),
    (100, 8, "validation", "7 19 32 44 57 69 82 94"),
    (16, 16, "validation", "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
    (17, 16, "validation", "1 2 3 4 5 6 7 8 10 11 12 13 14 15 16 17"),
    (48, 16, "validation", "2 5 8 11 14 17 20 23 26 29 32 35 38 41 44 47"),
]


def test_published_frames():
    for count, segments, rule, expected in PUBLISHED:
        found = segment_frames(count, segments, rule=rule, short="published")
        # As published, frames are counted from 1.
        found = " ".join(str(frame + 1) for frame in found.numpy())
        assert found == expected, (count, segments, rule)


@given(counts, st.sampled_from([1, 2, 4, 8, 16, 32]))
@settings(deadline=None, max_examples=60)
def test_validation_is_the_published_formula(count, segments):
    # Ticks of these segments are exact as floats.
    tick = count / float(segments)
    expected = [int(tick / 2.0 + tick * x) for x in range(segments)]
    for rule in ("test", "validation"):
        found = segment_frames(count, segments, rule=rule)
        assert found.numpy().tolist() == expected
    found = segment_frames(
        count, segments, rule="validation", short="published"
    )
    if count <= segments:
        expected = [0] * segments
    assert found.numpy().tolist() == expected


@given(counts, segment_numbers, st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_published_training(count, segments, seed):
    found = segment_frames(count, segments, key=[seed, 1], short="published")
    length = count // segments
    if length == 0:
        assert found.numpy().tolist() == [0] * segments
    else:
        assert (found.numpy() // length).tolist() == list(range(segments))


@given(
    counts,
    segment_numbers,
    st.integers(0, 1000),
    st.sampled_from(["training", "validation", "test"]),
    st.sampled_from(["dropped", "spread"]),
)
@settings(deadline=None, max_examples=120)
def test_one_frame_of_each_segment(count, segments, seed, rule, remainder):
    found = segment_frames(
        count, segments, key=[seed, 2], rule=rule, remainder=remainder
    )
    assert found.dtype == tf.int32 and found.shape == (segments,)
    found = found.numpy()
    assert (np.diff(found) >= 0).all()
    assert 0 <= found[0] and found[-1] < count
    seen = count
    if rule == "training" and remainder == "dropped" and count >= segments:
        seen = count // segments * segments
    for x, frame in enumerate(found):
        # Segment x is [x, x + 1) * seen / segments; frame f is [f, f + 1).
        assert frame * segments < (x + 1) * seen
        assert (frame + 1) * segments > x * seen
    if count >= segments and (rule, remainder) != ("training", "spread"):
        assert len(set(found)) == segments


def _draw(count, segments, draws, **keywords):
    keys = tf.stack([tf.range(draws), tf.ones(draws, tf.int32)], 1)

    @tf.function
    def run():
        return tf.map_fn(
            lambda key: segment_frames(count, segments, key=key, **keywords),
            keys,
            fn_output_signature=tf.int32,
        )

    return run().numpy()


@pytest.mark.parametrize(
    ("count", "segments", "remainder", "seen"),
    [
        (40, 8, "dropped", 40),
        (27, 4, "dropped", 24),
        (27, 4, "spread", 27),
        (8, 8, "dropped", 8),
        (3, 8, "dropped", 3),
        (5, 7, "dropped", 5),
    ],
)
def test_training_draws_evenly_within_segments(
    count, segments, remainder, seen
):
    found = _draw(count, segments, 1500, remainder=remainder)
    for x in range(segments):
        edges = np.arange(count + 1) * segments / seen
        share = np.diff(np.clip(edges, x, x + 1))
        seen_here = np.bincount(found[:, x], minlength=count)
        assert (seen_here[share <= 1e-9] == 0).all()
        possible = share > 1e-9
        if possible.sum() > 1:
            expected = share[possible] * len(found)
            assert chisquare(seen_here[possible], expected).pvalue > 1e-4


def test_segments_are_drawn_independently():
    found = _draw(20, 2, 1500)
    table = np.histogram2d(found[:, 0], found[:, 1] - 10, bins=2)[0]
    assert chisquare(table.ravel()).pvalue > 1e-4


def test_a_key_gives_one_draw():
    first, again = (segment_frames(90, 6, key=KEY) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = segment_frames(90, 6, key=[3, 5])
    assert (first.numpy() != other.numpy()).any()


@given(counts, segment_numbers, st.integers(1, 10))
@settings(deadline=None, max_examples=60)
def test_shifted_samplings(count, segments, clips):
    found = shifted_frames(count, segments, clips=clips)
    assert found.dtype == tf.int32 and found.shape == (clips, segments)
    np.testing.assert_array_equal(
        shifted_frames(count, segments)[0],
        segment_frames(count, segments, rule="validation"),
    )
    # Together they are one sampling of that many segments.
    np.testing.assert_array_equal(
        found.numpy().T.ravel(),
        segment_frames(count, segments * clips, rule="validation"),
    )


def test_shifted_samplings_of_short_clips_as_published():
    found = shifted_frames(8, 8, clips=3, short="published")
    np.testing.assert_array_equal(found, np.zeros((3, 8)))
    np.testing.assert_array_equal(
        shifted_frames(9, 8, clips=3, short="published"),
        shifted_frames(9, 8, clips=3),
    )


@pytest.mark.parametrize("rule", ["training", "test"])
def test_shapes_are_known_in_a_graph(rule):
    seen = []

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def run(count):
        frames = segment_frames(count, 8, key=KEY, rule=rule)
        seen.append(frames.shape)
        return frames

    for count in (1, 7, 8, 9, 3_000_000):
        np.testing.assert_array_equal(
            run(tf.constant(count)),
            segment_frames(count, 8, key=KEY, rule=rule),
        )
    assert seen == [(8,)]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"segments": 0}, "`segments` is .* at least 1. Received: segments=0"),
        ({"short": "pad"}, "`short` is .*'published'.*Received: short='pad'"),
        ({"rule": "tset"}, "`rule` is .*'test'.*Received: rule='tset'"),
        (
            {"remainder": "kept"},
            "`remainder` is .*'dropped'.*Received: remainder='kept'",
        ),
        ({"key": None}, "`key` is expected to be a seed.*Received: key=None"),
    ],
)
def test_a_wrong_argument_is_named(keywords, message):
    arguments = {"count": 9, "segments": 3, "key": KEY, **keywords}
    with pytest.raises(ValueError, match=message):
        segment_frames(**arguments)


def test_no_samplings():
    with pytest.raises(ValueError, match="`clips` is .* Received: clips=0"):
        shifted_frames(9, 3, clips=0)
