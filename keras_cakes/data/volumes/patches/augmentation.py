"""Distorts the shape and the intensities of patches."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from keras_cakes._errors import number

_MOST = {"angle": 180, "scale": 0.9, "contrast": 1, "gamma": 10}
_CONTROL_POINTS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Distorts training patches; 0 turns a distortion off.

    Every draw is uniform over its range, one for each patch, and follows
    from the seed of the patch alone.

    Args:
        angle: Largest rotation around each axis, in degrees, either way.
        scale: Change of size; 0.1 draws factors from 0.9 to 1.1.
        elastic: Largest displacement of the control points of a smooth
            deformation, in voxels. There are four along each axis.
        shift: Change of all intensities of a patch, in deviations of the
            normalized image.
        contrast: Change of contrast; 0.2 draws factors from 0.8 to 1.2.
        gamma: Change of the gamma curve; 0.5 draws exponents from 1 / 1.5
            to 1.5, half of them below 1.
        noise: Largest deviation of the normal noise of a patch.

    Raises:
        ValueError: If a range is negative or too large.
    """

    angle: float = 0.0
    scale: float = 0.0
    elastic: float = 0.0
    shift: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, most = getattr(self, field.name), _MOST.get(field.name)
            number(field.name, value, least=0, most=most)

    @property
    def moves_voxels(self) -> bool:
        """Tells whether voxels move: by rotation, scaling or bending."""
        return any((self.angle, self.scale, self.elastic))

    def margin(self, patch_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the voxels around a patch that a distorted one may show."""
        if not self.moves_voxels:
            return (0, 0, 0)
        turn = math.radians(min(self.angle, 90.0))
        half = [size / 2 for size in patch_shape]
        reach = []
        for axis in range(3):
            others = sum(half) - half[axis]
            reach.append(half[axis] + math.sin(turn) * others)
        return tuple(
            math.ceil(r * (1 + self.scale) + self.elastic - h)
            for r, h in zip(reach, half, strict=True)
        )

    def distort(
        self,
        image: Any,
        label: Any,
        *,
        offset: Any,
        shape: tuple[int, ...],
        key: Any,
    ) -> tuple[Any, Any]:
        """Cuts a turned, scaled and bent patch out of a larger one.

        Args:
            image: Tensor `(depth, height, width, channels)`.
            label: Tensor `(depth, height, width)`.
            offset: Where the patch would begin if it were not distorted.
            shape: `(depth, height, width)` of the patch.
            key: Seed of two integers.

        Returns:
            The patch, by linear interpolation, and its label, of the nearest
            voxels; zero beyond `image`.
        """
        import tensorflow as tf

        keys = tf.unstack(tf.random.split(key, 3), num=3)
        turns = tf.random.stateless_uniform([3], keys[0], -1.0, 1.0)
        size = tf.random.stateless_uniform(
            [], keys[1], 1 - self.scale, 1 + self.scale
        )
        matrix = _rotation(turns * math.radians(self.angle)) / size
        centres = [(length - 1) / 2 for length in shape]
        axes = _along_axes(
            [
                tf.range(length, dtype=tf.float32) - centre
                for length, centre in zip(shape, centres, strict=True)
            ]
        )
        places = [
            sum(matrix[row, column] * axes[column] for column in range(3))
            + (centres[row] + tf.cast(offset[row], tf.float32))
            for row in range(3)
        ]
        if self.elastic:
            drawn = tf.random.stateless_uniform(
                [*[_CONTROL_POINTS] * 3, 3],
                keys[2],
                -self.elastic,
                self.elastic,
            )
            bent = tf.unstack(_enlarged(drawn, shape), axis=-1)
            places = [
                place + by for place, by in zip(places, bent, strict=True)
            ]
        return sample_linear(image, places), _sample_nearest(label, places)

    def recolour(self, image: Any, key: Any) -> Any:
        """Changes the intensities of a patch; `key` is as in `distort`."""
        import tensorflow as tf

        keys = tf.unstack(tf.random.split(key, 5), num=5)

        def draw(number):
            return tf.random.stateless_uniform([], keys[number], -1.0, 1.0)

        if self.gamma:
            least = tf.reduce_min(image, [0, 1, 2])
            span = tf.reduce_max(image, [0, 1, 2]) - least + 1e-6
            exponent = tf.exp(draw(0) * math.log1p(self.gamma))
            image = least + span * ((image - least) / span) ** exponent
        if self.contrast:
            mean = tf.reduce_mean(image, [0, 1, 2])
            image = mean + (image - mean) * (1 + draw(1) * self.contrast)
        if self.shift:
            image += draw(2) * self.shift
        if self.noise:
            noise = tf.random.stateless_normal(tf.shape(image), keys[4])
            image += noise * tf.abs(draw(3)) * self.noise
        return image


def _rotation(angles: Any) -> Any:
    """Returns the matrix that rotates around one axis after the other."""
    import tensorflow as tf

    matrix = tf.eye(3)
    for axis in range(3):
        first, second = (other for other in range(3) if other != axis)
        cos, sin = tf.cos(angles[axis]), tf.sin(angles[axis])
        rows = [
            [tf.constant(float(a == b)) for b in range(3)] for a in range(3)
        ]
        rows[first][first] = rows[second][second] = cos
        rows[first][second], rows[second][first] = -sin, sin
        matrix = tf.stack([tf.stack(row) for row in rows]) @ matrix
    return matrix


def _along_axes(values: Sequence[Any]) -> list[Any]:
    """Reshapes three vectors so that each lies along its own axis."""
    import tensorflow as tf

    return [
        tf.reshape(vector, [-1 if axis == own else 1 for own in range(3)])
        for axis, vector in enumerate(values)
    ]


def _enlarged(control: Any, shape: tuple[int, ...]) -> Any:
    """Interpolates linearly between control points."""
    import tensorflow as tf

    for length in shape:
        points = control.shape[0]
        places = tf.linspace(0.0, points - 1.0, length)[:, None]
        weights = tf.nn.relu(
            1 - tf.abs(places - tf.range(points, dtype=tf.float32))
        )
        control = tf.tensordot(control, weights, [[0], [1]])
        # The first axis becomes the last; after three turns all axes are in
        # place behind the channels.
    return tf.transpose(control, [1, 2, 3, 0])


def sample_linear(image: Any, places: Sequence[Any]) -> Any:
    """Interpolates between voxels trilinearly; zero beyond the image.

    Args:
        image: Tensor `(depth, height, width, channels)`.
        places: For each axis a tensor of voxel coordinates; their shapes
            broadcast.
    """
    import tensorflow as tf

    lower = [tf.floor(place) for place in places]
    shares = [place - low for place, low in zip(places, lower, strict=True)]
    first = [tf.cast(low, tf.int32) for low in lower]
    result: Any = 0.0
    for corner in range(8):
        steps = [corner >> axis & 1 for axis in range(3)]
        weight: Any = 1.0
        for share, step in zip(shares, steps, strict=True):
            weight = weight * (share if step else 1 - share)
        values = _take(
            image, [low + s for low, s in zip(first, steps, strict=True)]
        )
        result += values * weight[..., None]
    return result


def _sample_nearest(label: Any, places: Sequence[Any]) -> Any:
    import tensorflow as tf

    nearest = [tf.cast(tf.round(place), tf.int32) for place in places]
    return _take(label[..., None], nearest)[..., 0]


def _take(image: Any, voxels: Sequence[Any]) -> Any:
    """Returns the values of voxels; zero beyond the image."""
    import tensorflow as tf

    shape = tf.unstack(tf.shape(image)[:3])
    # Voxels beyond the image read the voxel of zeros in front.
    table = tf.pad(tf.reshape(image, [-1, image.shape[-1]]), [[1, 0], [0, 0]])
    inside: Any = True
    flat: Any = 0
    for voxel, size in zip(voxels, shape, strict=True):
        inside = (voxel >= 0) & (voxel < size) & inside
        flat = flat * size + voxel
    return tf.gather(table, tf.where(inside, flat + 1, 0))
