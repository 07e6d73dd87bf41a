import numpy as np
import pytest

from keras_cakes.data.volumes.patches.crops import Crops
from keras_cakes.data.volumes.patches.crops import Source
from keras_cakes.data.volumes.patches.placing import Drawn
from keras_cakes.data.volumes.patches.placing import Draws
from keras_cakes.data.volumes.patches.poses import Pose


def _crops(shapes, patch_shape, classes=2):
    generator = np.random.default_rng(0)
    sources = [
        Source(
            np.zeros((*shape, 1), "float32"),
            np.zeros(shape, "uint8"),
            [
                generator.integers(0, shape, (number, 3))
                for number in (5, 0, 40)[:classes]
            ],
        )
        for shape in shapes
    ]
    return Crops(sources, patch_shape), sources


def _draw(start=0, number=3000, shard=(0, 1), seed=4, **keywords):
    crops, _ = _crops([(9, 8, 12), (6, 20, 7), (4, 5, 6)], (6, 6, 6), 3)
    arguments = {
        "tables": crops.tables,
        "patch_shape": (6, 6, 6),
        "poses": 5,
        "foreground": 0.6,
        "patches_per_case": 2,
        **keywords,
    }
    rows = Draws(seed=seed, shard=shard, **arguments).dataset(start).unbatch()
    return np.stack(list(rows.take(number).as_numpy_iterator()))


# Blocks hold 1024 patches.
@pytest.mark.parametrize("start", [1, 1023, 1024, 2500])
def test_draws_follow_from_the_number_alone(start):
    whole = _draw()
    np.testing.assert_array_equal(whole[:, 0], np.arange(3000))
    np.testing.assert_array_equal(_draw(start, 500), whole[start:][:500])


@pytest.mark.parametrize("shards", [3, 1500])
def test_shards_across_blocks(shards):
    whole = _draw()
    for share, start in ((0, 0), (shards - 1, 1)):
        own = whole[share::shards][start:]
        found = _draw(start, len(own), (share, shards))
        np.testing.assert_array_equal(found, own)


def test_seeds_differ():
    rows, others = _draw(number=50), _draw(number=50, seed=5)
    assert (rows[:, 1:] != others[:, 1:]).any(axis=1).mean() > 0.8
    # All bits of a seed count.
    large = _draw(number=50, seed=(1 << 40) + 4)
    assert (rows[:, 1:] != large[:, 1:]).any(axis=1).mean() > 0.8


def test_orders_of_the_volumes_do_not_repeat():
    crops, _ = _crops([(3, 3, 3)] * 20, (3, 3, 3))
    rows = _draw(
        tables=crops.tables,
        patch_shape=(3, 3, 3),
        patches_per_case=1,
        number=8000,
    )
    orders = Drawn.of(rows).case.reshape(400, 20)
    np.testing.assert_array_equal(np.sort(orders), [np.arange(20)] * 400)
    assert len({order.tobytes() for order in orders}) == 400
    # 20 each; the 99.9 % quantile of chi squared with 19 degrees is 43.8.
    first = np.bincount(orders[:, 0], minlength=20)
    assert ((first - 20) ** 2 / 20).sum() < 43.8


def test_patches_lie_in_their_volumes():
    drawn = Drawn.of(_draw())
    extents = np.array([(9, 8, 12), (6, 20, 7), (6, 6, 6)])[drawn.case]
    assert (drawn.start >= 0).all() and (drawn.start + 6 <= extents).all()
    for axis in range(3):
        assert set(drawn.start[drawn.case == 1, axis]) == set(
            range((6, 20, 7)[axis] - 5)
        )
    assert np.bincount(drawn.pose, minlength=5) == pytest.approx(600, abs=90)


def test_classes_are_drawn_evenly_and_absent_ones_never():
    crops, sources = _crops([(30, 30, 30)], (3, 3, 3), 3)
    drawn = Drawn.of(
        _draw(
            tables=crops.tables,
            patch_shape=(3, 3, 3),
            foreground=1.0,
            number=2000,
        )
    )
    few, _, many = (
        {tuple(voxel) for voxel in voxels} for voxels in sources[0].foreground
    )
    seen = [
        {tuple(start + step) for step in np.ndindex(3, 3, 3)}
        for start in drawn.start
    ]
    assert all(one & (few | many) for one in seen)
    share = np.mean([bool(one & few) for one in seen])
    assert share == pytest.approx(0.5, abs=0.06)


def test_volumes_of_other_channels():
    sources = [
        Source(np.zeros((3, 3, 3, n)), np.zeros((3, 3, 3)), []) for n in (1, 2)
    ]
    with pytest.raises(ValueError, match=r"Received: channels=\[1, 2\]"):
        Crops(sources, (2, 2, 2))


def test_what_is_cut_needs_no_copy():
    crops, _ = _crops([(9, 9, 9)], (5, 5, 5))
    image, label = crops.read([0], [(0, 0, 0)], [Pose()], (5, 5, 5))
    for array in (image, label):
        assert array.flags.c_contiguous and array.ctypes.data % 64 == 0


def test_orders_are_even_and_do_not_come_back():
    """TensorFlow's shuffle alone has 12 orders of five, again and again."""
    rows = _draw(number=3 * 1500, patches_per_case=1, seed=0)
    orders = rows[:, 1].reshape(1500, 3)
    assert (np.sort(orders, axis=1) == np.arange(3)).all()
    assert not (orders[:256] == orders[256:512]).all()
    counts = np.unique(orders @ [9, 3, 1], return_counts=True)[1]
    assert len(counts) == 6
    # Chi-square of five degrees of freedom: beyond 20.5 once in a thousand.
    assert ((counts - 250) ** 2 / 250).sum() < 20.5
