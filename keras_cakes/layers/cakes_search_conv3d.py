"""Defines `CakesSearchConv3D`: all candidate kernels of every channel."""

import functools

import keras
from keras import ops

from keras_cakes._errors import choose
from keras_cakes._errors import expect
from keras_cakes.kernels.sub_kernels import kernel_set as resolve_kernel_set
from keras_cakes.layers.candidate_conv3d import CANDIDATE_KERNELS
from keras_cakes.layers.candidate_conv3d import CandidateConv3D
from keras_cakes.layers.convolving import convolve_sub_kernel
from keras_cakes.layers.path_normalization import PathNormalization
from keras_cakes.layers.paths import check_balance
from keras_cakes.layers.paths import convolve_groups
from keras_cakes.layers.plans.rule import is_grouping_faster
from keras_cakes.layers.sub_kernel_conv3d import check_arguments

PRIORITIES = ("performance", "cost")
DRAWS = ("independent", "balanced")
AGGREGATIONS = ("concat", "sum")


@keras.saving.register_keras_serializable(package="keras_cakes")
class CakesSearchConv3D(CandidateConv3D):
    """Holds the candidates of a replaced convolution and their path weights.

    Each output channel `o` has one candidate kernel per member `i` of the
    kernel set (Eq. 8 of the paper), and each candidate its own scale, offset
    and moving statistics in the normalization that follows. The magnitude
    of the scale is the path weight.

    With `priority="performance"`, one candidate per channel runs. **During
    training** the variable `drawn_path` chooses it (`keras_cakes.Supernet`
    draws a new path for each step); candidates that are not drawn get a
    gradient of exactly zero and keep their statistics. **During inference**
    the arg-max path runs. The drawn sub-kernels form one full kernel; with
    balanced draws, each candidate has its own convolution where that is
    predicted to be faster.

    With `priority="cost"`, all candidates run. Their normalized outputs are
    concatenated, candidate by candidate (`aggregation="concat"`), or summed
    per channel (`"sum"`, Eq. 5). `training` only decides between batch and
    moving statistics.

    With `candidate_kernels="shared"`, which the paper does not have, the
    candidates of a channel are crops of one kernel of full size: every draw
    trains all candidates that overlap with the drawn one.

    Args:
        filters: Integer, the number of output channels of one candidate.
        kernel_size: Integer or three integers, the size of the full kernel.
        strides: See `keras.layers.Conv3D`, as for all arguments up to
            `bias_constraint`; they act on each candidate. `use_bias` is
            expected to be unset, since the normalization has an offset.
            `activation` follows the normalization.
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        priority: `"performance"` or `"cost"`.
        draw: `"independent"`, or `"balanced"`: in training no candidate has
            more channels than in an even split.
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
        candidate_kernels: `"separate"`: a kernel for each candidate, as in
            the paper. `"shared"`: crops of the variable `full_kernel`.
        **kwargs: Arguments of `keras.layers.Layer`.

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
        data_format=None,
        dilation_rate=(1, 1, 1),
        groups=1,
        activation=None,
        use_bias=False,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        *,
        kernel_set="1d2d3d",
        priority="performance",
        draw="independent",
        aggregation="concat",
        normalization="batch",
        momentum=0.99,
        epsilon=1e-3,
        synchronized=None,
        gamma_regularizer=None,
        candidate_kernels="separate",
        **kwargs,
    ):
        check_arguments(
            filters,
            kernel_size,
            strides=strides,
            dilation_rate=dilation_rate,
            groups=groups,
            **kwargs,
        )
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        expected = "to be False: the normalization has an offset"
        expect("use_bias", use_bias, not use_bias, expected)
        self.kernel_set = resolve_kernel_set(kernel_set, self.kernel_size)
        self.candidate_kernels = choose(
            "candidate_kernels", candidate_kernels, CANDIDATE_KERNELS
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
        self._build_candidates(input_shape)
        self.is_grouped = (
            self.priority == "performance"
            and self.draw == "balanced"
            and self.groups == 1
            and is_grouping_faster(
                self.filters,
                self.in_channels,
                kernel_set=self.kernel_set,
                kernel_size=self.kernel_size,
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
        """Returns the magnitude of the scale behind each candidate.

        It is a float32 tensor of shape `(candidates, filters)`, with rows in
        canonical order of the kernel set.
        """
        return ops.abs(self.path_normalization.gamma)

    def assign_path(self, path):
        """Makes training run `path`, and counts the draw.

        Args:
            path: Integers of shape `(filters,)`: for each output channel the
                index of its candidate in `kernel_set`.

        Raises:
            ValueError: If the layer runs balanced groups and `path` is not
                balanced.
        """
        if self.is_grouped:
            check_balance(
                path,
                self.filters,
                kernel_set=self.kernel_set,
                name=self.name,
            )
        self.drawn_path.assign(path)
        one_hot = ops.one_hot(path, len(self.kernel_set), axis=0)
        self.draws.assign(self.draws + ops.cast(one_hot, "int32"))

    def draw_counts(self):
        """Returns the number of draws of each candidate of each channel.

        It is an integer array of shape `(candidates, filters)`; zeros with
        the cost priority, which runs all candidates and draws none.
        """
        if self.priority == "cost":
            return ops.convert_to_numpy(
                ops.zeros(self.path_weights.shape, "int32")
            )
        return ops.convert_to_numpy(self.draws)

    @property
    def kernel(self):
        """Returns the full kernel of the arg-max path, before normalization."""
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
                inputs,
                self.candidates,
                kernel_set=self.kernel_set,
                path=path,
                geometry=self.geometry,
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
            convolve_sub_kernel(
                inputs, weights, sub_kernel=sub_kernel, geometry=self.geometry
            )
            for weights, sub_kernel in zip(
                self.candidates, self.kernel_set, strict=True
            )
        ]
        if self.aggregation == "concat":
            # Joined before the normalization, which then takes one pass over
            # all channels instead of one pass per candidate.
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
        return {
            **super().get_config(),
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

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        # The name of release 0.1.
        if "weights" in config:
            config["candidate_kernels"] = config.pop("weights")
        return super().from_config(config)
