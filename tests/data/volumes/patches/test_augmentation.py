import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from keras_cakes.data import Volume
from keras_cakes.data import patches
from keras_cakes.data.volumes.patches.augmentation import Augmentation
from keras_cakes.data.volumes.patches.augmentation import sample_linear

KEY = tf.constant([3, 4])


def _places(shape, reach, seed=0):
    generator = np.random.default_rng(seed)
    return [
        generator.uniform(-2, size + 1, reach).astype("float32")
        for size in shape
    ]


def test_interpolation_is_that_of_scipy():
    image = np.random.default_rng(1).normal(size=(6, 7, 5, 2)).astype("f")
    places = _places(image.shape[:3], (4, 3, 8))
    got = sample_linear(tf.constant(image), list(map(tf.constant, places)))
    for channel in range(2):
        expected = map_coordinates(
            image[..., channel], places, order=1, mode="grid-constant", cval=0
        )
        np.testing.assert_allclose(got[..., channel], expected, atol=1e-5)


def _ball(shape=(40, 40, 40), centre=(20, 14, 22)):
    places = np.indices(shape).T.T
    distance = sum((p - c) ** 2 for p, c in zip(places, centre, strict=True))
    return (distance < 36).astype("uint8")


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(angle=30),
        Augmentation(scale=0.2),
        Augmentation(elastic=3),
        Augmentation(angle=10, scale=0.1, elastic=2),
    ],
)
def test_image_and_label_are_moved_alike(augmentation):
    label = _ball()
    image = tf.constant(label[..., None], tf.float32)
    image, moved = augmentation.distort(
        image,
        tf.constant(label),
        offset=tf.constant([8, 8, 8]),
        shape=(24, 24, 24),
        key=KEY,
    )
    assert image.shape == (24, 24, 24, 1) and moved.shape == (24, 24, 24)
    agree = (image[..., 0].numpy() > 0.5) == (moved.numpy() > 0)
    assert agree.mean() > 0.99
    assert moved.numpy().any()
    assert (moved.numpy() != label[8:32, 8:32, 8:32]).any()


def test_a_rotation_is_rigid():
    label = _ball()
    _, moved = Augmentation(angle=90).distort(
        tf.constant(label[..., None], tf.float32),
        tf.constant(label),
        offset=tf.constant([0, 0, 0]),
        shape=(40, 40, 40),
        key=KEY,
    )
    before = np.argwhere(label).mean(axis=0) - 19.5
    after = np.argwhere(moved.numpy()).mean(axis=0) - 19.5
    assert abs(np.linalg.norm(before) - np.linalg.norm(after)) < 0.2
    assert abs(moved.numpy().sum() / label.sum() - 1) < 0.05
    # It takes a turn to bring one place to the other.
    rotation, _ = Rotation.align_vectors(after[None], before[None])
    assert rotation.magnitude() > 0.1


def test_the_size_changes_within_its_range():
    label = _ball(centre=(20, 20, 20))
    volumes = []
    for number in range(30):
        _, moved = Augmentation(scale=0.2).distort(
            tf.constant(label[..., None], tf.float32),
            tf.constant(label),
            offset=tf.constant([0, 0, 0]),
            shape=(40, 40, 40),
            key=tf.constant([1, number]),
        )
        volumes.append((moved.numpy().sum() / label.sum()) ** (1 / 3))
    assert 0.77 < min(volumes) < 0.9 and 1.1 < max(volumes) < 1.23


