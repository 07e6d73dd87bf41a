"""Defines `Assignment`: the sub-kernel of every channel of one layer."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_cakes._errors import shortened
from keras_cakes._errors import whole
from keras_cakes.kernels.sub_kernels import NAMED_SETS
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import canonical_order
from keras_cakes.kernels.sub_kernels import uniform_counts

# Far above any real layer, so that a hostile number in a file is an error and
# not an allocation.
_MOST_CHANNELS = 1 << 20


class Assignment:
    """Assigns a sub-kernel to every output channel of one layer.

    It is immutable and hashable, and stores runs of equal sub-kernels: a
    sorted layer is as short as its counts.

    Args:
        sub_kernels: One of

            - a mapping of sub-kernel to number of channels: the channels
              are sorted in canonical order; zero counts are allowed;
            - a sequence with one sub-kernel per channel: kept in that order;
            - a sequence of `(sub_kernel, count)` runs: kept in that order.

    Raises:
        ValueError: If a sub-kernel or a count is not valid, or no channel is
            left.

    Examples:
        >>> Assignment({"1x3x3": 2, "3x3x3": 1}).channels
        ('3x3x3', '1x3x3', '1x3x3')
    """

    __slots__ = ("_runs",)

    def __init__(self, sub_kernels: Any):
        runs: list[tuple[SubKernel, int]] = []
        for kernel, count in _pairs(sub_kernels):
            if runs and runs[-1][0] == kernel:
                runs[-1] = (kernel, runs[-1][1] + count)
            elif count:
                runs.append((kernel, count))
        if not runs or sum(count for _, count in runs) > _MOST_CHANNELS:
            raise ValueError(
                "`sub_kernels` is expected to assign between 1 and "
                f"{_MOST_CHANNELS} channels. Received: "
                f"sub_kernels={shortened(sub_kernels)}"
            )
        self._runs = tuple(runs)

    @classmethod
    def resolve(
        cls, sub_kernels: Any, filters: int, *, kernel_size: Sequence[int]
    ) -> "Assignment":
        """Reads any accepted form for a layer of known size.

        Besides the forms of the constructor, a string stands for a named
        kernel set (split evenly) or for one sub-kernel that makes every
        channel.

        Raises:
            ValueError: If the channels do not add up to `filters` or a
                sub-kernel does not fit into `kernel_size`.
        """
        whole("filters", filters, least=1)
        if isinstance(sub_kernels, str):
            assignment = cls(
                uniform_counts(
                    filters,
                    sub_kernels,
                    kernel_size=kernel_size,
                    argument="sub_kernels",
                ).items()
            )
        elif isinstance(sub_kernels, Assignment):
            assignment = sub_kernels
        else:
            assignment = cls(sub_kernels)
        if assignment.filters != filters:
            raise ValueError(
                "The channels of `sub_kernels` are expected to add up to "
                f"`filters`. Received: filters={filters}, "
                f"sub_kernels={shortened(sub_kernels)} with "
                f"{assignment.filters} channels"
            )
        for kernel in assignment.kernels:
            kernel.offset_in(kernel_size)
        return assignment

    @property
    def runs(self) -> tuple[tuple[SubKernel, int], ...]:
        """Returns runs of channels with one sub-kernel, in channel order."""
        return self._runs

    @property
    def filters(self) -> int:
        """Returns the number of output channels."""
        return sum(count for _, count in self._runs)

    @property
    def kernels(self) -> tuple[SubKernel, ...]:
        """Returns the sub-kernels in use, in canonical order."""
        return canonical_order(kernel for kernel, _ in self._runs)

    @property
    def counts(self) -> dict[str, int]:
        """Returns the channels of each name in use, in canonical order."""
        return {str(kernel): n for kernel, n in self.kernel_counts.items()}

    @property
    def kernel_counts(self) -> dict[SubKernel, int]:
        """Returns the channels of each sub-kernel, in canonical order."""
        counts = dict.fromkeys(self.kernels, 0)
        for kernel, count in self._runs:
            counts[kernel] += count
        return counts

    @property
    def channels(self) -> tuple[str, ...]:
        """Returns the name of every channel's sub-kernel, in channel order."""
        return tuple(map(str, self.channel_kernels))

    @property
    def channel_kernels(self) -> tuple[SubKernel, ...]:
        """Returns the sub-kernel of every channel, in channel order."""
        return tuple(
            kernel for kernel, count in self._runs for _ in range(count)
        )

    @property
    def is_sorted(self) -> bool:
        """Tells whether the channels are in canonical order of sub-kernels."""
        return tuple(kernel for kernel, _ in self._runs) == self.kernels

    def to_list(self) -> list[list[Any]]:
        """Returns the runs as JSON values, `[["3x3x3", 16], ...]`."""
        return [[str(kernel), count] for kernel, count in self._runs]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Assignment) and self._runs == other._runs

    def __hash__(self) -> int:
        return hash(self._runs)

    def __repr__(self) -> str:
        return f"Assignment({self.to_list()})"


def _pairs(sub_kernels: Any) -> list[tuple[SubKernel, int]]:
    """Reads `(sub_kernel, count)` pairs from any form."""
    if isinstance(sub_kernels, Mapping):
        counts: dict[SubKernel, int] = {}
        for name, count in sub_kernels.items():
            kernel = SubKernel.parse(name)
            counts[kernel] = counts.get(kernel, 0) + _count(name, count)
        return [(kernel, counts[kernel]) for kernel in canonical_order(counts)]
    if isinstance(sub_kernels, str) or not isinstance(sub_kernels, Iterable):
        raise ValueError(
            "`sub_kernels` is expected to be counts, a sequence with one "
            "sub-kernel per channel, or a sequence of (sub_kernel, count). "
            f"Named sets are {sorted(NAMED_SETS)} where `filters` is known. "
            f"Received: sub_kernels={shortened(sub_kernels)}"
        )
    pairs = []
    for entry in sub_kernels:
        if isinstance(entry, list | tuple) and len(entry) == 2:
            kernel, count = entry
            if not isinstance(kernel, SubKernel):
                kernel = SubKernel.parse(kernel)
            pairs.append((kernel, _count(kernel, count)))
        else:
            pairs.append((SubKernel.parse(entry), 1))
    return pairs


def _count(name: object, count: Any) -> int:
    if (
        isinstance(count, bool)
        or not hasattr(count, "__index__")
        or not 0 <= int(count) <= _MOST_CHANNELS
    ):
        raise ValueError(
            "A channel count is expected to be an integer from 0 to "
            f"{_MOST_CHANNELS}. Received: {name!r}: {shortened(count)}"
        )
    return int(count)
