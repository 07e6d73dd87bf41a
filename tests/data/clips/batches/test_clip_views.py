import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data.clips.batches.clip_augmentation import ClipAugmentation
from keras_cakes.data.clips.batches.clip_views import clip_views
from keras_cakes.data.clips.batches.sampling import shifted_frames
from keras_cakes.data.clips.decoding.decoding import read_video
from keras_cakes.data.clips.lists.clip_lists import read_clip_list
from keras_cakes.data.clips.sources import ArrayClips
from keras_cakes.data.clips.video_clips import VideoClips

RAW = {"mean": (0.0,), "std": (1 / 255,)}
WHOLE = ClipAugmentation((4, 6), "none", **RAW)


def _source(lengths=(9, 2, 5), channels=1, labels=(1, None, 0)):
    generator = np.random.default_rng(0)
    return ArrayClips(
        [
            generator.integers(0, 256, (length, 8, 12, channels), np.uint8)
            for length in lengths
        ],
        labels,
        classes=("a", "b"),
    )


def _frames(source, clip, frames):
    return source.read(clip, tf.constant(frames)).numpy()


def test_each_clip_once_in_order():
    source = _source()
    data = clip_views(source, 4, batch_size=2, augmentation=WHOLE)
    views, labels = data.element_spec
    assert (views.shape.as_list(), views.dtype) == (
        [None, 1, 4, 4, 6, 1],
        "float32",
    )
    assert (labels.shape.as_list(), labels.dtype) == ([None], "int32")
    batches = list(data)
    assert [len(label) for _, label in batches] == [2, 1]
    assert np.concatenate([x for _, x in batches]).tolist() == [1, -1, 0]
    found = np.concatenate([x for x, _ in batches])
    for number, count in enumerate(source.frame_counts):
        frames = _frames(source, number, shifted_frames(count, 4)[0])
        expected = WHOLE.views(tf.constant(frames))
        np.testing.assert_array_equal(found[number], expected)
    again = np.concatenate([x for x, _ in data])
    np.testing.assert_array_equal(found, again)


def test_views_are_samplings_and_their_crops():
    source = _source(channels=3)
    augmentation = ClipAugmentation((5, 4), flip=True, brightness=0.5)
    data = clip_views(
        source, 3, batch_size=3, clips=2, crops=3, augmentation=augmentation
    )
    (views, _) = next(iter(data))
    assert views.shape == (3, 6, 3, 5, 4, 3)
    for number, count in enumerate(source.frame_counts):
        for sampling, frames in enumerate(shifted_frames(count, 3, clips=2)):
            crops = augmentation.views(
                tf.constant(_frames(source, number, frames)), 3
            )
            for crop in range(3):
                np.testing.assert_array_equal(
                    views[number, sampling * 3 + crop], crops[crop]
                )


def test_short_clips_as_published():
    source = _source(lengths=(3,), labels=(0,))
    data = clip_views(
        source, 3, batch_size=1, augmentation=WHOLE, short="published"
    )
    views, _ = next(iter(data))
    np.testing.assert_array_equal(views[0, 0, 1:], views[0, 0, :-1])


MESSAGES = [
    ({"frames": 0}, "`frames` is .* at least 1. Received: frames=0"),
    ({"batch_size": 0}, "`batch_size` is .* at least 1.*batch_size=0"),
    ({"clips": 0}, "`clips` is .* at least 1. Received: clips=0"),
    ({"crops": 2}, "`crops` is expected .* Received: crops=2"),
    (
        {"crops": 3, "augmentation": WHOLE},
        "`crops` is .* where crop='none'. Received: crops=3",
    ),
    ({"short": "pad"}, "`short` is expected .* Received: short='pad'"),
    (
        {"augmentation": ClipAugmentation(std=(1, 2, 3))},
        "`std` is expected .* each of 1 channels",
    ),
]


def test_a_wrong_argument_is_named():
    for keywords, message in MESSAGES:
        arguments = {"source": _source(), "frames": 2, "batch_size": 1}
        with pytest.raises(ValueError, match=message):
            clip_views(**{**arguments, **keywords})


def test_real_clips(real_data):
    dataset = read_clip_list(real_data / "fir_action/videos.csv", split="val")
    dataset = dataset.subset([clip.name for clip in dataset.clips[::80]])
    augmentation = ClipAugmentation((64, 64), "none", **RAW)
    data = clip_views(
        VideoClips(dataset, channels=1),
        8,
        batch_size=4,
        clips=2,
        augmentation=augmentation,
    )
    found = np.concatenate([views for views, _ in data])
    labels = np.concatenate([labels for _, labels in data])
    assert labels.tolist() == [clip.label for clip in dataset.clips]
    for clip, views in zip(dataset.clips, found, strict=True):
        frames = read_video(clip.source, channels=1)
        expected = frames[shifted_frames(len(frames), 8, clips=2).numpy()]
        np.testing.assert_array_equal(np.round(views), expected)
