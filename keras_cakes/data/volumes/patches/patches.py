"""Draws augmented training patches in a `tf.data` pipeline."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.data.arguments import check_batches
from keras_cakes.data.host_calls import host_call
from keras_cakes.data.volumes.cases import Volume
from keras_cakes.data.volumes.patches.augmentation import Augmentation
from keras_cakes.data.volumes.patches.crops import Crops
from keras_cakes.data.volumes.patches.crops import memory_sources
from keras_cakes.data.volumes.patches.crops import prepared_sources
from keras_cakes.data.volumes.patches.placing import Drawn
from keras_cakes.data.volumes.patches.placing import Draws
from keras_cakes.data.volumes.patches.poses import Pose
from keras_cakes.data.volumes.patches.poses import allowed_poses
from keras_cakes.data.volumes.patches.poses import pose
from keras_cakes.data.volumes.preparing.prepared import PreparedDataset


def patches(
    volumes: "Sequence[Volume] | PreparedDataset",
    patch_shape: Sequence[int],
    *,
    batch_size: int,
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

    Patch `b` of step `s` depends on `seed` and `s * batch_size + b` alone, so
    a run that is resumed at `start_step` sees the same batches. Every
    `len(volumes) * patches_per_case` patches visit each volume equally often,
    in a random order. Volumes in memory are not copied; 12 bytes per voxel of
    foreground are added. Of prepared volumes, which stay on disk, only the
    voxels of a patch are read.

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
            patch sizes are equal. All compositions of flips and turns are
            equally likely.
        augmentation: Small rotations, deformations and changes of intensity;
            by default none.
        patches_per_case: Patches that are drawn from a volume before the
            next; later ones find the volume's voxels still in memory.
        shard: Index of this replica and number of replicas. Together they
            see the patches that one replica would have seen.

    Returns:
        A `tf.data.Dataset` of images `(batch, depth, height, width,
        channels)`, float32, and labels `(batch, depth, height, width)`,
        int32.

    Raises:
        ValueError: If there is no labelled volume, channels differ, or an
            argument is out of range or does not fit the patch.

    Examples:
        >>> from keras_cakes.data import phantom_volumes
        >>> volumes = phantom_volumes(2, (16, 16, 16))
        >>> data = patches(volumes, (8, 8, 8), batch_size=2, seed=0, steps=1)
        >>> [(image.shape, label.shape) for image, label in data]
        [(TensorShape([2, 8, 8, 8, 1]), TensorShape([2, 8, 8, 8]))]
    """
    import tensorflow as tf

    augmentation = augmentation or Augmentation()
    check_batches(batch_size, seed, start_step, steps, shard)
    number("foreground", foreground, least=0, most=1)
    whole("patches_per_case", patches_per_case, least=1)
    patch_shape = tuple(int(size) for size in patch_shape)
    poses = allowed_poses(patch_shape, flip, rotate)
    sources = (
        prepared_sources(volumes)
        if isinstance(volumes, PreparedDataset)
        else memory_sources(volumes)
    )
    crops = Crops(sources, patch_shape)
    draws = Draws(
        crops.tables,
        patch_shape,
        len(poses),
        seed,
        foreground,
        patches_per_case,
        shard,
    )
    # The pipeline runs on the host, also where there is an accelerator.
    with tf.device("CPU"):
        dataset = draws.dataset(start_step * batch_size)
        if augmentation == Augmentation():
            dataset = dataset.rebatch(batch_size, drop_remainder=True)
            dataset = _mapped(dataset, _reader(crops, poses, batch_size))
        else:
            one = _augmented(crops, poses, augmentation, seed)
            dataset = _mapped(dataset.unbatch(), one)
            dataset = dataset.batch(batch_size, drop_remainder=True)
        if steps is not None:
            dataset = dataset.take(steps)
        return dataset.prefetch(2)


def _mapped(dataset: Any, function: Callable[..., Any]) -> Any:
    import tensorflow as tf

    return dataset.map(
        function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def _reader(
    crops: Crops,
    poses: Sequence[Pose],
    number: int,
    margin: tuple[int, ...] = (0, 0, 0),
) -> Callable[..., Any]:
    """Returns a function from rows of draws to posed patches."""
    import tensorflow as tf

    shape = np.add(crops.patch_shape, np.multiply(2, margin)).tolist()
    specs = [
        tf.TensorSpec((number, *shape, crops.channels), tf.float32),
        tf.TensorSpec((number, *shape), tf.int32),
    ]

    def cut(rows):
        drawn = Drawn.of(rows)
        return crops.read(
            drawn.case.tolist(),
            (drawn.start - margin).tolist(),
            [poses[place] for place in drawn.pose],
            shape,
        )

    @tf.autograph.experimental.do_not_convert
    def read(rows):
        return tuple(host_call(cut, [rows], specs))

    return read


def _augmented(
    crops: Crops,
    poses: Sequence[Pose],
    augmentation: Augmentation,
    seed: int,
) -> Callable[..., Any]:
    """Returns a function from a row of draws to a distorted patch."""
    import tensorflow as tf

    moves = augmentation.moves_voxels
    margin = augmentation.margin(crops.patch_shape)
    # Distorted patches are posed after the distortion.
    laid = [Pose()] * len(poses) if moves else poses
    read = _reader(crops, laid, 1, margin)
    orders = tf.constant([known.order for known in poses])
    reverses = tf.constant([known.reverse for known in poses])

    @tf.autograph.experimental.do_not_convert
    def augment(row):
        drawn = Drawn.of(row)
        key = tf.stack([tf.constant(seed, tf.int64), drawn.index])
        image, label = (patch[0] for patch in read(row[None]))
        if moves:
            image, label = augmentation.distort(
                image,
                label,
                offset=margin,
                shape=crops.patch_shape,
                key=_other(key, 0),
            )
            order, reverse = orders[drawn.pose], reverses[drawn.pose]
            image = pose(image, order, reverse)
            label = pose(label[..., None], order, reverse)[..., 0]
        image = augmentation.recolour(image, _other(key, 1))
        image.set_shape((*crops.patch_shape, crops.channels))
        label.set_shape(crops.patch_shape)
        return image, label

    return augment


def _other(key: Any, number: int) -> Any:
    """Derives one more seed for a patch."""
    import tensorflow as tf

    return tf.random.experimental.stateless_fold_in(key, number)
