import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data import Volume
from keras_cakes.data import patches
from keras_cakes.data import phantom_volumes


def _volume(shape, name="a", channels=1, label_shape=None):
    """Every voxel has its own brightness; the label is its class."""
    image = np.arange(np.prod(shape), dtype="float32").reshape(shape) + 1
    label = (image % 3).astype("uint8")
    if label_shape is not None:
        label = np.ones(label_shape, "uint8")
    image = np.repeat(image[..., None], channels, axis=-1)
    return Volume(name, image, label, np.eye(4), name)


def _take(volumes, patch_shape, batch_size, **keywords):
    dataset = patches(
        volumes, patch_shape, batch_size=batch_size, seed=3, **keywords
    )
    return [(x.numpy(), y.numpy()) for x, y in dataset]


def test_shapes_and_types():
    volumes = [_volume((9, 8, 7), channels=2), _volume((6, 10, 8), channels=2)]
    dataset = patches(volumes, (4, 5, 6), batch_size=3, seed=0, steps=2)
    image, label = dataset.element_spec
    assert (image.shape, label.shape) == ((3, 4, 5, 6, 2), (3, 4, 5, 6))
    assert (image.dtype, label.dtype) == ("float32", "int32")
    assert len(list(dataset)) == 2


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("rotate", [True, False])
def test_image_and_label_stay_together(flip, rotate):
    volumes = [_volume((9, 8, 7)), _volume((4, 10, 12))]
    for image, label in _take(
        volumes, (6, 6, 6), 2, steps=6, flip=flip, rotate=rotate
    ):
        inside = image[..., 0] > 0
        np.testing.assert_array_equal(
            label[inside], (image[..., 0][inside] % 3).astype(int)
        )
        assert (label[~inside] == 0).all()


def test_resumed_data_are_the_same():
    volumes = phantom_volumes(5, (16, 16, 16))
    whole = _take(volumes, (8, 8, 8), 2, steps=9)
    rest = _take(volumes, (8, 8, 8), 2, start_step=4, steps=5)
    for (a, b), (c, d) in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


