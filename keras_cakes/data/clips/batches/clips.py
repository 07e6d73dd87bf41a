"""Builds the pipeline that training reads: random, augmented clips."""

from typing import Any

from keras_cakes._errors import choose
from keras_cakes.data.arguments import ON_ERROR
from keras_cakes.data.arguments import check_batches
from keras_cakes.data.clips.batches.clip_augmentation import ClipAugmentation
from keras_cakes.data.clips.batches.sampling import check_sampling
from keras_cakes.data.clips.batches.sampling import segment_frames
from keras_cakes.data.clips.sources import FrameSource

# Other clips tried for one that cannot be read.
_TRIES = 100
# No training has so many epochs.
_EPOCHS = 1 << 20


def clips(
    source: FrameSource,
    frames: int,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    steps: int | None = None,
    augmentation: ClipAugmentation | None = None,
    short: str = "spread",
    remainder: str = "dropped",
    shard: tuple[int, int] = (0, 1),
    on_error: str = "raise",
) -> Any:
    """Draws training clips.

    Clip `b` of step `s` depends on `seed` and `s * batch_size + b` alone: a
    run resumed at `start_step` sees the batches that it would have seen.
    Every `len(source)` clips are all clips of the source, in a random order.
    Only chosen frames are read; memory does not grow with the number of
    clips.

    Args:
        source: Labelled clips.
        frames: Frames per clip, one of each segment; see `segment_frames`.
        batch_size: Clips per batch.
        seed: Integer that determines all random choices.
        start_step: First step.
        steps: Number of batches; `None` for an endless data set.
        augmentation: Crops, flips and colours; by default multi-scale corner
            crops of 224 x 224 pixels, not flipped.
        short: See `segment_frames`.
        remainder: See `segment_frames`.
        shard: Index of this replica and number of replicas. Together they
            see the clips that one alone would see.
        on_error: `"raise"` stops at a clip that cannot be read; `"skip"`
            lists it in `source.failures` and takes another clip, which the
            seed determines, too.

    Returns:
        A `tf.data.Dataset` of clips `(batch, frames, height, width,
        channels)`, float32, and labels `(batch,)`, int32.

    Raises:
        ValueError: If a clip has no label, or an argument is out of range or
            does not fit the source.

    Examples:
        >>> from keras_cakes.data import phantom_clips
        >>> small = ClipAugmentation(size=(24, 24), crop="random")
        >>> data = clips(
        ...     phantom_clips(4),
        ...     8,
        ...     batch_size=2,
        ...     seed=0,
        ...     steps=1,
        ...     augmentation=small,
        ... )
        >>> [(clip.shape, label.shape) for clip, label in data]
        [(TensorShape([2, 8, 24, 24, 1]), TensorShape([2]))]
    """
    import tensorflow as tf

    augmentation = augmentation or ClipAugmentation()
    check_batches(batch_size, seed, start_step, steps, shard)
    choose("on_error", on_error, ON_ERROR)
    check_sampling("frames", frames, short=short, remainder=remainder)
    augmentation.check(source.channels, len(source.classes))
    _check_labels(source)
    count = len(source)
    # The pipeline runs on the host; clips would only fill a GPU.
    with tf.device("CPU"):
        labels = tf.constant(source.labels, tf.int32)
        lengths = tf.constant(source.frame_counts, tf.int32)

    def drawn(index, number):
        # Negative epochs choose the clips that replace unreadable ones.
        epoch = index // count - tf.cast(number, tf.int64) * _EPOCHS
        # A shuffle uses only the lowest bits of its seed, 8 for few clips.
        mixed = tf.random.stateless_uniform(
            [2], _pair(seed, epoch), None, None, tf.int32
        )
        return tf.random.experimental.index_shuffle(
            tf.cast(index % count, tf.int32), mixed, max_index=count - 1
        )

    def sample(clip, key):
        return segment_frames(
            lengths[clip], frames, key=key, short=short, remainder=remainder
        )

    @tf.autograph.experimental.do_not_convert
    def draw(index):
        index = index * shard[1] + shard[0]
        keys = tf.unstack(tf.random.split(_pair(seed, index), 2), num=2)
        if on_error == "raise":
            clip = drawn(index, 0)
            images = source.read(clip, sample(clip, keys[0]))
        else:
            clip, images = _first_readable(
                source,
                lambda number: drawn(index, number),
                lambda clip: sample(clip, keys[0]),
            )
        images.set_shape((frames, None, None, source.channels))
        images, label = augmentation.augment(images, labels[clip], key=keys[1])
        images.set_shape((frames, *augmentation.size, source.channels))
        return images, label

    indices = tf.data.Dataset.range(start_step * batch_size, 1 << 62)
    dataset = indices.map(
        draw, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    dataset = dataset.batch(batch_size, drop_remainder=True)
    if steps is not None:
        dataset = dataset.take(steps)
    return dataset.prefetch(2)


def _pair(seed: int, number: Any) -> Any:
    """Returns a seed of two integers."""
    import tensorflow as tf

    return tf.cast(tf.stack([tf.cast(seed, tf.int64), number]), tf.int32)


def _first_readable(source: FrameSource, choose: Any, sample: Any) -> Any:
    """Chooses clips in turn and reads the first readable one."""
    import tensorflow as tf

    def attempt(number, clip, images, readable):
        clip = choose(number)
        images, readable = source.try_read(clip, sample(clip))
        return number + 1, clip, images, readable

    anything = tf.TensorShape([None, None, None, source.channels])
    number, clip, images, readable = tf.while_loop(
        lambda number, clip, images, readable: ~readable & (number <= _TRIES),
        attempt,
        (
            tf.constant(0),
            tf.constant(0),
            tf.zeros([0, 0, 0, source.channels], tf.uint8),
            tf.constant(False),
        ),
        (tf.TensorShape([]), tf.TensorShape([]), anything, tf.TensorShape([])),
    )
    check = tf.debugging.Assert(
        readable,
        ["A clip that can be read is expected. Tried without success:", number],
    )
    with tf.control_dependencies([check]):
        return clip, tf.identity(images)


def _check_labels(source: FrameSource) -> None:
    without = [
        name
        for name, label in zip(source.names, source.labels, strict=True)
        if label < 0
    ]
    if without:
        raise ValueError(
            "`source` is expected to hold labelled clips. Received: "
            f"{len(source)} clips, without label: {without[:5]}"
        )
