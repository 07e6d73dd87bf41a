import collections

import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data import Volume
from keras_cakes.data import patches
from keras_cakes.data.volumes.patches.poses import Pose
from keras_cakes.data.volumes.patches.poses import allowed_poses
from keras_cakes.data.volumes.patches.poses import pose


@pytest.mark.parametrize(
    ("flip", "rotate", "number"),
    [
        (False, False, 1),
        ([1], False, 2),
        (True, False, 8),
        (False, [(0, 1)], 4),
        # The rotations of a square with and without its mirror images.
        ([0], [(0, 1)], 8),
        (True, [(0, 1)], 16),
        # Those of a cube.
        (False, [(0, 1), (1, 2)], 24),
        (True, True, 48),
    ],
)
def test_how_many_ways(flip, rotate, number):
    poses = allowed_poses((4, 4, 4), flip, rotate)
    assert len(poses) == len(set(poses)) == number
    assert poses[0] == Pose()


def test_only_equal_sizes_are_exchanged():
    poses = allowed_poses((4, 6, 4), True, True)
    assert len(poses) == 16
    assert all(order[1] == 1 for order, _ in poses)


def test_poses_are_those_that_flips_and_turns_compose_to():
    cube = np.arange(27).reshape(3, 3, 3)
    turned = np.rot90(np.rot90(np.flip(cube, 1), 3, (0, 2)), 1, (1, 2))
    shown = [
        np.flip(cube.transpose(order), np.flatnonzero(reverse))
        for order, reverse in allowed_poses((3, 3, 3), True, True)
    ]
    assert any(np.array_equal(one, turned) for one in shown)


def test_views_and_tensors_are_laid_alike():
    patch = np.random.default_rng(0).normal(size=(3, 3, 3, 2))
    for one in allowed_poses((3, 3, 3), True, True):
        posed = np.zeros_like(patch)
        one.source(posed)[...] = patch
        np.testing.assert_array_equal(
            posed, pose(tf.constant(patch), *map(tf.constant, one))
        )
        one.source(posed[..., 0])[...] = patch[..., 1]
        np.testing.assert_array_equal(posed[..., 0], posed[..., 1])


def test_every_way_is_as_likely():
    image = np.arange(8.0).reshape(2, 2, 2, 1)
    volume = Volume("a", image, np.ones((2, 2, 2), "uint8"), np.eye(4), "a")
    counts = collections.Counter(
        patch.tobytes()
        for batch, _ in patches(
            [volume], (2, 2, 2), batch_size=48, seed=0, steps=100
        )
        for patch in batch.numpy()
    )
    # 100 each; the 99.9 % quantile of chi squared with 47 degrees is 82.7.
    assert sum((n - 100) ** 2 / 100 for n in counts.values()) < 82.7
    assert len(counts) == 48
