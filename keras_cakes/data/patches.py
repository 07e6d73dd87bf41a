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
    order. Volumes are held in memory, padded to their largest extent: 4 bytes
    per voxel and channel, 1 per voxel for the label, 12 per voxel of
    foreground.

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

    _check_numbers(batch_size, start_step, steps, foreground)
    patch_shape = tuple(int(size) for size in patch_shape)
    axes, planes = _augmentations(patch_shape, flip, rotate)
    if not volumes or any(volume.label is None for volume in volumes):
        raise ValueError(
            "`volumes` is expected to hold labelled volumes. Received: "
            f"{len(volumes)} volumes, without label: "
            f"{[v.name for v in volumes if v.label is None][:5]}"
        )
    channels = {volume.image.shape[-1] for volume in volumes}
    if len(channels) > 1:
        raise ValueError(
            "`volumes` is expected to share one number of channels. "
            f"Received: channels={sorted(channels)}"
        )
    # The pipeline runs on the host; volumes would only fill a GPU.
    with tf.device("CPU"):
        images, labels, extents = _stack(volumes, patch_shape)
        voxels, offsets = _foreground_index(labels, len(volumes))
    count = len(volumes)

    @tf.autograph.experimental.do_not_convert
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
        order, reverse = _draw_pose(axes, planes, keys[3], keys[4])
        image = _pose(image, order, reverse)
        label = _pose(label[..., None], order, reverse)[..., 0]
        image.set_shape((*patch_shape, images.shape[-1]))
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
        label = np.asarray(volume.label)
        if label.shape != volume.image.shape[:3]:
            raise ValueError(
                "`volumes` is expected to hold labels of the shape of their "
                f"image, {volume.image.shape[:3]}. Received: {volume.name} "
                f"of shape {label.shape}"
            )
        images[(index, *window)] = volume.image
        labels[(index, *window)] = label
    return (
        tf.convert_to_tensor(images),
        tf.convert_to_tensor(labels),
        tf.convert_to_tensor(extents),
    )


def _foreground_index(labels: Any, count: int) -> Any:
    """Voxels of each class of each volume, and where each list begins."""
    import tensorflow as tf

    array = labels.numpy()
    shape = array.shape[1:]
    classes = max(int(array.max()), 1)
    lists, bounds = [], [0]
    for index in range(count):
        flat = array[index].ravel()
        inside = np.flatnonzero(flat)
        for value in range(1, classes + 1):
            found = inside[flat[inside] == value]
            lists.append(np.stack(np.unravel_index(found, shape), -1))
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


def _draw_pose(
    axes: list[int], planes: Any, flips: Any, turns: Any
) -> tuple[Any, Any]:
    """One of the 48 ways to lay a cube: an order of axes, then reversals.

    Flips and quarter turns are composed on these few numbers, so that the
    voxels are moved once. A quarter turn is a transposition and a reversal.
    """
    import tensorflow as tf

    drawn = tf.random.stateless_uniform([3], flips) < 0.5
    reverse = [drawn[a] if a in axes else tf.constant(False) for a in range(3)]
    order = [tf.constant(axis) for axis in range(3)]
    quarters = tf.random.stateless_uniform([3], turns, 0, 4, tf.int32)
    for number, (first, second) in enumerate(planes):
        quarter = quarters[number]
        odd = quarter % 2 == 1
        for values in (order, reverse):
            a, b = values[first], values[second]
            values[first] = tf.where(odd, b, a)
            values[second] = tf.where(odd, a, b)
        turned = (quarter == 1) | (quarter == 2)
        reverse[first] = tf.math.logical_xor(reverse[first], turned)
        turned = (quarter == 2) | (quarter == 3)
        reverse[second] = tf.math.logical_xor(reverse[second], turned)
    return tf.stack([*order, 3]), tf.stack([*reverse, False])


def _pose(patch: Any, order: Any, reverse: Any) -> Any:
    import tensorflow as tf

    # `tf.reverse` takes numbers of axes; here only their flags are known.
    return tf.raw_ops.Reverse(tensor=tf.transpose(patch, order), dims=reverse)
