"""Defines execution plans: the boxes in which channels run together."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from keras_cakes._errors import shortened
from keras_cakes.kernels.sub_kernels import Counts
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import canonical_order

FORMS = ("conv3d", "conv2d")


@dataclasses.dataclass(frozen=True)
class Box:
    """Holds the channels that one convolution computes.

    Args:
        size: Size of that convolution; every sub-kernel fits into it.
        channels: Number of channels of each sub-kernel, in canonical order.
        form: `"conv3d"`, or `"conv2d"`: a 2D convolution with the depth
            folded into the batch (`1 x k x k`), or with height and width
            folded into one axis (`k x 1 x 1`). Only flat boxes have it.
    """

    size: SubKernel
    channels: tuple[tuple[SubKernel, int], ...]
    form: str = "conv3d"

    @property
    def filters(self) -> int:
        """Returns the number of channels."""
        return sum(count for _, count in self.channels)

    def to_config(self) -> dict[str, Any]:
        """The box as JSON holds it."""
        return {
            "size": str(self.size),
            "channels": {str(kernel): count for kernel, count in self.channels},
            "form": self.form,
        }


@dataclasses.dataclass(frozen=True)
class Plan:
    """Partitions the channels of a layer into boxes.

    A plan changes the time that a layer takes, never its result.
    """

    boxes: tuple[Box, ...]

    @classmethod
    def of(cls, boxes: Iterable[tuple[SubKernel, Counts]]) -> "Plan":
        """Makes a plan of `(size, channels of each sub-kernel)` pairs."""
        return cls(
            tuple(
                Box(
                    size,
                    tuple((k, counts[k]) for k in canonical_order(counts)),
                )
                for size, counts in boxes
            )
        )

    @classmethod
    def dense(cls, counts: Counts) -> "Plan":
        """Puts all channels into one box that holds every sub-kernel."""
        return cls.of([(bounding_box(counts), counts)])

    @classmethod
    def separate(cls, counts: Counts) -> "Plan":
        """Makes one box for each sub-kernel."""
        return cls.of([(kernel, {kernel: counts[kernel]}) for kernel in counts])

    @classmethod
    def from_config(cls, value: Any, counts: Counts) -> "Plan":
        """Reads `"dense"`, `"separate"` or a list of boxes.

        Args:
            value: One of these forms.
            counts: The channels of each sub-kernel of the layer.

        Raises:
            ValueError: If `value` has another form, or its boxes hold other
                channels than `counts`.
        """
        if value == "dense":
            return cls.dense(counts)
        if value == "separate":
            return cls.separate(counts)
        try:
            if isinstance(value, str):
                raise ValueError("another word")
            plan = cls(tuple(_read_box(box) for box in value))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "`plan` is expected to be 'dense', 'separate' or a list of "
                "boxes such as {'size': '1x3x3', 'channels': {'1x3x3': 8}, "
                f"'form': 'conv3d'}}. Received: {shortened(value)} ({error})"
            ) from None
        held = plan.counts
        if held != {k: n for k, n in counts.items() if n}:
            raise ValueError(
                "The boxes of a plan are expected to hold each channel of "
                "the layer once, "
                f"{ {str(k): n for k, n in counts.items()} }. Received: "
                f"{ {str(k): n for k, n in held.items()} }"
            )
        return plan

    def to_config(self) -> list[dict[str, Any]]:
        """Returns the plan as JSON values."""
        return [box.to_config() for box in self.boxes]

    @property
    def counts(self) -> dict[SubKernel, int]:
        """Returns the channels of each sub-kernel, over all boxes."""
        total: dict[SubKernel, int] = {}
        for box in self.boxes:
            for kernel, count in box.channels:
                total[kernel] = total.get(kernel, 0) + count
        return total

    def order(self, channels: Sequence[SubKernel]) -> list[int]:
        """Returns the place of each channel among the outputs of the boxes.

        The first box that holds a sub-kernel takes its first channels, the
        next box the channels after them.

        Args:
            channels: The sub-kernel of each output channel.
        """
        places: dict[SubKernel, list[int]] = {}
        start = 0
        for box in self.boxes:
            for kernel, count in box.channels:
                places.setdefault(kernel, []).extend(
                    range(start, start + count)
                )
                start += count
        following = {kernel: iter(place) for kernel, place in places.items()}
        return [next(following[kernel]) for kernel in channels]


def plans_by_phase(
    value: Any, phases: Sequence[str], *, counts: Counts
) -> tuple[Any, dict[str, Plan | None]]:
    """Reads the `plan` argument of a layer.

    Args:
        value: `None` for the rule, one plan, or one such value per phase.
        phases: The names of the phases.
        counts: The channels of each sub-kernel of the layer.

    Returns:
        `value` as JSON values, and for each phase the fixed plan or `None`.

    Raises:
        ValueError: If `value` has another form.
    """
    by_phase = (
        value if isinstance(value, dict) else dict.fromkeys(phases, value)
    )
    if set(by_phase) != set(phases):
        raise ValueError(
            "`plan` is expected to give one plan for all, or one for each of "
            f"{tuple(phases)}. Received: plan={shortened(value)}"
        )
    fixed: dict[str, Any] = {
        phase: None if plan is None else Plan.from_config(plan, counts)
        for phase, plan in by_phase.items()
    }
    configs = {
        phase: asked
        if asked is None or isinstance(asked, str)
        else fixed[phase].to_config()
        for phase, asked in by_phase.items()
    }
    return configs if isinstance(value, dict) else configs[phases[0]], fixed


def bounding_box(kernels: Iterable[SubKernel]) -> SubKernel:
    """Returns the smallest box that holds each of the sub-kernels."""
    return SubKernel(*map(max, zip(*kernels, strict=True)))


def _read_box(box: Any) -> Box:
    """Reads a box from its JSON values."""
    size = SubKernel.parse(box["size"])
    channels = {SubKernel.parse(k): n for k, n in box["channels"].items()}
    for kernel, count in channels.items():
        kernel.offset_in(size)
        if type(count) is not int or count < 1:
            raise ValueError(f"{count!r} channels of {kernel}")
    form = box.get("form", "conv3d")
    if form not in FORMS or not channels:
        raise ValueError(f"form={form!r} with {len(channels)} sub-kernels")
    if form == "conv2d" and not is_flat(size):
        raise ValueError(f"form='conv2d' for {size}")
    return Box(
        size, tuple((k, channels[k]) for k in canonical_order(channels)), form
    )


def is_flat(size: SubKernel) -> bool:
    """Tells whether a box may run as a 2D convolution without moving data."""
    return size.depth == 1 or (size.height == 1 and size.width == 1)
