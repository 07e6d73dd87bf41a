"""What a network sees of the frames of a clip: crop, flip, colours."""

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

# Classes of Something-Something V1 and V2 that a mirror turns into each
# other, such as pulling from left to right and from right to left.
SOMETHING_SOMETHING_PAIRS = ((86, 87), (93, 94), (166, 167))


@dataclasses.dataclass(frozen=True)
class ClipAugmentation:
    """How frames become what a network sees; the same for a whole clip.

    Every draw follows from the seed of the clip alone. By default crops are
    those of the published protocol, and clips are not flipped.

    A crop is a box of whole pixels of the stored frames, resized by linear
    interpolation to `size`. Of frames brought to a shorter side of 256, a
    crop of 224 thus shows what lies in 7/8 of their shorter side, rounded.

    Args:
        size: `(height, width)` of the result, in pixels.
        crop: `"multi_scale"`: height and width drawn from `scales` of the
            shorter side, at most one step apart, in one of 13 places;
            `"random"`: a crop of `size` of frames whose shorter side is
            `short_side`, anywhere; `"centre"`: the same in the middle;
            `"none"`: the whole frame, whatever its shape.
        short_side: Shorter side of frames, in pixels, that crops of `size`
            are taken from, in evaluation those of `"multi_scale"` too; by
            default 8/7 of the larger size, such as 256 for 224.
        scales: Sides of `"multi_scale"`, as shares of the shorter side.
        flip: Whether clips are mirrored, left to right, with probability 1/2.
        flip_pairs: Pairs of labels that are swapped in mirrored clips, such
            as `SOMETHING_SOMETHING_PAIRS`.
        brightness: Change of brightness; 0.4 draws factors from 0.6 to 1.4.
        contrast: Change of contrast around the mean of the clip, likewise.
        saturation: Change of the distance of colours from grey, likewise.
        mean: Subtracted from values between 0 and 1, one for each channel or
            for all; by default that of ImageNet, 0.449 for grey.
        std: What they are then divided by; by default that of ImageNet, 0.226
            for grey.
        standardize: Whether each clip is brought to zero mean and unit
            deviation instead, such as where sensors drift from one day to
            the next.
        antialias: Whether to average over the pixels that one of the result
            covers, where a crop is made smaller, as Pillow does; otherwise
            the nearest four count, as in OpenCV, in a sixth of the time.

    Raises:
        ValueError: If an argument is not as stated.
    """

    size: tuple[int, int] = (224, 224)
    crop: str = "multi_scale"
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
        """Shorter side of frames that crops of `size` are taken from."""
        if self.short_side is None:
            return math.ceil(max(self.size) * 8 / 7)
        return self.short_side

    def check(self, channels: int, classes: int) -> None:
        """Checks that this fits some clips.

        Args:
            channels: Their number of channels.
            classes: Their number of classes.

        Raises:
            ValueError: If it does not.
        """
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None and len(values) not in (1, channels):
                raise ValueError(
                    f"`{name}` is expected to hold one number, or one for "
                    f"each of {channels} channels. Received: {name}={values}"
                )
        if self.saturation and channels == 1:
            raise ValueError(
                "`saturation` is expected to be 0 for grey clips. "
                f"Received: saturation={self.saturation}"
            )
        outside = [pair for pair in self.flip_pairs if max(pair) >= classes]
        if outside:
            raise ValueError(
                f"`flip_pairs` is expected to hold labels below {classes}, "
                f"the number of classes. Received: {outside}"
            )

    def check_crops(self, crops: int) -> None:
        """Checks that evaluation can see so many crops.

        Raises:
            ValueError: If it cannot.
        """
        allowed = (1,) if self.crop == "none" else (1, 3)
        fits = whole("crops", crops) in allowed
        expected = f"to be one of {allowed} where crop={self.crop!r}"
        expect("crops", crops, fits, expected)

    def augment(self, frames: Any, label: Any, key: Any) -> tuple[Any, Any]:
        """Crops, flips and recolours a clip.

        Args:
            frames: Uint8 tensor `(frames, height, width, channels)`.
            label: Scalar integer tensor.
            key: Seed of two integers.

        Returns:
            Float32 tensor `(frames, *size, channels)`, normalized, and the
            label, of the mirrored class where the clip was mirrored.
        """
        import tensorflow as tf

        # One draw for all: each operation costs more than its numbers.
        draws = tf.random.stateless_uniform([6], key)
        label = tf.cast(label, tf.int32)
        extent = tf.shape(frames)[1:3]
        if self.crop == "multi_scale":
            start, side = multi_scale_box(
                extent, self.size, self.scales, draws[:2]
            )
        elif self.crop == "random":
            free, side = short_side_box(extent, self.size, self.shorter)
            start = random_place(free, draws[:2])
        else:
            start, side = self._centre(extent, 1)
        clip = cut(frames, start, side, self.size, self.antialias)
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
        """What evaluation sees of a clip: nothing is drawn.

        Args:
            frames: Uint8 tensor `(frames, height, width, channels)`.
            crops: 1 for the centre; 3 for left, centre and right, or top,
                centre and bottom of upright frames.

        Returns:
            Float32 tensor `(crops, frames, *size, channels)`, normalized.

        Raises:
            ValueError: If `crops` is something else, or 3 without a crop.
        """
        import tensorflow as tf

        self.check_crops(crops)
        extent = tf.shape(frames)[1:3]
        views = []
        for third in (1,) if crops == 1 else (0, 1, 2):
            start, side = self._centre(extent, third)
            clip = cut(frames, start, side, self.size, self.antialias)
            views.append(self._normalized(clip))
        return tf.stack(views)

    def _normalized(self, clip: Any) -> Any:
        if self.standardize:
            return standardize(clip)
        return normalize(clip, self.mean, self.std)

    def _centre(self, extent: Any, third: int) -> tuple[Any, Any]:
        """Place and size of a box that is not drawn."""
        import tensorflow as tf

        if self.crop == "none":
            return tf.zeros_like(extent), extent
        free, side = short_side_box(extent, self.size, self.shorter)
        return along_longer_side(extent, free, third), side

    def _swapped(self, label: Any) -> Any:
        """The label of the mirrored clip."""
        import tensorflow as tf

        if not self.flip_pairs:
            return label
        one, other = zip(*self.flip_pairs, strict=True)
        before, after = tf.constant(one + other), tf.constant(other + one)
        step = tf.where(label == before, after - before, 0)
        return label + tf.reduce_sum(step)


def _mirror(clip: Any, mirrored: Any) -> Any:
    """Frames from left to right where a flag says so."""
    import tensorflow as tf

    # `tf.reverse` takes numbers of axes; here only their flags are known.
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
    if (
        any(len(pair) != 2 for pair in pairs)
        or any(label != int(label) or label < 0 for label in labels)
        or len(set(labels)) < len(labels)
    ):
        raise ValueError(
            "`flip_pairs` is expected to hold pairs of labels, each label "
            f"once. Received: flip_pairs={pairs}"
        )
    if pairs and not chosen.flip:
        raise ValueError(
            "`flip` is expected to be True where `flip_pairs` are given. "
            f"Received: flip={chosen.flip}, flip_pairs={pairs}"
        )
