"""Builds the pipeline that evaluation reads: each clip once, in views."""

from typing import Any

from keras_cakes._errors import whole
from keras_cakes.data.clips.batches.clip_augmentation import ClipAugmentation
from keras_cakes.data.clips.batches.sampling import check_sampling
from keras_cakes.data.clips.batches.sampling import shifted_frames
from keras_cakes.data.clips.sources import FrameSource


def clip_views(
    source: FrameSource,
    frames: int,
    *,
    batch_size: int,
    clips: int = 1,
    crops: int = 1,
    augmentation: ClipAugmentation | None = None,
    short: str = "spread",
) -> Any:
    """Shows each clip once, in the order of the source, without draws.

    A view is one sampling of frames and one crop. `shifted_frames` gives the
    `clips` samplings, each is cropped in `crops` places along the longer
    side. View `i * crops + j` is sampling `i` in place `j`.

    Args:
        source: Clips, with or without labels.
        frames: Frames per view, one of each segment.
        batch_size: Clips per batch; the last may hold fewer.
        clips: Samplings of frames.
        crops: 1 for the centre; 3 for left, centre and right, or top, centre
            and bottom of upright frames.
        augmentation: The one of training, for crops and normalization; by
            default crops of 224 of 256 pixels.
        short: See `segment_frames`, for clips not longer than `frames`.

    Returns:
        A finite `tf.data.Dataset` of views `(batch, clips * crops, frames,
        height, width, channels)`, float32, and labels `(batch,)`, int32, -1
        where there is none.

    Raises:
        ValueError: If an argument is out of range or does not fit the source.

    Examples:
        >>> from keras_cakes.data import phantom_clips
        >>> small = ClipAugmentation(size=(24, 24))
        >>> data = clip_views(
        ...     phantom_clips(3),
        ...     4,
        ...     batch_size=2,
        ...     clips=2,
        ...     crops=3,
        ...     augmentation=small,
        ... )
        >>> [(views.shape, label.shape) for views, label in data][-1]
        (TensorShape([1, 6, 4, 24, 24, 1]), TensorShape([1]))
    """
    import tensorflow as tf

    augmentation = augmentation or ClipAugmentation()
    whole("batch_size", batch_size, least=1)
    whole("clips", clips, least=1)
    check_sampling("frames", frames, short=short)
    augmentation.check(source.channels, len(source.classes))
    augmentation.check_crops(crops)
    seen = (frames, *augmentation.size, source.channels)
    # The pipeline runs on the host; clips would only fill a GPU.
    with tf.device("CPU"):
        labels = tf.constant(source.labels, tf.int32)
        lengths = tf.constant(source.frame_counts, tf.int32)

    @tf.autograph.experimental.do_not_convert
    def show(clip):
        chosen = shifted_frames(lengths[clip], frames, clips=clips, short=short)
        # All samplings at once: a video file is opened and decoded once.
        images = source.read(clip, tf.reshape(chosen, [-1]))
        images.set_shape((clips * frames, None, None, source.channels))
        views = augmentation.views(images, crops)
        views = tf.reshape(views, [crops, clips, *seen])
        views = tf.transpose(views, [1, 0, 2, 3, 4, 5])
        return tf.reshape(views, [clips * crops, *seen]), labels[clip]

    dataset = tf.data.Dataset.range(len(source), output_type=tf.int32)
    dataset = dataset.map(
        show, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return dataset.batch(batch_size).prefetch(2)
