"""Predicts the fastest execution plan of a layer, without a measurement.

The model counts multiply-adds with channels in whole blocks, as the hardware
computes them, and adds the cost of starting and joining several convolutions
(see `device`). `keras_cakes.autotune` measures instead.
"""

import functools
import itertools
from collections.abc import Iterator
from collections.abc import Sequence

from keras_cakes.kernels.sub_kernels import Counts
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import canonical_order
from keras_cakes.layers.plans.device import Device
from keras_cakes.layers.plans.device import present_device
from keras_cakes.layers.plans.plan import Plan
from keras_cakes.layers.plans.plan import bounding_box

# More sizes than this have too many partitions to compare.
_MOST_SIZES = 8
# A plan is taken if it promises at most this share of the dense time: an error
# of the model must not make a layer slower than the convolution it replaces.
WORTHWHILE = 0.95
# Share of a launch that putting a sub-kernel into a larger kernel takes.
_PUTTING = 0.2


def candidate_plans(counts: Counts, block: int) -> list[Plan]:
    """Lists different plans: dense, separate and combinations of boxes.

    Args:
        counts: The channels of each sub-kernel.
        block: Number of output channels that are computed together; it
            decides which channels may move into a larger box.
    """
    # Dense and separate come first and win a tie.
    plans = {Plan.dense(counts): None, Plan.separate(counts): None}
    for sizes in _covers(counts):
        boxes = _smallest_boxes(counts, sizes)
        if len(boxes) == len(sizes):
            for full in (boxes, *_filled(boxes, block)):
                plans[Plan.of(full.items())] = None
    return list(plans)


def predicted_cost(
    plan: Plan,
    device: Device,
    *,
    in_channels: int,
    positions: int | None = None,
    is_permuted: bool = False,
) -> float:
    """Returns the cost of a plan per output position, in multiply-adds.

    Args:
        plan: The plan.
        device: The constants of the device.
        in_channels: Number of channels of the input.
        positions: Output positions of a batch; `None` if unknown, which
            leaves out the costs that occur once per batch.
        is_permuted: Whether the order of the layer's channels differs from
            the order of the boxes.
    """
    several = len(plan.boxes) > 1
    filters = sum(box.filters for box in plan.boxes)
    cost, once = 0.0, 0.0
    for box in plan.boxes:
        weights = box.size.taps * in_channels
        cost += weights * (device.width(box.filters) + device.read)
        once += device.loading(box.filters) * weights * box.filters
        if box.channels != ((box.size, box.filters),) or (
            is_permuted and not several
        ):
            once += device.embed * weights * box.filters
        if len(box.channels) > 1:
            once += _PUTTING * device.launch * len(box.channels)
    if several:
        once += device.launch * (len(plan.boxes) - 1)
        cost += device.write * filters * (2 if is_permuted else 1)
    return cost + (once / positions if positions else 0.0)


@functools.lru_cache(maxsize=256)
def ranked_plans(
    channels: tuple[SubKernel, ...],
    device: Device,
    *,
    in_channels: int,
    positions: int | None = None,
    in_any_order: bool = False,
) -> tuple[tuple[float, Plan], ...]:
    """Returns candidate plans with predicted costs, cheapest first.

    Args:
        channels: The sub-kernel of each output channel.
        device: The constants of the device.
        in_channels: Number of channels of the input.
        positions: Output positions of a batch, `None` if unknown.
        in_any_order: Whether channels may come in the order of the boxes.
    """

    def cost(plan: Plan) -> float:
        order = plan.order(channels)
        permuted = not in_any_order and order != sorted(order)
        return predicted_cost(
            plan,
            device,
            in_channels=in_channels,
            positions=positions,
            is_permuted=permuted,
        )

    plans = candidate_plans(channel_counts(channels), device.block)
    pairs = ((cost(plan), plan) for plan in plans)
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


