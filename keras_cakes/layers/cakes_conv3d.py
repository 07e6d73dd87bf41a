"""Defines `CakesConv3D`: a `Conv3D` with sub-kernels of several sizes."""

import itertools

import keras
from keras import ops

from keras_cakes._errors import choose
from keras_cakes.kernels.assignment import Assignment
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.layers.channels import arrange_channels
from keras_cakes.layers.channels import permute_channels
from keras_cakes.layers.convolving import convolve_sub_kernel
from keras_cakes.layers.convolving import embed
from keras_cakes.layers.plans.device import PHASES
from keras_cakes.layers.plans.plan import Plan
from keras_cakes.layers.plans.plan import plans_by_phase
from keras_cakes.layers.plans.rule import default_plan
from keras_cakes.layers.sub_kernel_conv3d import SubKernelConv3D
from keras_cakes.layers.sub_kernel_conv3d import check_arguments

# Activations of one element at a time, which may come before channels are
# put side by side.
_ELEMENTWISE = (
    keras.activations.relu,
    keras.activations.leaky_relu,
    keras.activations.elu,
    keras.activations.gelu,
    keras.activations.silu,
    keras.activations.sigmoid,
    keras.activations.tanh,
)


@keras.saving.register_keras_serializable(package="keras_cakes")
class CakesConv3D(SubKernelConv3D):
    """3D convolution whose output channels have sub-kernels of their own.

    Output channel `o` is made by a kernel of its own size, `Y_o = W'_o * X`
    (Eqs. 6 and 7 of the paper). The output equals that of a
    `keras.layers.Conv3D` whose kernel holds each channel's sub-kernel,
    centred, and zeros elsewhere; the zeros are neither stored nor trained.
    With `strides=2, padding="same"` this centre is not where a 1-wide
    `Conv3D` would sample: the embedded kernel is the definition. Where
    inputs or weights are not finite the two agree too, with one exception:
    zero times infinity makes the output of that `Conv3D` NaN, and the layer,
    which skips most zeros, may stay finite.

    Besides `sub_kernels` and `plan`, the arguments and their order are those
    of `keras.layers.Conv3D`. `training` chooses between the two execution
    plans and changes nothing else.

    Args:
        filters: Integer, the number of output channels.
        kernel_size: Integer or three integers, the size of the full kernel,
            depth (or time) first.
        strides: See `keras.layers.Conv3D`, as for all arguments up to
            `bias_constraint`. The initializer acts on each sub-kernel with
            its own fan, regularizer and constraint on each sub-kernel.
        sub_kernels: The sub-kernel of each channel. One of

            - a mapping of sub-kernel to number of channels that adds up to
              `filters`, such as `{"3x3x3": 16, "1x3x3": 48}`; the channels
              are sorted in canonical order (larger volume first);
            - the name of a kernel set (`"1d"`, `"2d"`, `"1d2d3d"`,
              `"0d1d2d3d"`, `"video_1d2d"`, `"video_2d3d"`, `"video_1d2d3d"`),
              split evenly;
            - one sub-kernel, such as `"1x3x3"`, for every channel;
            - a sequence with the sub-kernel of each channel, kept in order;
            - a sequence of `(sub_kernel, count)` runs, kept in order.
        plan: The boxes in which channels run together, which changes the
            time and not the result. `None`: a rule that counts channels in
            whole blocks chooses them. `"dense"`: one convolution with the
            full kernel. `"separate"`: one for each sub-kernel. A list of
            boxes, each a mapping with the `size` of one convolution, the
            `channels` of each sub-kernel that it computes, and a `form`,
            `"conv3d"` or, for `1 x k x k` and `k x 1 x 1`, `"conv2d"`. Or a
            mapping of `"training"` and `"inference"` to such plans, as
            `keras_cakes.autotune` sets.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        With `data_format="channels_last"`: `(batch, depth, height, width,
        channels)`. With `"channels_first"`: `(batch, channels, depth,
        height, width)`.

    Output shape:
        That of `keras.layers.Conv3D` with the same arguments.

    Raises:
        ValueError: If the channels do not add up to `filters`, or a
            sub-kernel is larger than `kernel_size` or even in a dimension
            where it is not full, or `plan` does not fit the channels.

    Reference:

    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798)

    Examples:
        >>> import numpy as np
        >>> x = np.zeros((2, 16, 16, 16, 8), "float32")
        >>> layer = CakesConv3D(
        ...     64, 3, padding="same", sub_kernels={"3x3x3": 16, "1x3x3": 48}
        ... )
        >>> layer(x).shape
        TensorShape([2, 16, 16, 16, 64])
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
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        *,
        sub_kernels="1d2d3d",
        plan=None,
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
        assignment = Assignment.resolve(
            sub_kernels, self.filters, kernel_size=self.kernel_size
        )
        self.sub_kernels = self.assignment = assignment
        self.channel_kernels = assignment.channel_kernels
        self.channel_counts = assignment.kernel_counts
        self.plan = plan

    @property
    def plan(self):
        """Returns the plan of the argument, or the one assigned since.

        A new plan serves functions that are traced from then on.
        """
        return self._plan

    @plan.setter
    def plan(self, value):
        try:
            self._plan, self._fixed_plans = plans_by_phase(
                value, PHASES, counts=self.channel_counts
            )
        except ValueError as error:
            raise ValueError(f"Layer {self.name!r}: {error}") from None
        if self.built:
            self._choose_plans()

    def build(self, input_shape):
        self.sub_kernel_weights = self._add_kernels(
            input_shape, list(self.channel_counts.items())
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._choose_plans()
        self.built = True

    def _choose_plans(self):
        self.plans = {
            phase: fixed or self.rule_plan(phase)
            for phase, fixed in self._fixed_plans.items()
        }

    def has_rule_plan(self, phase):
        """Tells whether the rule chooses the plan of a phase."""
        return self._fixed_plans[choose("phase", phase, PHASES)] is None

    def rule_plan(self, phase, channels=None, *, in_any_order=False):
        """Returns the plan that the rule chooses, even if another is fixed.

        Args:
            phase: `"inference"` or `"training"`.
            channels: The sub-kernel of each output channel; by default those
                of the layer.
            in_any_order: Whether the channels may come in any order, as in a
                folded network.
        """
        choose("phase", phase, PHASES)
        return default_plan(
            channels or self.channel_kernels,
            self.in_channels,
            positions=self.positions,
            phase=phase,
            in_any_order=in_any_order,
        )

    @property
    def kernel(self):
        """Returns the full kernel: each sub-kernel centred, zeros elsewhere.

        It is a tensor of shape `kernel_size + (in_channels / groups, filters)`.
        """
        if not self.built:
            raise AttributeError(
                "The layer is expected to be built before `kernel` is read. "
                f"Received: layer {self.name!r}, not built"
            )
        plan = Plan.of([(SubKernel(*self.kernel_size), self.channel_counts)])
        (kernel,) = self._box_kernels(plan)
        return permute_channels(kernel, plan.order(self.channel_kernels))

    def assign_kernel(self, kernel):
        """Takes over a full kernel: each channel its sub-kernel's taps.

        Args:
            kernel: Weights of shape `kernel_size + (in_channels / groups,
                filters)`; taps outside a channel's sub-kernel are left out.
        """
        kernel = ops.convert_to_numpy(kernel)
        for sub_kernel, weights in zip(
            self.channel_counts, self.sub_kernel_weights, strict=True
        ):
            channels = [
                channel
                for channel, own in enumerate(self.channel_kernels)
                if own == sub_kernel
            ]
            taps = sub_kernel.slices_in(self.kernel_size)
            weights.assign(kernel[taps][..., channels])

    def _box_kernels(self, plan):
        """Joins the weights of each box, sub-kernel after sub-kernel."""
        counts = self.channel_counts
        weights = dict(zip(counts, self.sub_kernel_weights, strict=True))
        used = dict.fromkeys(counts, 0)
        kernels = []
        for box in plan.boxes:
            parts = []
            for sub_kernel, count in box.channels:
                start = used[sub_kernel]
                used[sub_kernel] += count
                part = weights[sub_kernel]
                if count < counts[sub_kernel]:
                    part = part[..., start : start + count]
                parts.append(embed(part, sub_kernel, kernel_size=box.size))
            kernels.append(
                parts[0] if len(parts) == 1 else ops.concatenate(parts, -1)
            )
        return kernels

    def call(self, inputs, training=None):
        plan = self.plans["training" if training else "inference"]
        order = plan.order(self.channel_kernels)
        kernels = self._box_kernels(plan)
        sizes = [box.size for box in plan.boxes]
        forms = [box.form for box in plan.boxes]
        if self.groups != 1:
            # The place of a channel decides the inputs that it reads.
            kernels, sizes = [self.kernel], [SubKernel(*self.kernel_size)]
            order = range(self.filters)
        elif len(kernels) == 1:
            # A kernel is smaller than the feature map it makes.
            kernels = [permute_channels(kernels[0], order)]
            order = range(self.filters)
        parts = [
            convolve_sub_kernel(
                inputs,
                kernel,
                sub_kernel=size,
                geometry=self.geometry,
                form=form,
            )
            for kernel, size, form in zip(kernels, sizes, forms, strict=False)
        ]
        # Bias and activation right behind a convolution, where a compiler
        # makes them part of it.
        parts = self._with_bias(parts, order)
        if self.activation in _ELEMENTWISE:
            parts = [self.activation(part) for part in parts]
        axis = self.geometry.channel_axis
        outputs = arrange_channels(parts, order, axis=axis)
        if self.activation not in (None, *_ELEMENTWISE):
            outputs = self.activation(outputs)
        return outputs

    def _with_bias(self, parts, order):
        """Adds the bias to the parts, in the order of their channels."""
        if self.bias is None:
            return parts
        axis = self.geometry.channel_axis
        places = sorted(range(self.filters), key=lambda o: order[o])
        bias = ops.take(self.bias, places)
        shape = [1] * (self.rank + 2)
        shape[axis] = -1
        starts = itertools.accumulate((p.shape[axis] for p in parts), initial=0)
        return [
            ops.add(
                part,
                ops.reshape(bias[start : start + part.shape[axis]], shape),
            )
            for part, start in zip(parts, starts, strict=False)
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "sub_kernels": self.assignment.to_list(),
            "plan": self.plan,
        }