def test_every_volume_is_visited_once_an_epoch_in_changing_order():
    volumes = []
    for number in range(6):
        image = np.full((4, 4, 4, 1), number, "float32")
        label = np.ones((4, 4, 4), "uint8")
        volumes.append(Volume(str(number), image, label, np.eye(4), "x"))
    order = [int(x.mean()) for x, _ in _take(volumes, (4, 4, 4), 1, steps=18)]
    epochs = [order[i : i + 6] for i in (0, 6, 12)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert epochs[0] != epochs[1] or epochs[1] != epochs[2]


def test_foreground_is_favoured():
    image = np.zeros((32, 32, 32, 1), "float32")
    label = np.zeros((32, 32, 32), "uint8")
    label[3, 4, 5] = 2
    label[28:, 28:, 28:] = 1
    volume = Volume("a", image, label, np.eye(4), "a")

    def found(share):
        batches = _take([volume], (6, 6, 6), 8, steps=25, foreground=share)
        labels = np.concatenate([y for _, y in batches])
        return [(labels == c).any(axis=(1, 2, 3)).mean() for c in (1, 2)]

    one, two = found(1.0)
    # Both classes are as likely, whatever their size.
    assert one == pytest.approx(0.5, abs=0.12)
    assert two == pytest.approx(0.5, abs=0.12)
    assert found(0.0)[1] < 0.1


def test_volumes_are_no_constants_of_the_graph(monkeypatch):
    # A graph holds 2 GB at most.
    sizes = []
    map_ = tf.data.Dataset.map

    def spy(dataset, function, **keywords):
        graph = tf.function(function).get_concrete_function(
            dataset.element_spec
        )
        sizes.append(graph.graph.as_graph_def().ByteSize())
        return map_(dataset, function, **keywords)

    monkeypatch.setattr(tf.data.Dataset, "map", spy)
    patches(phantom_volumes(4), (8, 8, 8), batch_size=2, seed=0)
    assert max(sizes) < 100_000 < 4 * 4 * 32**3


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_epoch_is_a_permutation(count):
    shape = (2, 2, 2)
    volumes = [
        Volume(str(n), np.full((*shape, 1), n, "float32"), label, np.eye(4), "")
        for n, label in enumerate(np.ones((count, *shape), "uint8"))
    ]
    order = [
        int(x.mean()) for x, _ in _take(volumes, shape, 1, steps=9 * count)
    ]
    for epoch in np.reshape(order, (9, count)):
        assert sorted(epoch) == list(range(count))


def test_volumes_without_foreground():
    volume = Volume(
        "a",
        np.ones((6, 6, 6, 1), "float32"),
        np.zeros((6, 6, 6), "uint8"),
        np.eye(4),
        "a",
    )
    ((image, label),) = _take([volume], (4, 4, 4), 2, steps=1)
    assert (image == 1).all() and (label == 0).all()


def test_small_volumes_are_centred():
    volume = _volume((4, 6, 6))
    ((image, _),) = _take(
        [volume], (9, 6, 6), 1, steps=1, flip=False, rotate=False
    )
    np.testing.assert_array_equal(image[0, 2:6], volume.image)
    assert (image[0, :2] == 0).all() and (image[0, 6:] == 0).all()


def _variants(**keywords):
    volume = _volume((4, 4, 4))
    batches = _take([volume], (4, 4, 4), 1, steps=400, **keywords)
    return {x.tobytes() for x, _ in batches}


@pytest.mark.parametrize("axes", [(), (0,), (1, 2), (0, 1, 2)])
def test_flips(axes):
    image = _volume((4, 4, 4)).image
    expected = {
        np.flip(image, some).copy().tobytes()
        for n in range(len(axes) + 1)
        for some in itertools.combinations(axes, n)
    }
    assert _variants(flip=axes, rotate=False) == expected


@pytest.mark.parametrize("plane", [(0, 1), (0, 2), (1, 2)])
def test_rotations(plane):
    image = _volume((4, 4, 4)).image
    expected = {
        np.rot90(image, turns, plane).copy().tobytes() for turns in range(4)
    }
    assert _variants(flip=False, rotate=[plane]) == expected


def test_all_turns_and_flips_reach_the_whole_group():
    assert len(_variants()) == 48


def test_the_number_of_threads_changes_nothing():
    volumes = phantom_volumes(3, (16, 18, 20))
    dataset = patches(volumes, (8, 9, 8), batch_size=2, seed=3, steps=6)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 4
    for (a, b), (c, d) in zip(
        dataset, dataset.with_options(options), strict=True
    ):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"patch_shape": (4, 4)}, "`patch_shape` is expected"),
        ({"patch_shape": (4, 4, 0)}, "`patch_shape` is expected"),
        ({"flip": [3]}, "`flip` is expected"),
        ({"rotate": [(0, 1)], "patch_shape": (4, 5, 4)}, "`rotate` is expect"),
        ({"volumes": []}, "`volumes` is expected.*0 volumes"),
        (
            {"volumes": [_volume((4,) * 3), _volume((4,) * 3, channels=2)]},
            r"one number of channels. Received: channels=\[1, 2\]",
        ),
        (
            {"volumes": [_volume((4, 4, 4), "b", label_shape=(1, 4, 4))]},
            r"of their image, \(4, 4, 4\). Received: b of shape \(1, 4, 4\)",
        ),
        (
            {"volumes": [dataclasses.replace(_volume((4,) * 3), label=None)]},
            r"labelled volumes. Received: 1 volumes, without label: \['a'\]",
        ),
        ({"batch_size": 0}, "`batch_size` is .* at least 1.*batch_size=0"),
        ({"start_step": -1}, "`start_step` is .* at least 0.*start_step=-1"),
        ({"steps": -2}, "`steps` is expected .* at least 0.*steps=-2"),
        ({"foreground": 1.5}, "`foreground` is .* from 0 to 1.*=1.5"),
    ],
)
def test_patches_that_cannot_be_cut_are_refused(keywords, message):
    arguments = {
        "volumes": [_volume((4, 4, 4))],
        "patch_shape": (4, 4, 4),
        "batch_size": 1,
        "seed": 0,
        **keywords,
    }
    with pytest.raises(ValueError, match=message):
        patches(**arguments)


def test_shards_share_the_patches_of_one():
    volumes = phantom_volumes(3, (16, 16, 16))
    arguments = ((8, 8, 8), 1)
    whole = _take(volumes, *arguments, steps=9)
    parts = [
        _take(volumes, *arguments, steps=3, shard=(i, 3)) for i in range(3)
    ]
    for number, (image, label) in enumerate(whole):
        own = parts[number % 3][number // 3]
        np.testing.assert_array_equal(own[0], image)
        np.testing.assert_array_equal(own[1], label)


def test_several_patches_of_a_volume_in_a_row():
    volumes = []
    for number in range(4):
        image = np.full((6, 6, 6, 1), number, "float32")
        label = np.ones((6, 6, 6), "uint8")
        volumes.append(Volume(str(number), image, label, np.eye(4), "x"))
    found = _take(volumes, (4, 4, 4), 1, steps=24, patches_per_case=3)
    order = np.array([int(x.mean()) for x, _ in found]).reshape(2, 4, 3)
    assert (order == order[..., :1]).all()
    assert all(sorted(epoch) == list(range(4)) for epoch in order[..., 0])


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0,)])
def test_a_shard_that_is_none(shard):
    with pytest.raises(ValueError, match=r"`shard` .* Received: shard=\("):
        _take([_volume((9, 8, 7))], (4, 4, 4), 1, shard=shard)


def test_no_patches_per_case():
    with pytest.raises(ValueError, match="patches_per_case=0"):
        _take([_volume((9, 8, 7))], (4, 4, 4), 1, patches_per_case=0)
