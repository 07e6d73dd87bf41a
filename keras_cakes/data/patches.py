"""Augmented training patches as a `tf.data` pipeline."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes.data.augmentation import Augmentation
from keras_cakes.data.crops import MappedCrops
from keras_cakes.data.crops import MemoryCrops
from keras_cakes.data.poses import allowed_poses
from keras_cakes.data.poses import draw_pose
from keras_cakes.data.poses import pose
from keras_cakes.data.prepared import PreparedDataset
from keras_cakes.data.volumes import Volume


def patches(
    volumes: "Sequence[Volume] | PreparedDataset",
    patch_shape: Sequence[int],
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    steps: int | None = None,
    foreground: float = 0.67,
    flip: "bool | Sequence[int]" = True,
    rotate: "bool | Sequence[Sequence[int]]" = True,
    augmentation: Augmentation | None = None,
    patches_per_case: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Any:
    """Draws training patches.

    Patch `b` of step `s` depends on `seed` and `s * batch_size + b` alone: a
    run that is resumed at `start_step` sees the batches that it would have
    seen. Every `len(volumes) * patches_per_case` patches visit each volume
    equally often, in a random order. Volumes in memory are padded to their
    largest extent: 4 bytes per voxel and channel, 1 per voxel for the label,
    12 per voxel of foreground. Prepared volumes stay on disk; only what a
    patch needs is read.

    Args:
        volumes: Labelled volumes, or a prepared data set.
        patch_shape: `(depth, height, width)` of a patch. A volume that is
            smaller along an axis is padded with zeros there, centred.
        batch_size: Patches per batch.
        seed: Integer that all random choices follow from.
        start_step: First step.
        steps: Number of batches; `None` for an endless data set.
        foreground: Probability that a patch is placed around a random
            foreground voxel, its class drawn evenly from those present.
        flip: Axes that are reversed with probability 1/2 each; `True` for
            all three.
        rotate: Planes, such as `(0, 2)`, in which patches are turned by a
            random multiple of 90 degrees; `True` for every plane whose two
            patch sizes are equal.
        augmentation: Small rotations, deformations and changes of intensity;
            by default none.
        patches_per_case: Patches that are drawn from a volume before the
            next; more of them find what was read from disk still in memory.
        shard: Index of this replica and number of replicas. Together they
            see the patches that one would have seen alone.

    Returns:
        A `tf.data.Dataset` of images `(batch, depth, height, width,
        channels)`, float32, and labels `(batch, depth, height, width)`,
        int32.

    Raises:
        ValueError: If there is no labelled volume, channels differ, or an
            argument is out of range or does not fit the patch.

    Examples:
        >>> from keras_cakes.data.phantom import phantom_volumes
        >>> volumes = phantom_volumes(2, (16, 16, 16))
        >>> data = patches(volumes, (8, 8, 8), batch_size=2, seed=0, steps=1)
        >>> [(image.shape, label.shape) for image, label in data]
        [(TensorShape([2, 8, 8, 8, 1]), TensorShape([2, 8, 8, 8]))]
    """
    import tensorflow as tf

    augmentation = augmentation or Augmentation()
    _check_numbers(batch_size, start_step, steps, foreground)
    _check_shares(patches_per_case, shard)
    patch_shape = tuple(int(size) for size in patch_shape)
    axes, planes = allowed_poses(patch_shape, flip, rotate)
    # The pipeline runs on the host; volumes would only fill a GPU.
    with tf.device("CPU"):
        crops: Any = (
            MappedCrops(volumes, patch_shape)
            if isinstance(volumes, PreparedDataset)
            else MemoryCrops(volumes, patch_shape)
        )
        margin = augmentation.margin(patch_shape)
        seen = np.minimum(
            np.add(patch_shape, np.multiply(2, margin)),
            crops.extents.numpy().min(axis=0),
        )
    count, seen_shape = crops.count, tuple(seen.tolist())

    @tf.autograph.experimental.do_not_convert
    def draw(index):
        index = index * shard[1] + shard[0]
        key = tf.cast(tf.stack([tf.cast(seed, tf.int64), index]), tf.int32)
        keys = tf.unstack(tf.random.split(key, num=5), num=5)
        turn = index // patches_per_case
        case = tf.random.experimental.index_shuffle(
            tf.cast(turn % count, tf.int32),
            seed=tf.cast(
                tf.stack([tf.cast(seed, tf.int64), turn // count]), tf.int32
            ),
            max_index=count - 1,
        )
        extent = crops.extents[case]
        free = tf.random.stateless_uniform([3], keys[0])
        start = tf.cast(
            free * tf.cast(extent - patch_shape + 1, tf.float32), tf.int32
        )
        # Around a foreground voxel, anywhere that keeps it in the patch.
        centre = _draw_foreground(crops.voxels, crops.offsets, case, keys[1])
        placed = centre - tf.cast(
            free * tf.cast(patch_shape, tf.float32), tf.int32
        )
        placed = tf.clip_by_value(placed, 0, extent - patch_shape)
        around = tf.random.stateless_uniform([], keys[2]) < foreground
        start = tf.where(around & (centre[0] >= 0), placed, start)
        first = tf.clip_by_value(start - margin, 0, extent - seen_shape)
        image, label = crops.read(case, first, seen_shape)
        if augmentation.moves_voxels:
            image, label = augmentation.distort(
                image, label, start - first, patch_shape, _other(key, 0)
            )
        order, reverse = draw_pose(axes, planes, keys[3], keys[4])
        image = pose(image, order, reverse)
        label = pose(label[..., None], order, reverse)[..., 0]
        image = augmentation.recolour(image, _other(key, 1))
        image.set_shape((*patch_shape, crops.channels))
        label.set_shape(patch_shape)
        return image, tf.cast(label, tf.int32)

    indices = tf.data.Dataset.range(start_step * batch_size, 1 << 62)
    dataset = indices.map(
        draw, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    dataset = dataset.batch(batch_size, drop_remainder=True)
    if steps is not None:
        dataset = dataset.take(steps)
    return dataset.prefetch(2)


def _other(key: Any, number: int) -> Any:
    """One more seed for a patch."""
    import tensorflow as tf

    return tf.random.experimental.stateless_fold_in(key, number)


def _check_shares(patches_per_case: int, shard: tuple[int, int]) -> None:
    if patches_per_case < 1:
        raise ValueError(
            "`patches_per_case` is expected to be at least 1. "
            f"Received: patches_per_case={patches_per_case}"
        )
    if len(shard) != 2 or not 0 <= shard[0] < shard[1]:
        raise ValueError(
            "`shard` is expected to be an index and a larger number of "
            f"shards. Received: shard={shard}"
        )


def _check_numbers(
    batch_size: int, start_step: int, steps: int | None, foreground: float
) -> None:
    for name, number, least in (
        ("batch_size", batch_size, 1),
        ("start_step", start_step, 0),
        ("steps", 0 if steps is None else steps, 0),
    ):
        if number < least:
            raise ValueError(
                f"`{name}` is expected to be at least {least}. "
                f"Received: {name}={number}"
            )
    if not 0 <= foreground <= 1:
        raise ValueError(
            "`foreground` is expected to be a probability between 0 and 1. "
            f"Received: foreground={foreground}"
        )


def _draw_foreground(voxels: Any, offsets: Any, order: Any, key: Any) -> Any:
    """A random voxel of a random class that is present; -1 if none is."""
    import tensorflow as tf

    draw = tf.random.stateless_uniform([2], key)
    present = tf.boolean_mask(offsets[order], offsets[order][:, 1] > 0)
    number = tf.shape(present)[0]
    if_none = tf.constant([[-1, 1]])
    present = tf.cond(number > 0, lambda: present, lambda: if_none)
    number = tf.maximum(number, 1)
    chosen = present[
        tf.minimum(
            tf.cast(draw[0] * tf.cast(number, tf.float32), tf.int32), number - 1
        )
    ]
    inside = tf.cast(draw[1] * tf.cast(chosen[1], tf.float32), tf.int32)
    inside = tf.minimum(inside, chosen[1] - 1)
    last = tf.shape(voxels)[0] - 1
    return voxels[tf.where(chosen[0] < 0, last, chosen[0] + inside)]
