"""Normalizes each path by a scale, an offset and statistics of its own."""

import keras
from keras import ops

from keras_cakes._errors import choose
from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.layers.backends import has_several_replicas

NORMALIZATIONS = ("batch", "instance", None)


@keras.saving.register_keras_serializable(package="keras_cakes")
class PathNormalization(keras.layers.Layer):
    """Normalizes the output of candidate paths.

    Candidates have outputs of different distributions. Every pair of
    candidate and channel therefore has its own scale `gamma`, offset `beta`
    and, for batch normalization, moving statistics, all of shape
    `(candidates, filters)` and float32 under every policy.

    **During training** batch statistics are used, and the moving statistics
    of the paths that ran move by `1 - momentum`; other paths keep theirs.
    **During inference** the moving statistics of the chosen path are used.
    `"instance"` uses the statistics of each sample in both cases, `None`
    uses no statistics.

    Args:
        normalization: `"batch"`, `"instance"` or `None`.
        momentum: Float, momentum of the moving statistics.
        epsilon: Float, added to the variance.
        axis: Integer, the channel axis.
        synchronized: Whether batch statistics are those of all replicas;
            `None` means yes where there are several. TensorFlow only.
        gamma_regularizer: Regularizer of `gamma`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        normalization="batch",
        momentum=0.99,
        *,
        epsilon=1e-3,
        axis=-1,
        synchronized=None,
        gamma_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.normalization = choose(
            "normalization", normalization, NORMALIZATIONS
        )
        self.momentum = number("momentum", momentum, least=0, most=1)
        self.epsilon = number("epsilon", epsilon, least=0)
        self.axis = whole("axis", axis)
        self.synchronized = synchronized
        self.gamma_regularizer = keras.regularizers.get(gamma_regularizer)

    def build(self, input_shape):
        # `input_shape` is (candidates, filters): the shape of the paths.
        def add(name, initializer, **kwargs):
            return self.add_weight(
                name=name,
                shape=tuple(input_shape),
                initializer=initializer,
                dtype="float32",
                autocast=False,
                **kwargs,
            )

        self.gamma = add("gamma", "ones", regularizer=self.gamma_regularizer)
        self.beta = add("beta", "zeros")
        if self.normalization == "batch":
            # Without an aggregation each replica keeps a copy of its own.
            state = {"trainable": False, "aggregation": "mean"}
            self.moving_mean = add("moving_mean", "zeros", **state)
            self.moving_variance = add("moving_variance", "ones", **state)
        self.built = True

    def call(self, inputs, chosen, training=None):
        """Normalizes one path.

        Args:
            inputs: Feature map with one channel per filter.
            chosen: One-hot choice of shape `(candidates, filters)`.
            training: Whether batch statistics are used and moved.
        """
        chosen = ops.cast(chosen, "bool")

        def of_path(weight):
            # Not a product: weights of other paths may be infinite.
            weight = ops.convert_to_tensor(weight)
            return ops.sum(ops.where(chosen, weight, 0.0), axis=0)

        gamma, beta = of_path(self.gamma), of_path(self.beta)
        if self.normalization == "batch" and not training:
            mean = of_path(self.moving_mean)
            variance = of_path(self.moving_variance)
            return self._scale(inputs, gamma, beta, mean, variance)
        outputs, mean, variance = self._normalize(inputs, gamma, beta)
        if self.normalization == "batch":
            self._move(chosen, mean, variance)
        return outputs

    def all_paths(self, parts, training=None):
        """Normalizes every candidate's feature map.

        Args:
            parts: The feature maps of all candidates: one for each, or one
                with their channels side by side, candidate by candidate.
            training: Whether batch statistics are used and moved.

        Returns:
            A list of the normalized feature maps.
        """

        def rows(weight):
            return ops.unstack(ops.reshape(weight, (len(parts), -1)))

        if self.normalization == "batch" and not training:
            weights = (
                self.gamma,
                self.beta,
                self.moving_mean,
                self.moving_variance,
            )
            arguments = zip(parts, *map(rows, weights), strict=True)
            return [self._scale(*each) for each in arguments]
        outputs, means, variances = [], [], []
        for part, gamma, beta in zip(
            parts, rows(self.gamma), rows(self.beta), strict=True
        ):
            output, mean, variance = self._normalize(part, gamma, beta)
            outputs.append(output)
            means.append(mean)
            variances.append(variance)
        if self.normalization == "batch":
            shape = self.gamma.shape
            self._move(
                True,
                ops.reshape(ops.stack(means), shape),
                ops.reshape(ops.stack(variances), shape),
            )
        return outputs

    def _normalize(self, inputs, gamma, beta):
        """Scales inputs by their own statistics, which it returns."""
        if self.normalization is None:
            outputs = inputs * self._broadcast(gamma, inputs)
            return outputs + self._broadcast(beta, inputs), None, None
        spatial = [
            axis
            for axis in range(1, inputs.ndim)
            if axis != self.axis % inputs.ndim
        ]
        batch = self.normalization == "batch"
        # Half precision overflows in the sum over a volume.
        wide = ops.cast(inputs, "float32")
        mean, variance = ops.moments(
            wide,
            axes=[0, *spatial] if batch else spatial,
            keepdims=not batch,
            synchronized=batch and self._is_synchronized(),
        )
        if batch:
            outputs = self._scale(inputs, gamma, beta, mean, variance)
            return outputs, mean, variance
        scale = ops.rsqrt(variance + self.epsilon)
        scale = scale * self._broadcast(gamma, wide, "float32")
        offset = self._broadcast(beta, wide, "float32") - mean * scale
        return ops.cast(wide * scale + offset, inputs.dtype), None, None

    def _scale(self, inputs, gamma, beta, mean, variance):
        """Scales inputs by given statistics."""
        outputs = ops.batch_normalization(
            ops.cast(inputs, "float32"),
            mean=mean,
            variance=variance,
            axis=self.axis,
            offset=beta,
            scale=gamma,
            epsilon=self.epsilon,
        )
        return ops.cast(outputs, inputs.dtype)

    def _move(self, chosen, mean, variance):
        """Moves the statistics of the chosen paths."""
        for state, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            before = ops.convert_to_tensor(state)
            moved = before + (1.0 - self.momentum) * (value - before)
            state.assign(ops.where(chosen, moved, before))

    def _broadcast(self, vector, inputs, dtype=None):
        """Shapes a vector to act along the channel axis."""
        shape = [1] * inputs.ndim
        shape[self.axis] = -1
        return ops.reshape(ops.cast(vector, dtype or inputs.dtype), shape)

    def _is_synchronized(self):
        if self.synchronized is not None:
            return self.synchronized
        return has_several_replicas()

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "normalization": self.normalization,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "axis": self.axis,
            "synchronized": self.synchronized,
            "gamma_regularizer": keras.regularizers.serialize(
                self.gamma_regularizer
            ),
        }
