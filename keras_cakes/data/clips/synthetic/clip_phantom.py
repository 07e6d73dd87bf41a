"""Makes synthetic clips whose class is the order of events.

A bright or dark disc or square, in front of a still background with noise,
moves from left to right (`rightward`) or from right to left (`leftward`), or
it appears (`appearing`) or vanishes (`vanishing`).

Every second clip is the one before it, played backwards. A network that
ignores the order of frames answers both alike and is right in one of the two:
in exactly half of all clips, with four classes in at most half.
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
# Deviation of the noise, in values from 0 to 255.
_NOISE = 12.0


def phantom_clips(
    clips: int,
    shape: Sequence[int] = (8, 32, 32),
    *,
    seed: int = 0,
    events: str = "motion",
) -> ArrayClips:
    """Makes phantom clips.

    Args:
        clips: Number of clips; classes take turns. Clips `2 n` and `2 n + 1`
            show the same in both orders; use different seeds for training
            and validation, so that they share no pair.
        shape: `(frames, height, width)`, at least 4 frames of 16 x 16 pixels.
        seed: Integer; the same seed gives the same bytes.
        events: `"motion"` for the classes `rightward` and `leftward`,
            `"appearance"` for `appearing` and `vanishing`, or `"both"`.

    Returns:
        Grey clips named `phantom_000`, ..., and their labels.

    Raises:
        ValueError: If an argument is not as stated.

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
            phantom_clip(classes[label], shape, seed=(seed, number // 2))
            for number, label in enumerate(labels)
        ],
        labels,
        classes=classes,
        names=[f"phantom_{number:03d}" for number in range(clips)],
    )


def phantom_clip(
    event: str, shape: Sequence[int], *, seed: Sequence[int]
) -> np.ndarray:
    """Makes one phantom clip, uint8 `(frames, height, width, 1)`.

    With the same seed, the two classes of a pair give the same frames in
    reversed order.
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
    # An edge one pixel wide shows places between pixels.
    inside = np.clip(radius - distance + 0.5, 0, 1)
    clip = still + contrast * strength[:, None, None] * inside
    clip = clip + generator.normal(0, _NOISE, shape)
    clip = np.clip(np.round(clip), 0, 255).astype(np.uint8)[..., None]
    return clip if kind % 2 == 0 else np.ascontiguousarray(clip[::-1])


def _moving(generator, radius, shape):
    """Draws places and strength of a shape that moves to the right."""
    frames, height, width = shape
    free = width - 1 - 2 * radius
    way = generator.uniform(0.5, 0.9) * free
    first = radius + generator.uniform(0, free - way)
    columns = first + way * np.linspace(0, 1, frames)
    start, end = generator.uniform(radius, height - 1 - radius, 2)
    # The shape may rise or fall a little, alike in both directions.
    rows = start + 0.25 * (end - start) * np.linspace(0, 1, frames)
    return rows, columns, np.ones(frames)


def _appearing(generator, radius, shape):
    """Draws place and strength of a shape that appears and stays."""
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
