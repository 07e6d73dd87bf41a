"""Crops, flips and recolours the frames of clips."""

import dataclasses
import math
from typing import Any

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes._errors import whole
from keras_cakes.data.clips.batches.clip_colours import check_colours
from keras_cakes.data.clips.batches.clip_colours import normalize
from keras_cakes.data.clips.batches.clip_colours import recolour
from keras_cakes.data.clips.batches.clip_colours import standardize
from keras_cakes.data.clips.batches.clip_crops import along_longer_side
from keras_cakes.data.clips.batches.clip_crops import cut
from keras_cakes.data.clips.batches.clip_crops import multi_scale_box
from keras_cakes.data.clips.batches.clip_crops import random_place
from keras_cakes.data.clips.batches.clip_crops import short_side_box

CROPS = ("multi_scale", "random", "centre", "none")

# Classes of Something-Something V1 and V2 that swap in a mirror, such as
# pulling from left to right and from right to left.
SOMETHING_SOMETHING_PAIRS = ((86, 87), (93, 94), (166, 167))


@dataclasses.dataclass(frozen=True)
class ClipAugmentation:
    """Crops, flips, recolours and normalizes all frames of a clip alike.

    Every draw follows from the seed of the clip alone. By default crops
    follow the published protocol, and clips are not flipped.

    A crop is a box of whole pixels of the stored frames, resized by linear
    interpolation to `size`. With `short_side=256`, a crop of 224 shows 7/8 of
    the shorter side, rounded.

    Args:
        size: `(height, width)` of the result, in pixels.
        crop: `"multi_scale"`: height and width drawn from `scales` of the
            shorter side, at most one step apart, in one of 13 places;
            `"random"`: a crop of `size` of frames whose shorter side is
            `short_side`, anywhere; `"centre"`: the same in the middle;
            `"none"`: the whole frame, stretched to `size`.
        short_side: Shorter side, in pixels, that frames are scaled to for
            `"random"` and `"centre"` crops, and in evaluation also for
            `"multi_scale"`; by default 8/7 of the larger size.
        scales: Sides of `"multi_scale"`, as shares of the shorter side.
        flip: Mirrors half of the clips, left to right.
        flip_pairs: Pairs of labels that are swapped in mirrored clips, such
            as `SOMETHING_SOMETHING_PAIRS`.
        brightness: Change of brightness; 0.4 draws factors from 0.6 to 1.4.
        contrast: Change of contrast around the mean of the clip, likewise.
        saturation: Change of the distance of colours from grey, likewise.
        mean: Subtracted from values between 0 and 1, one for each channel or
            for all; by default ImageNet's, 0.449 for grey.
        std: Divides the values after that; by default ImageNet's, 0.226 for
            grey.
        standardize: Brings each clip to zero mean and unit deviation instead,
            which helps if sensors drift from day to day.
        antialias: Averages over all covered pixels where a crop is made
            smaller, as Pillow does; by default the nearest four count, as in
            OpenCV, in a sixth of the time.

    Raises:
        ValueError: If an argument is not as stated.
    """

    size: tuple[int, int] = (224, 224)
    crop: str = "multi_scale"
    _: dataclasses.KW_ONLY
    short_side: int | None = None
    scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    flip: bool = False
    flip_pairs: tuple[tuple[int, int], ...] = ()
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    standardize: bool = False
    antialias: bool = False

    def __post_init__(self):
        for field in ("size", "scales", "mean", "std"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, tuple(getattr(self, field)))
        pairs = tuple(tuple(pair) for pair in self.flip_pairs)
        object.__setattr__(self, "flip_pairs", pairs)
        _check_crops(self)
        _check_flips(self)
        check_colours(self)

    @property
    def shorter(self) -> int:
        """Returns `short_side`, or its default."""
        if self.short_side is None:
            return math.ceil(max(self.size) * 8 / 7)
        return self.short_side

    def check(self, channels: int, classes: int) -> None:
        """Refuses clips that do not fit, by their channels and classes."""
        for name in ("mean", "std"):
            values = getattr(self, name)
            fits = values is None or len(values) in (1, channels)
            expected = f"to hold one number, or one for each of {channels}"
            expect(name, values, fits, f"{expected} channels")
        fits = channels == 3 or not self.saturation
        expect("saturation", self.saturation, fits, "to be 0 for grey clips")
        outside = [pair for pair in self.flip_pairs if max(pair) >= classes]
        if outside:
            raise ValueError(
                f"`flip_pairs` is expected to hold labels below {classes}, "
                f"the number of classes. Received: {outside}"
            )

    def check_crops(self, crops: int) -> None:
        """Refuses a number of crops that `views` cannot give."""
        allowed = (1,) if self.crop == "none" else (1, 3)
        fits = whole("crops", crops) in allowed
        expected = f"to be one of {allowed} where crop={self.crop!r}"
        expect("crops", crops, fits, expected)

    def augment(self, frames: Any, label: Any, *, key: Any) -> tuple[Any, Any]:
        """Crops, flips and recolours a clip.

        Args:
            frames: Uint8 tensor `(frames, height, width, channels)`.
            label: Scalar integer tensor.
            key: Seed of two integers.

        Returns:
            Float32 tensor `(frames, *size, channels)`, normalized, and the
            label, swapped by `flip_pairs` if the clip was mirrored.
        """
        import tensorflow as tf

        # One operation draws all six: it costs more than its numbers.
        draws = tf.random.stateless_uniform([6], key)
        label = tf.cast(label, tf.int32)
        extent = tf.shape(frames)[1:3]
        if self.crop == "multi_scale":
            start, side = multi_scale_box(
                extent, self.size, scales=self.scales, draws=draws[:2]
            )
        elif self.crop == "random":
            free, side = short_side_box(
                extent, self.size, short_side=self.shorter
            )
            start = random_place(free, draws[:2])
        else:
            start, side = self._centre(extent, 1)
        clip = self._cut(frames, start, side)
        if self.flip:
            mirrored = draws[2] < 0.5
            clip = _mirror(clip, mirrored)
            label = tf.where(mirrored, self._swapped(label), label)
        clip = recolour(
            clip,
            2 * draws[3:] - 1,
            brightness=self.brightness,
            contrast=self.contrast,
            saturation=self.saturation,
        )
        return self._normalized(clip), label

    def views(self, frames: Any, crops: int = 1) -> Any:
        """Crops a clip for evaluation, without random numbers.

        Args:
            frames: Uint8 tensor `(frames, height, width, channels)`.
            crops: 1 for the centre; 3 for left, centre and right, or top,
                centre and bottom of upright frames; 1 only if `crop` is
                `"none"`.

        Returns:
            Float32 tensor `(crops, frames, *size, channels)`, normalized.
        """
        import tensorflow as tf

        self.check_crops(crops)
        extent = tf.shape(frames)[1:3]
        views = []
        for third in (1,) if crops == 1 else (0, 1, 2):
            start, side = self._centre(extent, third)
            clip = self._cut(frames, start, side)
            views.append(self._normalized(clip))
        return tf.stack(views)

    def _cut(self, frames: Any, start: Any, side: Any) -> Any:
        return cut(
            frames,
            self.size,
            start=start,
            side=side,
            antialias=self.antialias,
        )

    def _normalized(self, clip: Any) -> Any:
        if self.standardize:
            return standardize(clip)
        return normalize(clip, mean=self.mean, std=self.std)

    def _centre(self, extent: Any, third: int) -> tuple[Any, Any]:
        """Returns place and size of a box that is not drawn."""
        import tensorflow as tf

        if self.crop == "none":
            return tf.zeros_like(extent), extent
        free, side = short_side_box(extent, self.size, short_side=self.shorter)
        return along_longer_side(extent, free, third=third), side

    def _swapped(self, label: Any) -> Any:
        """Returns the label of the mirrored clip."""
        import tensorflow as tf

        if not self.flip_pairs:
            return label
        one, other = zip(*self.flip_pairs, strict=True)
        before, after = tf.constant(one + other), tf.constant(other + one)
        step = tf.where(label == before, after - before, 0)
        return label + tf.reduce_sum(step)


