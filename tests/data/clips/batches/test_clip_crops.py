import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from keras_cakes.data.clips.batches.clip_crops import along_longer_side
from keras_cakes.data.clips.batches.clip_crops import cut
from keras_cakes.data.clips.batches.clip_crops import multi_scale_box
from keras_cakes.data.clips.batches.clip_crops import multi_scale_sides
from keras_cakes.data.clips.batches.clip_crops import random_place
from keras_cakes.data.clips.batches.clip_crops import scale_pairs
from keras_cakes.data.clips.batches.clip_crops import short_side_box

SCALES = (1, 0.875, 0.75, 0.66)
extents = st.tuples(st.integers(1, 400), st.integers(1, 400))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (256, 340, [256, 224, 192, 168]),
        (100, 176, [100, 87, 75, 66]),
        # 223 and 226 are within two pixels of 224.
        (226, 300, [224, 197, 169, 149]),
        (300, 227, [227, 198, 170, 149]),
        # As far as the frames reach.
        (223, 223, [223, 195, 167, 147]),
        (1, 9, [1, 1, 1, 1]),
    ],
)
def test_sides(height, width, expected):
    sides = multi_scale_sides(
        tf.constant([height, width]), (224, 224), scales=SCALES
    )
    np.testing.assert_array_equal(sides, np.transpose([expected] * 2))


def test_ten_pairs_at_most_one_step_apart():
    pairs = scale_pairs(4)
    assert len(pairs) == len(set(pairs)) == 10
    assert all(abs(height - width) <= 1 for height, width in pairs)


def _published(height, width, size, scales):
    """All boxes of the published protocol: shapes in all their places."""
    sides = [int(min(height, width) * scale) for scale in scales]
    heights = [size[0] if abs(s - size[0]) < 3 else s for s in sides]
    widths = [size[1] if abs(s - size[1]) < 3 else s for s in sides]
    boxes = []
    for i, tall in enumerate(heights):
        for j, wide in enumerate(widths):
            if abs(i - j) > 1:
                continue
            down, right = (height - tall) // 4, (width - wide) // 4
            places = [(r, c) for r in (0, 2, 4) for c in (0, 2, 4)]
            places += [(r, c) for r in (1, 3) for c in (1, 3)]
            boxes += [(r * down, c * right, tall, wide) for r, c in places]
    return sorted(boxes)


@pytest.mark.parametrize(
    ("extent", "size", "scales"),
    [
        ((256, 340), (224, 224), SCALES),
        ((176, 100), (224, 224), SCALES),
        ((240, 320), (112, 128), SCALES),
        ((50, 60), (30, 40), (0.9, 0.5)),
        ((50, 60), (30, 40), (1.0,)),
    ],
)
def test_multi_scale_boxes_are_the_published_ones(extent, size, scales):
    pairs = len(scale_pairs(len(scales)))
    draws = [
        ((pair + 0.5) / pairs, (place + 0.5) / 13)
        for pair in range(pairs)
        for place in range(13)
    ]

    @tf.function
    def box(draw):
        start, side = multi_scale_box(
            tf.constant(extent), size, scales=scales, draws=draw
        )
        return tf.concat([start, side], 0)

    found = sorted(
        tuple(box(tf.constant(draw, tf.float32)).numpy().tolist())
        for draw in draws
    )
    assert found == _published(*extent, size, scales)


@given(
    extents,
    st.sampled_from([(224, 224), (16, 30), (1, 1)]),
    st.floats(0, 1, exclude_max=True, width=32),
    st.floats(0, 1, exclude_max=True, width=32),
    st.integers(0, 60),
)
@settings(deadline=None, max_examples=80)
def test_boxes_lie_within_the_frames(extent, size, first, second, more):
    draws = tf.constant([first, second])
    extent = tf.constant(extent)
    free, side = short_side_box(extent, size, short_side=max(size) + more)
    places = [random_place(free, draws)]
    places += [
        along_longer_side(extent, free, third=third) for third in range(3)
    ]
    boxes = [(place, side) for place in places]
    boxes.append(multi_scale_box(extent, size, scales=SCALES, draws=draws))
    for start, side in boxes:
        assert start.dtype == side.dtype == tf.int32
        assert (start.numpy() >= 0).all() and (side.numpy() >= 1).all()
        assert (start + side <= extent).numpy().all()


@pytest.mark.parametrize(
    ("extent", "size", "short_side", "side"),
    [
        ((256, 340), (224, 224), 256, (224, 224)),
        ((340, 256), (224, 200), 256, (224, 200)),
        # 7/8 of 100 is 87.5, of 240 it is 210.
        ((100, 176), (224, 224), 256, (88, 88)),
        ((240, 320), (112, 56), 128, (210, 105)),
        ((3, 900), (10, 1), 100, (1, 1)),
    ],
)
def test_short_side(extent, size, short_side, side):
    free, found = short_side_box(
        tf.constant(extent), size, short_side=short_side
    )
    assert tuple(found.numpy()) == side
    assert tuple(free.numpy()) == tuple(np.subtract(extent, side))


@pytest.mark.parametrize(
    ("extent", "expected"),
    [
        ((100, 200), [(5, 0), (5, 55), (5, 110)]),
        ((200, 100), [(0, 5), (55, 5), (110, 5)]),
        ((100, 100), [(5, 0), (5, 5), (5, 10)]),
    ],
)
def test_three_places_along_the_longer_side(extent, expected):
    free = tf.constant(extent) - 90
    found = [
        tuple(along_longer_side(tf.constant(extent), free, third=third).numpy())
        for third in range(3)
    ]
    assert found == expected


def test_random_places_are_all_places():
    draws = np.random.default_rng(0).random((900, 2), np.float32)
    found = {
        tuple(random_place(tf.constant([2, 3]), tf.constant(draw)).numpy())
        for draw in draws
    }
    assert found == {(row, column) for row in range(3) for column in range(4)}


def _frames(frames=2, height=23, width=31, channels=3):
    shape = (frames, height, width, channels)
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def _linear(image, size):
    """Between the centres of pixels; what lies beyond repeats the edge."""
    for axis, length in enumerate(size, 1):
        held = image.shape[axis]
        place = (np.arange(length) + 0.5) * held / length - 0.5
        place = np.clip(place, 0, held - 1)
        lower = np.floor(place).astype(int)
        upper = np.minimum(lower + 1, held - 1)
        shape = [-1 if a == axis else 1 for a in range(4)]
        share = (place - lower).reshape(shape)
        image = image.take(lower, axis) * (1 - share) + share * image.take(
            upper, axis
        )
    return image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 9), (40, 12), (11, 17)])
def test_a_box_is_cut_and_resized(channels, size):
    frames = _frames(channels=channels)
    found = cut(
        tf.constant(frames), size, start=[2, 5], side=[11, 17], antialias=False
    )
    expected = _linear(frames[:, 2:13, 5:22].astype(float), size)
    assert found.dtype == tf.float32 and found.shape == (2, *size, channels)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("size", [(8, 9), (40, 12), (11, 17), (4, 50)])
def test_antialiased_as_pillow_does(size):
    frames = _frames(channels=1)
    found = cut(
        tf.constant(frames), size, start=[2, 5], side=[11, 17], antialias=True
    )
    for image, frame in zip(found, frames, strict=True):
        box = Image.fromarray(frame[2:13, 5:22, 0].astype("float32"))
        expected = box.resize(size[::-1], Image.Resampling.BILINEAR)
        np.testing.assert_allclose(image[..., 0], expected, atol=1e-2)
