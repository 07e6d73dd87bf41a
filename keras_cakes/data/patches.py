"""Augmented training patches as a `tf.data` pipeline."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes.data.volumes import Volume


def patches(
    volumes: Sequence[Volume],
    patch_shape: Sequence[int],
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    steps: int | None = None,
    foreground: float = 0.67,
    flip: "bool | Sequence[int]" = True,
    rotate: "bool | Sequence[Sequence[int]]" = True,
) -> Any:
    """Draws training patches.

    Patch `b` of step `s` depends on `seed` and `s * batch_size + b` alone: a
    run that is resumed at `start_step` sees the batches that it would have
    seen. Every `len(volumes)` patches visit each volume once, in a random
    order. Volumes are held in memory, padded to their largest extent.

    Args:
        volumes: Labelled volumes.
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

    Returns:
        A `tf.data.Dataset` of images `(batch, depth, height, width,
        channels)`, float32, and labels `(batch, depth, height, width)`,
        int32.

    Raises:
        ValueError: If there is no labelled volume, or an argument does not
            fit the patch.
    """
    import tensorflow as tf

    patch_shape = tuple(int(size) for size in patch_shape)
    axes, planes = _augmentations(patch_shape, flip, rotate)
    if not volumes or any(volume.label is None for volume in volumes):
        raise ValueError(
            "`volumes` is expected to hold labelled volumes. Received: "
            f"{len(volumes)} volumes, without label: "
            f"{[v.name for v in volumes if v.label is None][:5]}"
        )
    images, labels, extents = _stack(volumes, patch_shape)
    voxels, offsets = _foreground_index(labels, len(volumes))
    count = len(volumes)

    def draw(index):
        key = tf.stack([tf.cast(seed, tf.int64), index])
        keys = tf.unstack(tf.random.split(tf.cast(key, tf.int32), num=5), num=5)
        epoch = tf.cast(index // count, tf.int32)
        order = tf.random.experimental.index_shuffle(
            tf.cast(index % count, tf.int32),
            seed=tf.stack([tf.cast(seed, tf.int32), epoch]),
            max_index=count - 1,
        )
        extent = extents[order]
        free = tf.random.stateless_uniform([3], keys[0])
        start = tf.cast(
            free * tf.cast(extent - patch_shape + 1, tf.float32), tf.int32
        )
        # Around a foreground voxel, anywhere that keeps it in the patch.
        centre = _draw_foreground(voxels, offsets, order, keys[1])
        placed = centre - tf.cast(
            free * tf.cast(patch_shape, tf.float32), tf.int32
        )
        placed = tf.clip_by_value(placed, 0, extent - patch_shape)
        around = tf.random.stateless_uniform([], keys[2]) < foreground
        start = tf.where(around & (centre[0] >= 0), placed, start)
        image = tf.slice(
            images,
            tf.concat([[order], start, [0]], 0),
            [1, *patch_shape, images.shape[-1]],
        )[0]
        label = tf.slice(
            labels, tf.concat([[order], start], 0), [1, *patch_shape]
        )[0]
        both = tf.concat([image, tf.cast(label, tf.float32)[..., None]], -1)
        both = _augment(both, axes, planes, keys[3], keys[4])
        both.set_shape((*patch_shape, images.shape[-1] + 1))
        return both[..., :-1], tf.cast(both[..., -1], tf.int32)

    indices = tf.data.Dataset.range(start_step * batch_size, 1 << 62)
    dataset = indices.map(draw, num_parallel_calls=2, deterministic=True)
    dataset = dataset.batch(batch_size, drop_remainder=True)
    if steps is not None:
        dataset = dataset.take(steps)
    return dataset.prefetch(2)


def _augmentations(
    patch_shape: tuple[int, ...], flip: Any, rotate: Any
) -> tuple[list[int], list[tuple[int, int]]]:
    if len(patch_shape) != 3 or min(patch_shape) < 1:
        raise ValueError(
            "`patch_shape` is expected to be three positive sizes. "
            f"Received: patch_shape={patch_shape}"
        )
    pairs = [(0, 1), (0, 2), (1, 2)]
    square = [p for p in pairs if patch_shape[p[0]] == patch_shape[p[1]]]
    axes = list(range(3)) if flip is True else list(flip or ())
    planes = square if rotate is True else [tuple(p) for p in rotate or ()]
    if not set(axes) <= {0, 1, 2}:
        raise ValueError(
            "`flip` is expected to name axes of 0, 1 and 2. "
            f"Received: flip={flip}"
        )
    if not set(planes) <= set(square):
        raise ValueError(
            "`rotate` is expected to name planes of equal patch sizes, here "
            f"{square}. Received: rotate={rotate}, patch_shape={patch_shape}"
        )
    return axes, planes


def _stack(volumes: Sequence[Volume], patch_shape: tuple[int, ...]) -> Any:
    """All volumes in one tensor, padded to a common shape.

    A volume smaller than the patch is centred in it, the rest of the padding
    lies behind and is never drawn.
    """
    import tensorflow as tf

    extents = np.array(
        [np.maximum(v.image.shape[:3], patch_shape) for v in volumes],
        np.int32,
    )
    shape = (len(volumes), *extents.max(axis=0))
    images = np.zeros((*shape, volumes[0].image.shape[-1]), np.float32)
    labels = np.zeros(shape, np.uint8)
    for index, volume in enumerate(volumes):
        window: Any = tuple(
            slice(before := max(patch - size, 0) // 2, before + size)
            for patch, size in zip(
                patch_shape, volume.image.shape, strict=False
            )
        )
        images[(index, *window)] = volume.image
        labels[(index, *window)] = volume.label
    return (
        tf.convert_to_tensor(images),
        tf.convert_to_tensor(labels),
        tf.convert_to_tensor(extents),
    )


def _foreground_index(labels: Any, count: int) -> Any:
    """Voxels of each class of each volume, and where each list begins."""
    import tensorflow as tf

    array = labels.numpy()
    classes = max(int(array.max()), 1)
    lists, bounds = [], [0]
    for index in range(count):
        for value in range(1, classes + 1):
            found = np.argwhere(array[index] == value).astype(np.int16)
            lists.append(found)
            bounds.append(bounds[-1] + len(found))
    offsets = np.array(bounds, np.int32)
    starts = np.stack([offsets[:-1], np.diff(offsets)], -1)
    return (
        tf.convert_to_tensor(np.concatenate([*lists, [[-1] * 3]]), tf.int32),
        tf.convert_to_tensor(starts.reshape(count, classes, 2)),
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


def _augment(
    both: Any, axes: list[int], planes: Any, flips: Any, turns: Any
) -> Any:
    import tensorflow as tf

    reverse = tf.random.stateless_uniform([3], flips) < 0.5
    for axis in axes:
        both = tf.where(reverse[axis], tf.reverse(both, [axis]), both)
    quarters = tf.random.stateless_uniform([3], turns, 0, 4, tf.int32)
    for number, (first, second) in enumerate(planes):
        order = list(range(4))
        order[first], order[second] = second, first
        # A quarter turn is a transposition and a reversal.
        quarter = tf.reverse(tf.transpose(both, order), [first])
        half = tf.reverse(both, [first, second])
        three = tf.reverse(tf.transpose(both, order), [second])
        both = tf.stack([both, quarter, half, three])[quarters[number]]
    return both