def _mirror(clip: Any, mirrored: Any) -> Any:
    """Mirrors frames, left to right, if a flag says so."""
    import tensorflow as tf

    # `tf.reverse` takes numbers of axes; a flag is a tensor.
    columns = tf.reshape(clip, [-1, *clip.shape[2:]])
    dims = tf.stack([False, mirrored, False])
    columns = tf.raw_ops.Reverse(tensor=columns, dims=dims)
    return tf.reshape(columns, [-1, *clip.shape[1:]])


def _check_crops(chosen: ClipAugmentation) -> None:
    size = chosen.size
    expect(
        "size",
        size,
        len(size) == 2 and all(int(s) == s and s >= 1 for s in size),
        "to be two positive integers, height and width",
    )
    choose("crop", chosen.crop, CROPS)
    if chosen.short_side is not None:
        whole("short_side", chosen.short_side, least=1)
    expect(
        "short_side",
        chosen.short_side,
        chosen.shorter >= max(size),
        f"to be at least {max(size)}, the larger side of a crop",
    )
    expect(
        "scales",
        chosen.scales,
        chosen.scales and all(0 < s <= 1 for s in chosen.scales),
        "to hold numbers above 0, and at most 1",
    )


def _check_flips(chosen: ClipAugmentation) -> None:
    pairs = chosen.flip_pairs
    labels = [label for pair in pairs for label in pair]
    expect(
        "flip_pairs",
        pairs,
        all(len(pair) == 2 for pair in pairs)
        and all(label == int(label) and label >= 0 for label in labels)
        and len(set(labels)) == len(labels),
        "to hold pairs of labels, each label once",
    )
    expect(
        "flip",
        chosen.flip,
        chosen.flip or not pairs,
        "to be True where `flip_pairs` are given",
    )
