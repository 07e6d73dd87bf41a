"""Which execution plan a layer gets when nothing has been measured.

The model behind it counts multiply-adds as the hardware does, channels in
whole blocks, and adds what several convolutions cost beyond them, with the
constants of `devices`. `keras_cakes.autotune` measures instead.
"""

import functools
import itertools
from collections.abc import Iterator
from collections.abc import Sequence

from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import canonical_order
from keras_cakes.layers.plans.device import Device
from keras_cakes.layers.plans.device import present_device
from keras_cakes.layers.plans.plan import Counts
from keras_cakes.layers.plans.plan import Plan
from keras_cakes.layers.plans.plan import bounding_box

# More sub-kernels than this have too many partitions to look at.
_MOST_SIZES = 8
# A plan has to promise this much, so that an error of the model does not
# make a layer slower than the convolution it replaces.
WORTHWHILE = 0.95
# Of a launch.
_PUTTING = 0.2


def candidate_plans(counts: Counts, block: int) -> list[Plan]:
    """Plans worth a look, each different: dense, separate and between.

    Args:
        counts: The channels of each sub-kernel.
        block: Output channels are computed in blocks of this size, which
            decides what may move into a larger box.
    """
    # Dense and separate stand in front, so that they win a tie.
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
    in_channels: int,
    positions: int | None = None,
    is_permuted: bool = False,
) -> float:
    """What a plan costs per output position, in multiply-adds.

    Args:
        plan: The plan.
        device: What things cost.
        in_channels: Channels of the input.
        positions: Output positions of a batch; `None` if unknown, which
            leaves out what does not depend on them.
        is_permuted: Whether the layer wants its channels in another order
            than that of the boxes.
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
    in_channels: int,
    positions: int | None = None,
    in_any_order: bool = False,
) -> tuple[tuple[float, Plan], ...]:
    """The candidate plans with their predicted costs, cheapest first.

    Args:
        channels: The sub-kernel of each output channel.
        device: What things cost.
        in_channels: Channels of the input.
        positions: Output positions of a batch, `None` if unknown.
        in_any_order: Whether channels may come in the order of the boxes.
    """

    def cost(plan: Plan) -> float:
        order = plan.order(channels)
        permuted = not in_any_order and order != sorted(order)
        return predicted_cost(plan, device, in_channels, positions, permuted)

    plans = candidate_plans(channel_counts(channels), device.block)
    pairs = ((cost(plan), plan) for plan in plans)
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


def default_plan(
    channels: Sequence[SubKernel],
    in_channels: int,
    positions: int | None,
    phase: str,
    device: Device | None = None,
    in_any_order: bool = False,
) -> Plan:
    """The plan that promises to be fastest, without a measurement.

    Args:
        channels: The sub-kernel of each output channel.
        in_channels: Channels of the input.
        positions: Output positions of one sample, `None` if unknown.
        phase: `"inference"` or `"training"`.
        device: What things cost; by default on the present device.
        in_any_order: Whether channels may come in the order of the boxes.
    """
    device = device or present_device(phase)
    ranked = ranked_plans(
        tuple(channels), device, in_channels, positions, in_any_order
    )
    dense = Plan.dense(channel_counts(channels))
    threshold = WORTHWHILE * next(c for c, plan in ranked if plan == dense)
    cost, plan = ranked[0]
    return plan if cost < threshold else dense


def channel_counts(channels: Sequence[SubKernel]) -> dict[SubKernel, int]:
    """How many channels each sub-kernel makes, in canonical order."""
    channels = list(channels)
    return {k: channels.count(k) for k in canonical_order(channels)}


def _covers(counts: Counts) -> list[tuple[SubKernel, ...]]:
    """Sets of box sizes that hold every sub-kernel."""
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
    """Each sub-kernel in the smallest of the boxes that hold it."""
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
    """Moves what fills no block of its own into larger boxes.

    18 channels cost more than two blocks of 8. The last two go into a larger
    box: once always, so that broken blocks are left to the largest box at
    most, and once only where that box has room for them anyway.
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
    """Moves channels, of as few sub-kernels as it takes."""
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
    kernel_set: Sequence[SubKernel],
    kernel_size: Sequence[int],
) -> bool:
    """Whether small convolutions beat one full kernel in training."""
    device = present_device("training")
    share = balanced_share(filters, kernel_set)
    groups = Plan.separate({kernel: share for kernel in kernel_set})
    full = SubKernel(*kernel_size)
    dense = predicted_cost(Plan.dense({full: filters}), device, in_channels)
    grouped = predicted_cost(groups, device, in_channels, is_permuted=True)
    return grouped < WORTHWHILE * dense


def balanced_share(filters: int, kernel_set: Sequence[SubKernel]) -> int:
    """The most channels that a balanced path gives to a candidate."""
    return -(-filters // len(kernel_set))