def test_intensities_change_within_their_ranges():
    image = tf.random.stateless_normal([12, 12, 12, 1], [0, 0])
    draws = {"shift": [], "contrast": [], "noise": [], "gamma": []}
    for number in range(40):
        key = tf.constant([2, number])
        got = Augmentation(shift=0.5).recolour(image, key)
        draws["shift"].append(float(tf.reduce_mean(got - image)))
        got = Augmentation(contrast=0.3).recolour(image, key)
        draws["contrast"].append(np.std(got) / np.std(image))
        got = Augmentation(noise=0.4).recolour(image, key)
        draws["noise"].append(np.std(got - image))
        got = Augmentation(gamma=0.5).recolour(image, key)
        np.testing.assert_allclose(np.min(got), np.min(image), atol=1e-4)
        np.testing.assert_allclose(np.max(got), np.max(image), atol=1e-4)
        draws["gamma"].append(float(tf.reduce_mean(got - image)))
    assert -0.5 <= min(draws["shift"]) < -0.3 < 0.3 < max(draws["shift"]) <= 0.5
    assert 0.69 < min(draws["contrast"]) < 0.8 < 1.2 < max(draws["contrast"])
    assert max(draws["contrast"]) < 1.31
    assert 0 <= min(draws["noise"]) < 0.1 < 0.3 < max(draws["noise"]) < 0.43
    assert min(draws["gamma"]) < 0 < max(draws["gamma"])


def test_zero_leaves_things_as_they_are():
    image = tf.random.stateless_normal([5, 5, 5, 2], [0, 0])
    none = Augmentation()
    np.testing.assert_array_equal(none.recolour(image, KEY), image)
    assert not none.moves_voxels and none.margin((5, 5, 5)) == (0, 0, 0)


def test_patches_are_distorted_and_follow_from_the_seed():
    label = np.stack([_ball()] * 1)[0]
    volumes = [
        Volume(name, label[..., None].astype("f"), label, np.eye(4), name)
        for name in "ab"
    ]
    arguments = {"patch_shape": (16, 16, 16), "batch_size": 2, "seed": 1}

    def take(**more):
        data = patches(volumes, **arguments, **more)
        return [(x.numpy(), y.numpy()) for x, y in data]

    augmentation = Augmentation(angle=20, scale=0.1, noise=0.1, elastic=1)
    plain = take(steps=5)
    whole = take(steps=5, augmentation=augmentation)
    rest = take(steps=2, start_step=3, augmentation=augmentation)
    for (a, b), (c, d) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)
    assert any(
        (a != b).any() for (_, a), (_, b) in zip(plain, whole, strict=True)
    )
    for image, found in whole:
        agree = (image[..., 0] > 0.5) == (found > 0)
        assert agree.mean() > 0.97


def test_the_margin_holds_what_a_turned_patch_shows():
    augmentation = Augmentation(angle=15, scale=0.1, elastic=2)
    margin = augmentation.margin((32, 32, 16))
    ones = tf.ones([32 + 2 * margin[0], 32 + 2 * margin[1], 16 + 2 * margin[2]])
    for number in range(10):
        image, _ = augmentation.distort(
            ones[..., None],
            tf.cast(ones, tf.uint8),
            offset=tf.constant(margin),
            shape=(32, 32, 16),
            key=tf.constant([number, 0]),
        )
        np.testing.assert_allclose(image, 1.0, atol=1e-5)


def test_a_small_volume_takes_nothing_from_what_others_show():
    label = np.zeros((24, 24, 24), "uint8")
    label[12, 12, 12] = 1
    large = Volume("a", np.ones((24, 24, 24, 1)), label, np.eye(4), "a")
    small = Volume(
        "b", np.zeros((6, 6, 6, 1)), np.ones((6, 6, 6), "uint8"), np.eye(4), "b"
    )
    batches = patches(
        [large, small],
        (6, 6, 6),
        batch_size=2,
        seed=0,
        steps=10,
        foreground=1.0,
        augmentation=Augmentation(angle=10, scale=0.1),
    )
    for images, _ in batches:
        of_each = sorted(images.numpy().mean(axis=(1, 2, 3, 4)))
        assert of_each == pytest.approx([0, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("angle", 181, "from 0 to 180"),
        ("scale", -0.1, "from 0 to 0.9"),
        ("contrast", 2, "from 0 to 1"),
        ("noise", float("inf"), "of at least 0"),
        ("gamma", float("nan"), "from 0 to 10"),
    ],
)
def test_ranges_are_checked(name, value, range_):
    with pytest.raises(ValueError, match=f"`{name}` .* {range_}. Received"):
        Augmentation(**{name: value})
