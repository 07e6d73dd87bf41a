import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.data.clips.batches.clip_augmentation import (
    SOMETHING_SOMETHING_PAIRS,
)
from keras_cakes.data.clips.batches.clip_augmentation import ClipAugmentation

# What is seen are the values of the frames, 0 to 255.
RAW = {"mean": (0.0,), "std": (1 / 255,)}


def _frames(frames=3, height=20, width=30, channels=3):
    shape = (frames, height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _augment(augmentation, frames, label=0, number=0):
    clip, label = augmentation.augment(
        tf.constant(frames), tf.constant(label), key=tf.constant([7, number])
    )
    return clip.numpy(), int(label)


ANY = st.builds(
    ClipAugmentation,
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    crop=st.sampled_from(["multi_scale", "random", "centre", "none"]),
    short_side=st.one_of(st.none(), st.integers(24, 60)),
    scales=st.sampled_from([(1.0,), (0.9, 0.5), (1, 0.875, 0.75, 0.66)]),
    flip=st.booleans(),
    brightness=st.sampled_from([0, 0.4]),
    contrast=st.sampled_from([0, 0.4]),
    mean=st.sampled_from([None, (0.4,)]),
    std=st.sampled_from([None, (0.2,)]),
    antialias=st.booleans(),
)


@given(
    ANY,
    st.integers(1, 50),
    st.integers(1, 50),
    st.sampled_from([1, 3]),
    st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60)
def test_equal_frames_stay_equal(augmentation, height, width, channels, number):
    frame = _frames(1, height, width, channels)
    frames = np.repeat(frame, 4, axis=0)
    clip, _ = _augment(augmentation, frames, number=number)
    assert clip.dtype == np.float32
    assert clip.shape == (4, *augmentation.size, channels)
    assert np.isfinite(clip).all()
    np.testing.assert_array_equal(clip[1:], clip[:-1])
    again, _ = _augment(augmentation, frames, number=number)
    np.testing.assert_array_equal(clip, again)


@given(ANY, st.integers(1, 50), st.integers(1, 50))
@settings(deadline=None, max_examples=30)
def test_views_are_crops_without_draws(augmentation, height, width):
    frames = _frames(2, height, width)
    crops = 1 if augmentation.crop == "none" else 3
    views = augmentation.views(tf.constant(frames), crops).numpy()
    assert views.shape == (crops, 2, *augmentation.size, 3)
    still = dataclasses.replace(
        augmentation, flip=False, brightness=0, contrast=0
    )
    if still.crop != "none":
        still = dataclasses.replace(still, crop="centre")
    centre = still.views(tf.constant(frames)).numpy()
    np.testing.assert_array_equal(centre[0], views[crops // 2])
    np.testing.assert_array_equal(centre[0], _augment(still, frames)[0])


def test_crops_of_frames_that_need_no_resizing():
    frames = _frames(2, 16, 25).astype("float32")
    augmentation = ClipAugmentation((14, 14), "random", short_side=16, **RAW)
    views = augmentation.views(tf.cast(frames, tf.uint8), 3)
    for view, left in zip(views, (0, 5, 11), strict=True):
        expected = frames[:, 1:15, left : left + 14]
        np.testing.assert_allclose(view, expected, atol=1e-3)
    upright = tf.cast(frames.transpose(0, 2, 1, 3), tf.uint8)
    for view, top in zip(
        augmentation.views(upright, 3), (0, 5, 11), strict=True
    ):
        expected = frames.transpose(0, 2, 1, 3)[:, top : top + 14, 1:15]
        np.testing.assert_allclose(view, expected, atol=1e-3)


def _places(augmentation, frames, draws):
    """Upper left values of crops, which tell where they were."""
    return {
        tuple(_augment(augmentation, frames, number=n)[0][0, 0, 0])
        for n in range(draws)
    }


def test_random_crops_are_anywhere():
    height, width = 16, 18
    rows, columns = np.mgrid[:height, :width]
    frames = np.stack([rows, columns, rows], -1)[None].astype("uint8")
    augmentation = ClipAugmentation((14, 14), "random", short_side=16, **RAW)
    found = _places(augmentation, frames, 200)
    expected = {(r, c, r) for r in range(3) for c in range(5)}
    assert {tuple(np.round(place)) for place in found} == expected


def test_multi_scale_crops_lie_in_thirteen_places():
    rows, columns = np.mgrid[:28, :44]
    frames = np.stack([rows, columns, rows], -1)[None].astype("uint8")
    augmentation = ClipAugmentation((20, 20), scales=(20 / 28,), **RAW)
    found = _places(augmentation, frames, 200)
    expected = {(8 * r // 4, 24 * c // 4) for r in (0, 2, 4) for c in (0, 2, 4)}
    expected |= {(2 * r, 6 * c) for r in (1, 3) for c in (1, 3)}
    assert {tuple(np.round(place[:2])) for place in found} == expected


def test_mirrored_clips_and_their_labels():
    frames = _frames()
    still = ClipAugmentation((9, 12), "random")
    flipping = dataclasses.replace(
        still, flip=True, flip_pairs=SOMETHING_SOMETHING_PAIRS
    )
    swaps = {86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166}
    labels = [*swaps, 0, 85, 88, 173]
    mirrored = 0
    for number in range(120):
        label = labels[number % len(labels)]
        plain, same = _augment(still, frames, label, number)
        clip, found = _augment(flipping, frames, label, number)
        assert same == label
        if found != label or not np.array_equal(clip, plain):
            mirrored += 1
            np.testing.assert_array_equal(clip, plain[:, :, ::-1])
            assert found == swaps.get(label, label)
    assert 40 < mirrored < 80


def test_mirrored_without_pairs():
    augmentation = ClipAugmentation((20, 30), "none", flip=True, **RAW)
    frames = _frames()
    seen = set()
    for number in range(20):
        clip, label = _augment(augmentation, frames, 86, number)
        clip = np.round(clip).astype("uint8")
        seen.add(clip.tobytes())
        assert label == 86
    assert seen == {frames.tobytes(), frames[:, :, ::-1].tobytes()}


def test_colours_are_drawn_within_their_range():
    augmentation = ClipAugmentation((4, 4), "none", brightness=0.4, **RAW)
    frames = np.full((2, 4, 4, 3), 100, np.uint8)
    values = [_augment(augmentation, frames, 0, n)[0].mean() for n in range(60)]
    assert 60 <= min(values) < 70 and 130 < max(values) <= 140


def test_lists_are_taken_as_well():
    listed = ClipAugmentation(
        size=[8, 9],
        scales=[1.0, 0.5],
        flip=True,
        flip_pairs=[[0, 1]],
        mean=[0.5],
        std=[0.25],
    )
    assert listed == ClipAugmentation(
        (8, 9),
        scales=(1.0, 0.5),
        flip=True,
        flip_pairs=((0, 1),),
        mean=(0.5,),
        std=(0.25,),
    )


def test_the_shorter_side_follows_the_size():
    assert ClipAugmentation().shorter == 256
    assert ClipAugmentation((112, 112)).shorter == 128
    assert ClipAugmentation((112, 112), short_side=120).shorter == 120


MESSAGES = [
    ({"standardize": True, "mean": (0.5,)}, "`mean` and `std` are.*unset.*0.5"),
    ({"size": (8,)}, r"`size` is expected .* Received: size=\(8,\)"),
    ({"size": (8, 0)}, r"`size` is expected .* Received: size=\(8, 0\)"),
    ({"size": (8, 1.5)}, r"`size` is expected .* Received: size=\(8, 1.5\)"),
    ({"crop": "center"}, "`crop` is .*'centre'.* Received: crop='center'"),
    ({"short_side": 223}, "`short_side` is .* 224.* Received: short_side=223"),
    ({"scales": ()}, r"`scales` is expected .* Received: scales=\(\)"),
    ({"scales": (1, 0)}, r"`scales` is expected .* Received: scales=\(1, 0\)"),
    ({"scales": (1.1,)}, r"`scales` is expected .* Received: scales=\(1.1"),
    (
        {"flip": True, "flip_pairs": ((1, 2), (2, 3))},
        r"`flip_pairs` is .* each label once. Received: flip_pairs=\(\(1, 2",
    ),
    ({"flip": True, "flip_pairs": ((1,),)}, "`flip_pairs` is .* pairs of lab"),
    ({"flip": True, "flip_pairs": ((-1, 2),)}, "`flip_pairs` is .* pairs of"),
    ({"flip": True, "flip_pairs": ((1, 1),)}, "`flip_pairs` is .* pairs of"),
    ({"flip_pairs": ((1, 2),)}, "`flip` is expected to be True.* flip=False"),
    ({"brightness": -0.1}, "`brightness` is .* 0 to 1. Received: brightness="),
    ({"contrast": 1.1}, "`contrast` is .* 0 to 1. Received: contrast=1.1"),
    ({"saturation": float("nan")}, "`saturation` is .* Received: saturation="),
    ({"mean": (0.1, 0.2)}, r"`mean` is .* one or three numbers.*mean=\(0.1"),
    ({"mean": (float("inf"),)}, "`mean` is .* one or three numbers"),
    ({"std": (0.0,)}, r"`std` is .* three positive numbers.*std=\(0.0,\)"),
]


def test_a_wrong_argument_is_named():
    for keywords, message in MESSAGES:
        with pytest.raises(ValueError, match=message):
            ClipAugmentation(**keywords)


def test_what_does_not_fit_the_clips():
    for keywords, message in [
        ({"mean": (0.1, 0.2, 0.3)}, "`mean` is .* each of 1 channels. Receiv"),
        ({"std": (0.1, 0.2, 0.3)}, "`std` is .* each of 1 channels. Received"),
        ({"saturation": 0.1}, "`saturation` is .* grey.* saturation=0.1"),
        (
            {"flip": True, "flip_pairs": ((0, 5),)},
            r"`flip_pairs` is .* labels below 5.* Received: \[\(0, 5\)\]",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            ClipAugmentation(**keywords).check(channels=1, classes=5)


def test_numbers_of_crops():
    for crop, crops, message in [
        ("centre", 2, r"one of \(1, 3\) where crop='centre'. .* crops=2"),
        ("none", 3, r"one of \(1,\) where crop='none'. Received: crops=3"),
    ]:
        with pytest.raises(
            ValueError, match=f"`crops` is expected to be {message}"
        ):
            ClipAugmentation(crop=crop).views(tf.zeros([1, 9, 9, 3]), crops)
