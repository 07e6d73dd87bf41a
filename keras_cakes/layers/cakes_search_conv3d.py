"""`CakesSearchConv3D`: every candidate sub-kernel of every channel."""

import functools

import keras
from keras import ops

from keras_cakes._errors import choose
from keras_cakes.layers.candidate_conv3d import CandidateConv3D
from keras_cakes.layers.convolving import convolve_sub_kernel
from keras_cakes.layers.path_normalization import PathNormalization
from keras_cakes.layers.paths import check_balance
from keras_cakes.layers.paths import convolve_groups
from keras_cakes.layers.plans.rule import is_grouping_faster

PRIORITIES = ("performance", "cost")
DRAWS = ("independent", "balanced")
AGGREGATIONS = ("concat", "sum")


@keras.saving.register_keras_serializable(package="keras_cakes")
class CakesSearchConv3D(CandidateConv3D):
    """The candidates of a replaced convolution and their path weights.

    Each output channel `o` has one candidate kernel per member `i` of the
    kernel set (Eq. 8 of the paper), and each candidate its own scale, offset
    and moving statistics in the normalization that follows. The magnitude
    of the scale is the path weight.

    `priority="performance"`: only one candidate per channel runs, the one
    named by the variable `drawn_path`. **During training** that is whatever was
    assigned last (`keras_cakes.Supernet` draws a new path for each step);
    candidates that are not drawn get a gradient of exactly zero and keep
    their statistics. **During inference** it is the present arg-max path.
    The drawn sub-kernels form one full kernel; with balanced draws and where
    it promises to be faster, each candidate has its own convolution.

    `priority="cost"`: all candidates run. Their normalized outputs are
    concatenated, candidate by candidate (`aggregation="concat"`), or summed
    per channel (`"sum"`, Eq. 5). `training` only decides between batch and
    moving statistics.

    `weights="shared"`, which the paper does not have: the candidates of a
    channel are crops of one kernel of full size, so that every draw trains
    all candidates that overlap with it.

    Args:
        filters: Integer, the number of output channels of one candidate.
        kernel_size: Integer or three integers, the size of the full kernel.
        strides: Integer or three integers.
        padding: `"valid"` or `"same"`.
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        priority: `"performance"` or `"cost"`.
        draw: `"independent"`, or `"balanced"`: every path that training
            runs gives no candidate more channels than an even split would.
        aggregation: `"concat"` or `"sum"`; used by `priority="cost"` only.
        normalization: `"batch"`, `"instance"`, or `None` for scale and
            offset alone.
        momentum: Float, momentum of the moving statistics.
        epsilon: Float, added to the variance.
        synchronized: Whether batch statistics are those of all replicas of a
            `tf.distribute` strategy. `None` means yes where there are
            several replicas.
        gamma_regularizer: Regularizer of the scale, a weight of shape
            `(candidates, filters)`.
        weights: `"separate"`: a kernel for each candidate, as in the paper.
            `"shared"`: each is a crop of the variable `full_kernel`.
        **kwargs: The other arguments of `keras.layers.Conv3D`, applied to
            each candidate; `use_bias` is expected to be unset, since the
            normalization has an offset. `activation` follows the
            normalization.

    Input shape:
        That of `keras.layers.Conv3D`.

    Output shape:
        That of `keras.layers.Conv3D`; with `priority="cost"` and
        `aggregation="concat"` there are `candidates * filters` channels, and
        channel `i * filters + o` is candidate `i` of channel `o`.

    Raises:
        ValueError: If an argument is not one of those listed.

    Reference:

    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798), Eqs. 4, 5, 8-10
    - [Stamoulis et al., 2019](https://arxiv.org/abs/1904.02877), kernels that
      are crops of one

    Examples:
        >>> import numpy as np
        >>> x = np.zeros((2, 8, 8, 8, 4), "float32")
        >>> layer = CakesSearchConv3D(16, 3, padding="same", kernel_set="1d")
        >>> layer(x).shape, layer.path_weights.shape
        (TensorShape([2, 8, 8, 8, 16]), TensorShape([3, 16]))
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1, 1),
        padding="valid",
        kernel_set="1d2d3d",
        priority="performance",
        draw="independent",
        aggregation="concat",
        normalization="batch",
        momentum=0.99,
        epsilon=1e-3,
        synchronized=None,
        gamma_regularizer=None,
        weights="separate",
        use_bias=False,
        **kwargs,
    ):
        super().__init__(
            filters,
            kernel_size,
            kernel_set,
            weights,
            strides=strides,
            padding=padding,
            use_bias=use_bias,
            **kwargs,
        )
        if use_bias:
            raise ValueError(
                "`use_bias` is expected to be False: the offset of the "
                "normalization takes its place. Received: "
                f"use_bias={use_bias}"
            )
        self.priority = choose("priority", priority, PRIORITIES)
        self.draw = choose("draw", draw, DRAWS)
        self.aggregation = choose("aggregation", aggregation, AGGREGATIONS)
        self.normalization = normalization
        self.momentum = momentum
        self.epsilon = epsilon
        self.synchronized = synchronized
        self.gamma_regularizer = keras.regularizers.get(gamma_regularizer)
        self.path_normalization = PathNormalization(
            normalization,
            momentum=momentum,
            epsilon=epsilon,
            axis=self.geometry.channel_axis,
            synchronized=synchronized,
            gamma_regularizer=gamma_regularizer,
            dtype=self.dtype_policy,
            name="path_normalization",
        )

    def build(self, input_shape):
        in_channels = self._check_input(input_shape)
        self._build_candidates(in_channels)
        self.is_grouped = (
            self.priority == "performance"
            and self.draw == "balanced"
            and self.groups == 1
            and is_grouping_faster(
                self.filters, in_channels, self.kernel_set, self.kernel_size
            )
        )
        self.path_normalization.build((len(self.kernel_set), self.filters))
        if self.priority == "performance":
            # "only_first_replica": all replicas assign the same draw.
            self.drawn_path = self.add_weight(
                name="drawn_path",
                shape=(self.filters,),
                initializer="zeros",
                dtype="int32",
                trainable=False,
                aggregation="only_first_replica",
            )
            self.draws = self.add_weight(
                name="draws",
                shape=(len(self.kernel_set), self.filters),
                initializer="zeros",
                dtype="int32",
                trainable=False,
                aggregation="only_first_replica",
            )
        self.built = True

    @property
    def path_weights(self):
        """Magnitude of the scale behind each candidate.

        A float32 tensor of shape `(candidates, filters)`, rows in canonical
        order of the kernel set.
        """
        return ops.abs(self.path_normalization.gamma)

    def assign_path(self, path):
        """Makes `path` the one that training runs, and counts the draw.

        Args:
            path: Integers of shape `(filters,)`: for each output channel the
                index of its candidate in `kernel_set`.

        Raises:
            ValueError: If balance is relied on and `path` has none.
        """
        if self.is_grouped:
            check_balance(path, self.filters, self.kernel_set, self.name)
        self.drawn_path.assign(path)
        one_hot = ops.one_hot(path, len(self.kernel_set), axis=0)
        self.draws.assign(self.draws + ops.cast(one_hot, "int32"))

    def draw_counts(self):
        """How often each candidate of each channel has been drawn.

        An integer array of shape `(candidates, filters)`; zeros with the
        cost priority, which runs all candidates and draws none.
        """
        if self.priority == "cost":
            return ops.convert_to_numpy(
                ops.zeros(self.path_weights.shape, "int32")
            )
        return ops.convert_to_numpy(self.draws)

    @property
    def kernel(self):
        """The full kernel of the arg-max path, before normalization."""
        return self.kernel_of(ops.argmax(self.path_weights, axis=0))

    def call(self, inputs, training=None):
        is_path = self.priority == "performance"
        call = self._call_path if is_path else self._call_all
        outputs = call(inputs, training)
        if self.activation is not None:
            outputs = self.activation(outputs)
        return outputs

    def _call_path(self, inputs, training):
        path = (
            ops.convert_to_tensor(self.drawn_path)
            if training
            else ops.argmax(self.path_weights, axis=0)
        )
        if training and self.is_grouped:
            outputs = convolve_groups(
                inputs, self.candidates, self.kernel_set, path, self.geometry
            )
        else:
            outputs = self.geometry.convolve(inputs, self.kernel_of(path))
        chosen = ops.one_hot(
            path, len(self.kernel_set), axis=0, dtype="float32"
        )
        return self.path_normalization(
            outputs, chosen=chosen, training=training
        )

    def _call_all(self, inputs, training):
        parts = [
            convolve_sub_kernel(inputs, weights, sub_kernel, self.geometry)
            for weights, sub_kernel in zip(
                self.candidates, self.kernel_set, strict=True
            )
        ]
        if self.aggregation == "concat":
            # Before the normalization: a few operations over all channels
            # instead of as many for each candidate.
            parts = [ops.concatenate(parts, self.geometry.channel_axis)]
        return functools.reduce(
            ops.add, self.path_normalization.all_paths(parts, training=training)
        )

    def compute_output_shape(self, input_shape):
        shape = list(super().compute_output_shape(input_shape))
        if self.priority == "cost" and self.aggregation == "concat":
            shape[self.geometry.channel_axis] *= len(self.kernel_set)
        return tuple(shape)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "priority": self.priority,
                "draw": self.draw,
                "aggregation": self.aggregation,
                "normalization": self.normalization,
                "momentum": self.momentum,
                "epsilon": self.epsilon,
                "synchronized": self.synchronized,
                "gamma_regularizer": keras.regularizers.serialize(
                    self.gamma_regularizer
                ),
            }
        )
        return config
