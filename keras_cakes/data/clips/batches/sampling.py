"""Chooses the frames of a clip: one of each of its segments."""

from typing import Any

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes._errors import whole

SAMPLING_RULES = ("training", "validation", "test")
SHORT = ("spread", "published")
REMAINDERS = ("dropped", "spread")


def segment_frames(
    count: Any,
    segments: int,
    *,
    key: Any = None,
    short: str = "spread",
    rule: str = "training",
    remainder: str = "dropped",
) -> Any:
    """Chooses one frame of each segment of a clip.

    A clip of `n` frames falls into `segments` segments of equal length.
    Training takes a random frame of each, validation the middle one, which
    is frame `floor(n / segments * (x + 1/2))` for segment `x`. In training
    the published rule makes segments of `n // segments` frames and drops the
    `n % segments` frames behind them.

    If `n < segments`, `"published"` returns frame 0 for every segment (in
    validation also if `n == segments`); `"spread"` repeats frames instead.

    Args:
        count: Number of frames of the clip, at least 1, as an integer or a
            scalar integer tensor.
        segments: Number of frames to choose.
        key: Seed of two integers, for the training rule.
        short: `"spread"` or `"published"`, for short clips.
        rule: `"training"`, `"validation"`, or `"test"`, which is validation
            with `short="spread"`.
        remainder: `"dropped"`, or `"spread"` for segments that cover the
            whole clip; a frame that two of them share may be drawn for both.
            Only training uses it.

    Returns:
        Int32 tensor `(segments,)` of frames in order, counted from 0.

    Raises:
        ValueError: If an argument is none of those listed.

    Examples:
        >>> segment_frames(40, 8, rule="validation").numpy().tolist()
        [2, 7, 12, 17, 22, 27, 32, 37]
        >>> segment_frames(3, 6, rule="validation").numpy().tolist()
        [0, 0, 1, 1, 2, 2]
    """
    import tensorflow as tf

    check_sampling("segments", segments, short=short, remainder=remainder)
    choose("rule", rule, SAMPLING_RULES)
    if rule != "training":
        short = "spread" if rule == "test" else short
        return shifted_frames(count, segments, short=short)[0]
    expected = "to be a seed of two integers where rule='training'"
    expect("key", key, key is not None, expected)
    count = tf.cast(count, tf.int64)
    whole = count
    if remainder == "dropped":
        whole = count // segments * segments
    used = tf.where(count >= segments, whole, _of_short(count, short))
    offset = tf.random.stateless_uniform([segments], key, 0, used, tf.int64)
    # Segment x is [x, x + 1) * used / segments. Whole numbers cannot round a
    # frame into the next segment.
    frames = (tf.range(segments, dtype=tf.int64) * used + offset) // segments
    return tf.cast(frames, tf.int32)


def shifted_frames(
    count: Any, segments: int, *, clips: int = 1, short: str = "spread"
) -> Any:
    """Chooses the frames of several evenly shifted samplings of a clip.

    Each segment is cut into `clips` parts; sampling `i` takes the middle of
    part `i` of each. One sampling is the validation rule of `segment_frames`.

    Args:
        count: Number of frames of the clip, at least 1, as an integer or a
            scalar integer tensor.
        segments: Number of frames of a sampling.
        clips: Number of samplings.
        short: See `segment_frames`.

    Returns:
        Int32 tensor `(clips, segments)` of frames, counted from 0.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        >>> shifted_frames(40, 4, clips=2).numpy().tolist()
        [[2, 12, 22, 32], [7, 17, 27, 37]]
    """
    import tensorflow as tf

    check_sampling("segments", segments, short=short)
    whole("clips", clips, least=1)
    count = tf.cast(count, tf.int64)
    used = tf.where(count > segments, count, _of_short(count, short))
    parts = tf.range(segments * clips, dtype=tf.int64)
    frames = (2 * parts + 1) * used // (2 * segments * clips)
    frames = tf.transpose(tf.reshape(frames, [segments, clips]))
    return tf.cast(frames, tf.int32)


def check_sampling(
    name: str, segments: int, *, short: str, remainder: str = "dropped"
) -> None:
    """Refuses wrong segments (an argument called `name`) and rules."""
    whole(name, segments, least=1)
    choose("short", short, SHORT)
    choose("remainder", remainder, REMAINDERS)


def _of_short(count: Any, short: str) -> Any:
    """Returns the number of frames used of a short clip, the first ones."""
    import tensorflow as tf

    return count if short == "spread" else tf.ones_like(count)