def default_plan(
    channels: Sequence[SubKernel],
    in_channels: int,
    *,
    positions: int | None,
    phase: str,
    device: Device | None = None,
    in_any_order: bool = False,
) -> Plan:
    """Returns the plan with the lowest predicted cost.

    Args:
        channels: The sub-kernel of each output channel.
        in_channels: Number of channels of the input.
        positions: Output positions of one sample, `None` if unknown.
        phase: `"inference"` or `"training"`.
        device: The constants of a device; by default the present one.
        in_any_order: Whether channels may come in the order of the boxes.
    """
    device = device or present_device(phase)
    ranked = ranked_plans(
        tuple(channels),
        device,
        in_channels=in_channels,
        positions=positions,
        in_any_order=in_any_order,
    )
    dense = Plan.dense(channel_counts(channels))
    threshold = WORTHWHILE * next(c for c, plan in ranked if plan == dense)
    cost, plan = ranked[0]
    return plan if cost < threshold else dense


def channel_counts(channels: Sequence[SubKernel]) -> dict[SubKernel, int]:
    """Counts the channels of each sub-kernel, in canonical order."""
    channels = list(channels)
    return {k: channels.count(k) for k in canonical_order(channels)}


def _covers(counts: Counts) -> list[tuple[SubKernel, ...]]:
    """Lists the sets of box sizes that hold every sub-kernel."""
    kernels = list(counts)
    sizes = set(kernels)
    for kernel in kernels:
        sizes |= {bounding_box((kernel, other)) for other in sizes}
    if len(sizes) > _MOST_SIZES:
        return []
    ordered = canonical_order(sizes)
    return [
        chosen
        for length in range(1, len(ordered) + 1)
        for chosen in itertools.combinations(ordered, length)
        if all(any(size.holds(k) for size in chosen) for k in kernels)
    ]


def _smallest_boxes(
    counts: Counts, sizes: Sequence[SubKernel]
) -> dict[SubKernel, dict[SubKernel, int]]:
    """Puts each sub-kernel into the smallest box that holds it."""
    boxes: dict[SubKernel, dict[SubKernel, int]] = {}
    for kernel, count in counts.items():
        size = min(
            (size for size in sizes if size.holds(kernel)),
            key=lambda size: size.taps,
        )
        boxes.setdefault(size, {})[kernel] = count
    return {size: boxes[size] for size in canonical_order(boxes)}


def _filled(
    boxes: dict[SubKernel, dict[SubKernel, int]], block: int
) -> Iterator[dict[SubKernel, dict[SubKernel, int]]]:
    """Moves the remainders of blocks into larger boxes, in two variants.

    18 channels cost more than two blocks of 8. In the first variant every
    remainder (here 2) moves to a larger box, so only the largest box may have
    a partial block. In the second a remainder moves only if it fits the
    padding of the target.
    """
    for only_into_room in (False, True):
        full = {size: dict(held) for size, held in boxes.items()}
        for size in reversed(canonical_order(full)):
            rest = sum(full[size].values()) % block
            larger = [s for s in full if s != size and s.holds(size)]
            if not rest or not larger:
                continue
            target = min(larger, key=lambda other: other.taps)
            room = -sum(full[target].values()) % block
            if not only_into_room or rest <= room:
                _move(full[size], full[target], rest)
        yield {size: held for size, held in full.items() if held}


def _move(
    held: dict[SubKernel, int], target: dict[SubKernel, int], count: int
) -> None:
    """Moves `count` channels of as few sub-kernels as possible."""
    for kernel in sorted(held, key=lambda k: held[k], reverse=True):
        moved = min(count, held[kernel])
        if not moved:
            return
        count -= moved
        held[kernel] -= moved
        if not held[kernel]:
            del held[kernel]
        target[kernel] = target.get(kernel, 0) + moved


def is_grouping_faster(
    filters: int,
    in_channels: int,
    *,
    kernel_set: Sequence[SubKernel],
    kernel_size: Sequence[int],
) -> bool:
    """Tells whether small convolutions beat one full kernel in training."""
    device = present_device("training")
    share = balanced_share(filters, kernel_set)
    groups = Plan.separate({kernel: share for kernel in kernel_set})
    full = SubKernel(*kernel_size)
    dense = predicted_cost(
        Plan.dense({full: filters}), device, in_channels=in_channels
    )
    grouped = predicted_cost(
        groups, device, in_channels=in_channels, is_permuted=True
    )
    return grouped < WORTHWHILE * dense


def balanced_share(filters: int, kernel_set: Sequence[SubKernel]) -> int:
    """Returns the largest number of channels of a candidate if balanced."""
    return -(-filters // len(kernel_set))
