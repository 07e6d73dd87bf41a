"""`CakesConv3D`: a `Conv3D` whose channels have kernels of several sizes."""

import itertools
import math

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
from keras_cakes.layers.plans.rule import channel_counts
from keras_cakes.layers.plans.rule import default_plan
from keras_cakes.layers.sub_kernel_conv3d import SubKernelConv3D

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
    `Conv3D` would sample: the embedded kernel is the definition.
    Where inputs or weights are not finite the two agree as well, but for one
    case: zero times infinity makes the output of that `Conv3D` NaN, and the
    layer, which skips most zeros, may stay finite there.

    Besides `sub_kernels`, the layer takes every argument of
    `keras.layers.Conv3D` and behaves like it. `training` chooses between the
    two execution plans and changes nothing else.

    Args:
        filters: Integer, the number of output channels.
        kernel_size: Integer or three integers, the size of the full kernel,
            depth (or time) first.
        strides: Integer or three integers.
        padding: `"valid"` or `"same"`.
        sub_kernels: Which sub-kernel makes which channel. One of

            - a mapping of sub-kernel to number of channels that adds up to
              `filters`, such as `{"3x3x3": 16, "1x3x3": 48}`; the channels
              are sorted in canonical order (larger volume first);
            - the name of a kernel set (`"1d"`, `"2d"`, `"1d2d3d"`,
              `"video_1d2d"`, `"video_2d3d"`, `"video_1d2d3d"`), split evenly;
            - one sub-kernel, such as `"1x3x3"`, for every channel;
            - a sequence with the sub-kernel of each channel, kept in order;
            - a sequence of `(sub_kernel, count)` runs, kept in order.
        kernel_initializer: Initializer, applied to each sub-kernel with its
            own fan.
        plan: How the layer computes its channels, which changes the time
            and not the result. `None`: by a rule that counts channels in
            whole blocks. `"dense"`: one convolution with the full kernel.
            `"separate"`: one convolution for each sub-kernel. A list of
            boxes, each a mapping with the `size` of one convolution, the
            `channels` of each sub-kernel that it computes, and a `form`,
            `"conv3d"` or, for `1 x k x k` and `k x 1 x 1`, `"conv2d"`. Or a
            mapping of `"training"` and `"inference"` to such plans, as
            `keras_cakes.autotune` sets.
        **kwargs: The other arguments of `keras.layers.Conv3D`
            (`data_format`, `dilation_rate`, `groups`, `activation`,
            `use_bias`, initializers, regularizers, constraints, `name`,
            `dtype`, ...). Regularizers and constraints act on each
            sub-kernel.

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
        sub_kernels="1d2d3d",
        plan=None,
        **kwargs,
    ):
        super().__init__(
            filters, kernel_size, strides=strides, padding=padding, **kwargs
        )
        self.assignment = Assignment.resolve(
            sub_kernels, self.filters, self.kernel_size
        )

        self.channel_kernels = tuple(
            SubKernel.parse(name) for name in self.assignment.channels
        )
        self.channel_counts = channel_counts(self.channel_kernels)
        self.plan = plan

    @property
    def plan(self):
        """What was asked for, by the argument or by assignment.

        A new plan serves functions that are traced from then on.
        """
        return self._plan

    @plan.setter
    def plan(self, value):
        try:
            self._plan, self._fixed_plans = plans_by_phase(
                value, PHASES, self.channel_counts
            )
        except ValueError as error:
            raise ValueError(f"Layer {self.name!r}: {error}") from None
        if self.built:
            self._choose_plans()

    def build(self, input_shape):
        in_channels = self._check_input(input_shape)
        self.sub_kernel_weights = self._add_kernels(
            in_channels, list(self.channel_counts.items())
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
        sizes = self.geometry.spatial(self.compute_output_shape(input_shape))
        self._positions = None if None in sizes else math.prod(sizes)
        self._choose_plans()
        self.built = True

    def _choose_plans(self):
        self.plans = {
            phase: fixed or self.rule_plan(phase)
            for phase, fixed in self._fixed_plans.items()
        }

    def has_rule_plan(self, phase):
        """Whether the plan of a phase is the rule's, and no fixed one."""
        return self._fixed_plans[choose("phase", phase, PHASES)] is None

    def rule_plan(self, phase, channels=None, in_any_order=False):
        """The plan that the rule chooses, whatever was asked for.

        Args:
            phase: `"inference"` or `"training"`.
            channels: The sub-kernel of each output channel; by default as
                they are.
            in_any_order: As if it did not matter in which order the
                channels come, as in a network that is folded.
        """
        choose("phase", phase, PHASES)
        return default_plan(
            channels or self.channel_kernels,
            self.sub_kernel_weights[0].shape[-2],
            self._positions,
            phase,
            in_any_order=in_any_order,
        )

    @property
    def kernel(self):
        """The full kernel: every sub-kernel centred, zeros elsewhere.

        A tensor of shape `kernel_size + (in_channels / groups, filters)`.
        """
        if not self.built:
            raise AttributeError(
                "The layer is expected to be built before `kernel` is read. "
                f"Received: layer {self.name!r}, not built"
            )
        plan = Plan.of([(SubKernel(*self.kernel_size), self.channel_counts)])
        (kernel,) = self._box_kernels(plan)
        return permute_channels(kernel, plan.order(self.channel_kernels))

    def _box_kernels(self, plan):
        """The weights of each box, sub-kernel after sub-kernel."""
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
                parts.append(embed(part, sub_kernel, box.size))
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
            # Which inputs a channel reads depends on its place.
            kernels, sizes = [self.kernel], [SubKernel(*self.kernel_size)]
            order = range(self.filters)
        elif len(kernels) == 1:
            # A kernel is smaller than the feature map it makes.
            kernels = [permute_channels(kernels[0], order)]
            order = range(self.filters)
        parts = [
            convolve_sub_kernel(inputs, kernel, size, self.geometry, form)
            for kernel, size, form in zip(kernels, sizes, forms, strict=False)
        ]
        # Bias and activation right behind a convolution, where a compiler
        # makes them part of it.
        parts = self._with_bias(parts, order)
        if self.activation in _ELEMENTWISE:
            parts = [self.activation(part) for part in parts]
        axis = self.geometry.channel_axis
        outputs = arrange_channels(parts, order, axis)
        if self.activation not in (None, *_ELEMENTWISE):
            outputs = self.activation(outputs)
        return outputs

    def _with_bias(self, parts, order):
        """Adds to the parts what `order` will bring to its channel."""
        if self.bias is None:
            return parts
        axis = self.geometry.channel_axis
        places = sorted(range(self.filters), key=lambda o: order[o])
        bias = permute_channels(self.bias, places)
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
