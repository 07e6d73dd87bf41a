"""Enlarges volumes trilinearly, for which Keras has no layer."""

import keras
from keras import ops

from keras_cakes._errors import choose
from keras_cakes._errors import three


@keras.saving.register_keras_serializable(package="keras_cakes")
class TrilinearUpSampling3D(keras.layers.Layer):
    """Enlarges volumes by whole factors with linear interpolation.

    `keras.layers.UpSampling3D` repeats voxels. Here each axis is
    interpolated in turn, with voxels as cells (half-pixel centres) and the
    border repeated, as `scipy.ndimage.zoom(order=1, grid_mode=True,
    mode="nearest")` and PyTorch's `align_corners=False` do.

    Args:
        size: Integer or three integers, the factors of depth, height, width.
        data_format: `"channels_last"` or `"channels_first"`; `None` for the
            Keras default.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, depth, height, width, channels)`, or with channels behind
        the batch.

    Raises:
        ValueError: If a factor is not a positive integer.

    Examples:
        >>> import numpy as np
        >>> x = np.array([0.0, 4.0]).reshape(1, 1, 1, 2, 1)
        >>> y = TrilinearUpSampling3D((1, 1, 2))(x)
        >>> [float(value) for value in np.ravel(y)]
        [0.0, 1.0, 3.0, 4.0]
    """

    def __init__(self, size=2, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.size = three("size", size)
        self.data_format = keras.config.image_data_format()
        if data_format is not None:
            self.data_format = choose(
                "data_format", data_format, ("channels_last", "channels_first")
            )
        self.input_spec = keras.layers.InputSpec(ndim=5)

    def call(self, inputs):
        for axis, factor in enumerate(self.size, start=self._first_axis()):
            if factor > 1:
                inputs = _enlarge(inputs, axis, factor)
        return inputs

    def _first_axis(self):
        return 1 if self.data_format == "channels_last" else 2

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        for axis, factor in enumerate(self.size, start=self._first_axis()):
            if shape[axis] is not None:
                shape[axis] *= factor
        return tuple(shape)

    def get_config(self):
        return {
            **super().get_config(),
            "size": list(self.size),
            "data_format": self.data_format,
        }


def _enlarge(inputs, axis, factor):
    """Interpolates `factor` voxels between each voxel and its neighbours."""
    rank = inputs.ndim

    def cut(start, stop):
        window = [slice(None)] * rank
        window[axis] = slice(start, stop)
        return inputs[tuple(window)]

    before = ops.concatenate([cut(0, 1), cut(0, -1)], axis)
    behind = ops.concatenate([cut(1, None), cut(-1, None)], axis)
    parts = []
    for phase in range(factor):
        shift = (phase + 0.5) / factor - 0.5
        neighbour = before if shift < 0 else behind
        parts.append(inputs * (1 - abs(shift)) + neighbour * abs(shift))
    outputs = ops.stack(parts, axis + 1)
    # `ops.shape` reads unknown sizes from the tensor.
    shape = list(ops.shape(inputs))
    shape[axis] = shape[axis] * factor
    return ops.reshape(outputs, shape)
