"""Synthetic clips of known answer: their class is the order of events.

A bright or dark disc or square in front of an unevenly bright, still
background, with noise: it moves from left to right in one class
(`rightward`) and from right to left in the other (`leftward`), or it appears
(`appearing`) or vanishes (`vanishing`).

Every clip of the second class of a pair is the one before it, of the first
class, played backwards. Whatever sees frames without their order, as a
network without time kernels does that takes the mean over all frames, gives
both the same answer and is right in one of the two: half of all clips,
exactly. With four classes it is at most half, since that a shape moves can be
seen without order, but not where to.
"""

from collections.abc import Sequence

import numpy as np

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes._errors import whole
from keras_cakes.data.clips.sources import ArrayClips

PHANTOM_CLIP_CLASSES = ("rightward", "leftward", "appearing", "vanishing")

_EVENTS = {
    "motion": PHANTOM_CLIP_CLASSES[:2],
    "appearance": PHANTOM_CLIP_CLASSES[2:],
    "both": PHANTOM_CLIP_CLASSES,
}
# In values from 0 to 255.
_NOISE = 12.0


def phantom_clips(
    clips: int,
    shape: Sequence[int] = (8, 32, 32),
    seed: int = 0,
    events: str = "motion",
) -> ArrayClips:
    """Makes phantom clips.

    Args:
        clips: Number of clips; classes take turns. Clips `2 n` and `2 n + 1`
            show the same in both orders: training and validation should not
            share a pair, which different seeds ensure.
        shape: `(frames, height, width)`, at least 4 frames of 16 x 16 pixels.
        seed: Integer; the same seed gives the same bytes.
        events: `"motion"` for the classes `rightward` and `leftward`,
            `"appearance"` for `appearing` and `vanishing`, or `"both"`. A
            network that cannot see the order of frames is right in half of
            an even number of clips, or, of `"both"`, in at most half.

    Returns:
        Grey clips named `phantom_000`, ..., and their labels.

    Raises:
        ValueError: If an argument is too small, or no kind of events.

    Examples:
        >>> source = phantom_clips(3)
        >>> source.names, source.labels.tolist(), source.classes
        (('phantom_000', 'phantom_001', 'phantom_002'), [0, 1, 0], \
('rightward', 'leftward'))
    """
    shape = tuple(int(size) for size in shape)
    whole("clips", clips, least=1)
    whole("seed", seed, least=0)
    choose("events", events, tuple(_EVENTS))
    expect(
        "shape",
        shape,
        len(shape) == 3 and shape[0] >= 4 and min(shape[1:]) >= 16,
        "to be at least 4 frames of at least 16 x 16 pixels",
    )
    classes = _EVENTS[events]
    labels = [number % len(classes) for number in range(clips)]
    return ArrayClips(
        [
            phantom_clip(classes[label], shape, (seed, number // 2))
            for number, label in enumerate(labels)
        ],
        labels,
        classes,
        [f"phantom_{number:03d}" for number in range(clips)],
    )


def phantom_clip(
    event: str, shape: Sequence[int], seed: Sequence[int]
) -> np.ndarray:
    """One phantom clip.

    Args:
        event: One of `PHANTOM_CLIP_CLASSES`. With the same seed the two of a
            pair give the same frames in reversed order.
        shape: `(frames, height, width)`.
        seed: Integers that everything else follows from.

    Returns:
        Uint8 array `(frames, height, width, 1)`.
    """
    generator = np.random.default_rng(seed)
    frames, height, width = shape
    kind = PHANTOM_CLIP_CLASSES.index(event)
    make = _moving if kind < 2 else _appearing
    radius = generator.uniform(0.1, 0.18) * min(height, width)
    rows, columns, strength = make(generator, radius, shape)
    brightness = generator.uniform(80, 175)
    contrast = generator.uniform(50, 80) * generator.choice([-1, 1])
    grid = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    still = brightness + 25 * _smooth_field(generator, grid, height, width)
    square = generator.random() < 0.5
    away = [
        np.abs(grid[axis] - places[:, None, None])
        for axis, places in enumerate((rows, columns))
    ]
    distance = np.maximum(*away) if square else np.hypot(*away)
    # An edge of one pixel, so that places between pixels can be told apart.
    inside = np.clip(radius - distance + 0.5, 0, 1)
    clip = still + contrast * strength[:, None, None] * inside
    clip = clip + generator.normal(0, _NOISE, shape)
    clip = np.clip(np.round(clip), 0, 255).astype(np.uint8)[..., None]
    return clip if kind % 2 == 0 else np.ascontiguousarray(clip[::-1])


def _moving(generator, radius, shape):
    """Places and strength of a shape that moves to the right."""
    frames, height, width = shape
    free = width - 1 - 2 * radius
    way = generator.uniform(0.5, 0.9) * free
    first = radius + generator.uniform(0, free - way)
    columns = first + way * np.linspace(0, 1, frames)
    start, end = generator.uniform(radius, height - 1 - radius, 2)
    # It may rise or fall a little, the same in both directions.
    rows = start + 0.25 * (end - start) * np.linspace(0, 1, frames)
    return rows, columns, np.ones(frames)


def _appearing(generator, radius, shape):
    """Places and strength of a shape that appears where it stays."""
    frames, height, width = shape
    row, column = (
        generator.uniform(radius, size - 1 - radius) for size in (height, width)
    )
    begin = generator.uniform(0, 0.5)
    end = begin + generator.uniform(0.1, 0.5)
    times = np.linspace(0, 1, frames)
    strength = np.clip((times - begin) / (end - begin), 0, 1)
    return np.full(frames, row), np.full(frames, column), strength


def _smooth_field(generator, grid, height, width):
    field = 0.0
    for _ in range(3):
        wave = generator.uniform(-1.5, 1.5, 2)
        phase = generator.uniform(0, 2 * np.pi)
        ramp = wave[0] * grid[0] / height + wave[1] * grid[1] / width
        field = field + np.sin(2 * np.pi * ramp + phase) / 3
    return field
