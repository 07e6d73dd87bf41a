import numpy as np
import pytest

from keras_cakes.data.clips.synthetic.clip_phantom import PHANTOM_CLIP_CLASSES
from keras_cakes.data.clips.synthetic.clip_phantom import phantom_clip
from keras_cakes.data.clips.synthetic.clip_phantom import phantom_clips

PAIRS = [PHANTOM_CLIP_CLASSES[:2], PHANTOM_CLIP_CLASSES[2:]]


def _arrays(source):
    return [
        source.read(clip, np.arange(count)).numpy()
        for clip, count in enumerate(source.frame_counts)
    ]


def test_same_seed_same_bytes():
    first, again, other = (
        [array.tobytes() for array in _arrays(phantom_clips(n, seed=seed))]
        for n, seed in ((3, 5), (4, 5), (3, 6))
    )
    assert first == again[:3]
    assert not set(first) & set(other)


def test_shapes_names_and_classes():
    source = phantom_clips(6, (5, 16, 20), events="both")
    assert source.names[::5] == ("phantom_000", "phantom_005")
    assert source.classes == PHANTOM_CLIP_CLASSES
    assert source.labels.tolist() == [0, 1, 2, 3, 0, 1]
    assert source.frame_counts.tolist() == [5] * 6 and source.channels == 1
    assert {array.shape for array in _arrays(source)} == {(5, 16, 20, 1)}
    for events, pair in zip(("motion", "appearance"), PAIRS, strict=True):
        assert phantom_clips(2, events=events).classes == pair


def test_a_class_is_its_partner_played_backwards():
    for one, other in PAIRS:
        for number in range(20):
            forward = phantom_clip(one, (7, 20, 24), seed=(3, number))
            backward = phantom_clip(other, (7, 20, 24), seed=(3, number))
            np.testing.assert_array_equal(forward, backward[::-1])
            # As sets of frames nothing tells them apart.
            frames = sorted(frame.tobytes() for frame in forward)
            assert frames == sorted(frame.tobytes() for frame in backward)
            assert len(set(frames)) == 7


def _drift(clip):
    """How far what changes moves to the right."""
    clip = clip[..., 0].astype(float)
    away = np.abs(clip - np.median(clip, axis=0))
    away = np.maximum(away - 30, 0)
    weight = away.sum(axis=(1, 2)) + 1e-6
    centre = (away.sum(axis=1) * np.arange(clip.shape[2])).sum(axis=1) / weight
    times = np.arange(len(clip)) - (len(clip) - 1) / 2
    return (times * centre).sum()


def _growth(clip):
    """How much more structure there is at the end."""
    clip = clip[..., 0].astype(float)
    half = len(clip) // 3
    first, last = clip[:half].mean(axis=0), clip[-half:].mean(axis=0)
    change = last - first
    shape = np.abs(change) > 0.5 * np.abs(change).max()
    around = ~shape
    return sum(
        sign * abs(image[shape].mean() - image[around].mean())
        for image, sign in ((last, 1), (first, -1))
    )


@pytest.mark.parametrize(
    ("events", "score"), [("motion", _drift), ("appearance", _growth)]
)
def test_the_order_of_frames_tells_classes_apart(events, score):
    source = phantom_clips(200, events=events, seed=2)
    scores = np.array([score(clip) for clip in _arrays(source)])
    right = (scores < 0) == (source.labels == 1)
    assert right.mean() > 0.9
    # Mixed up, it does not.
    generator = np.random.default_rng(0)
    scores = [score(generator.permutation(clip)) for clip in _arrays(source)]
    right = (np.array(scores) < 0) == (source.labels == 1)
    assert 0.35 < right.mean() < 0.65


def test_whatever_sees_no_order_is_right_in_half_of_the_clips():
    for events in ("motion", "appearance", "both"):
        source = phantom_clips(40, events=events, seed=4)
        seen = [clip.astype(int).sum(0).ravel() for clip in _arrays(source)]
        pairs = np.array(seen).reshape(20, 2, -1)
        np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])
        # No two pairs are of the same scene.
        assert len({pair.tobytes() for pair in pairs}) == 20
        assert (source.labels.reshape(20, 2) % 2 == [0, 1]).all()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"clips": 0}, "`clips` is expected.*Received: clips=0"),
        (
            {"shape": (3, 32, 32)},
            r"`shape` is expected to be at least 4 frames.*shape=\(3, 32, 32\)",
        ),
        (
            {"shape": (8, 15, 32)},
            r"`shape` is expected to be at least 4 frames.*shape=\(8, 15, 32\)",
        ),
        (
            {"shape": (8, 32)},
            r"`shape` is expected to be at least 4 frames.*shape=\(8, 32\)",
        ),
        ({"events": "all"}, "`events` is .*'both'.*Received: events='all'"),
    ],
)
def test_a_wrong_argument_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        phantom_clips(**{"clips": 2, **keywords})
