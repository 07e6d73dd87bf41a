"""Defines sub-kernels, kernel sets and their one order, without Keras.

Reference:

- [Yu et al., 2021](https://arxiv.org/abs/2003.12798), section "Kernel
  shrinking" and Eqs. 4, 6 and 8.
"""

import re
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from keras_cakes._errors import expect
from keras_cakes._errors import whole

_SEVEN = ("kxkxk", "1xkxk", "kx1xk", "kxkx1", "kx1x1", "1xkx1", "1x1xk")
NAMED_SETS: Mapping[str, tuple[str, ...]] = {
    "1d": _SEVEN[4:],
    "2d": _SEVEN[1:4],
    "1d2d3d": _SEVEN,
    # Not in the paper: the centre alone, for networks that are trained.
    "0d1d2d3d": (*_SEVEN, "1x1x1"),
    "video_1d2d": ("1xkxk", "kx1x1"),
    "video_2d3d": ("kxkxk", "1xkxk"),
    "video_1d2d3d": ("kxkxk", "1xkxk", "kx1x1"),
}

# No published network has a kernel near this size. A larger number in a file
# is damage and would allocate enormous memory.
_LARGEST_SIZE = 99
_NAME = re.compile(r"([1-9][0-9]?)x([1-9][0-9]?)x([1-9][0-9]?)")


class SubKernel(NamedTuple):
    """Holds the size of a kernel that replaces a larger one.

    A sub-kernel is written depth (or time) first, as in `"1x3x3"`.

    Args:
        depth: Size along the first spatial axis, in voxels or frames.
        height: Size along the second spatial axis.
        width: Size along the third spatial axis.

    Examples:
        >>> kernel = SubKernel.parse("1x3x3")
        >>> kernel.taps, kernel.dimensions, str(kernel)
        (9, 2, '1x3x3')
    """

    depth: int
    height: int
    width: int

    @classmethod
    def parse(cls, kernel: "str | Iterable[int]") -> "SubKernel":
        """Reads a sub-kernel from its name or from three integers.

        Raises:
            ValueError: If `kernel` is not three sizes from 1 to 99.
        """
        if isinstance(kernel, str):
            match = _NAME.fullmatch(kernel)
            sizes = tuple(map(int, match.groups())) if match else ()
        else:
            sizes = _integers(kernel)
        if len(sizes) != 3 or not all(1 <= s <= _LARGEST_SIZE for s in sizes):
            raise ValueError(
                "A sub-kernel is expected to be three sizes from 1 to "
                f"{_LARGEST_SIZE}, depth (or time) first, such as '1x3x3'. "
                f"Received: {kernel!r}"
            )
        return cls(*sizes)

    def __str__(self) -> str:
        return "x".join(str(size) for size in self)

    @property
    def taps(self) -> int:
        """Returns the number of weights per input and output channel."""
        return self.depth * self.height * self.width

    @property
    def dimensions(self) -> int:
        """Returns the number of axes along which the size exceeds 1."""
        return sum(size > 1 for size in self)

    def holds(self, other: "SubKernel") -> bool:
        """Tells whether `other` is no larger along any axis."""
        return all(a <= b for a, b in zip(other, self, strict=True))

    def offset_in(self, kernel_size: Sequence[int]) -> tuple[int, int, int]:
        """Returns the place of the first tap when the centres are aligned.

        The centre of a size `k` is tap `(k - 1) // 2`, the tap that `"same"`
        padding with stride 1 puts on the output position; for odd sizes this
        is the middle.

        Raises:
            ValueError: If the sub-kernel does not fit into `kernel_size`.
        """
        for size, full in zip(self, kernel_size, strict=True):
            if size > full or (size % 2 == 0 and size != full):
                raise ValueError(
                    "A sub-kernel is expected to be no larger than the full "
                    "kernel in any dimension, and odd or of full size in "
                    f"each. Received: sub_kernel={self}, "
                    f"kernel_size={tuple(kernel_size)}"
                )
        depth, height, width = (
            (full - 1) // 2 - (size - 1) // 2
            for size, full in zip(self, kernel_size, strict=True)
        )
        return depth, height, width

    def slices_in(self, kernel_size: Sequence[int]) -> tuple[slice, ...]:
        """Returns slices of the full kernel that this sub-kernel covers.

        Raises:
            ValueError: As `offset_in`.
        """
        return tuple(
            slice(offset, offset + size)
            for offset, size in zip(
                self.offset_in(kernel_size), self, strict=True
            )
        )


# Channels of each sub-kernel.
Counts = Mapping[SubKernel, int]


def _integers(sizes: object) -> tuple[int, ...]:
    """Returns the integers of an iterable; empty if it holds anything else."""
    if not isinstance(sizes, Iterable):
        return ()
    values = tuple(sizes)
    if any(isinstance(v, bool) or not hasattr(v, "__index__") for v in values):
        return ()
    return tuple(int(v) for v in values)


def _rank(kernel: SubKernel) -> tuple[int, ...]:
    """Returns the sort key of the canonical order."""
    # Larger volume first. Among equals, planes are sorted by the axis along
    # which they are flat, and lines by the axis that they span.
    sizes = tuple(kernel)
    if kernel.dimensions == 1:
        sizes = tuple(-size for size in sizes)
    return (-kernel.taps, -kernel.dimensions, *sizes)


def canonical_order(
    kernels: "Iterable[str | Iterable[int]]",
) -> tuple[SubKernel, ...]:
    """Sorts sub-kernels into the one order used everywhere.

    Larger volume first; then 1x3x3, 3x1x3, 3x3x1 and 3x1x1, 1x3x1, 1x1x3.
    Repeated sub-kernels are kept once.

    Examples:
        >>> [str(k) for k in canonical_order(["1x1x3", "3x1x1", "3x3x3"])]
        ['3x3x3', '3x1x1', '1x1x3']
    """
    return tuple(sorted({SubKernel.parse(k) for k in kernels}, key=_rank))


def kernel_set(
    kernels: "str | Iterable[str | Iterable[int]]",
    kernel_size: Sequence[int] = (3, 3, 3),
) -> tuple[SubKernel, ...]:
    """Resolves a named or own kernel set for a full kernel.

    Args:
        kernels: A name of `NAMED_SETS`, one sub-kernel such as `"1x3x3"`, or
            a sequence of sub-kernels.
        kernel_size: Size of the full kernel, depth first. A `k` in a named
            set is the full size along its axis; members that coincide (for
            example in a 1x3x3 kernel) are kept once.

    Returns:
        The sub-kernels in canonical order.

    Raises:
        ValueError: If the name is unknown, the set is empty, or a member
            does not fit into `kernel_size`.

    Examples:
        >>> [str(k) for k in kernel_set("video_1d2d3d")]
        ['3x3x3', '1x3x3', '3x1x1']
    """
    return members_of("kernel_set", kernels, kernel_size=kernel_size)


def names_kernels(text: str) -> bool:
    """Tells whether a text names a kernel set or one sub-kernel."""
    return text in NAMED_SETS or _NAME.fullmatch(text) is not None


def check_kernels(argument: str, kernels: object) -> None:
    """Refuses a string that names no kernel set and no sub-kernel.

    Args:
        argument: Name of the argument, for the message.
        kernels: Value of the argument; only strings are checked.
    """
    expect(
        argument,
        kernels,
        not isinstance(kernels, str) or names_kernels(kernels),
        f"to be one of {sorted(NAMED_SETS)}, a sub-kernel such as '1x3x3' or "
        "a sequence of sub-kernels",
    )


def members_of(
    argument: str,
    kernels: "str | Iterable[str | Iterable[int]]",
    *,
    kernel_size: Sequence[int],
) -> tuple[SubKernel, ...]:
    """Resolves the kernel set in an argument, which a message names."""
    check_kernels(argument, kernels)
    members: Iterable[str | Iterable[int]]
    if isinstance(kernels, str) and kernels in NAMED_SETS:
        members = [
            tuple(
                full if part == "k" else 1
                for part, full in zip(
                    pattern.split("x"), kernel_size, strict=True
                )
            )
            for pattern in NAMED_SETS[kernels]
        ]
    else:
        members = [kernels] if isinstance(kernels, str) else kernels
    resolved = canonical_order(members)
    expect(argument, kernels, resolved, "to hold at least one sub-kernel")
    for member in resolved:
        member.offset_in(kernel_size)
    return resolved


def uniform_counts(
    filters: int,
    kernels: "str | Iterable[str | Iterable[int]]",
    *,
    kernel_size: Sequence[int] = (3, 3, 3),
    argument: str = "kernel_set",
) -> dict[SubKernel, int]:
    """Splits `filters` channels evenly, as the paper's manual setting does.

    Every sub-kernel serves `filters // len(kernels)` channels and the first
    one in canonical order also the remainder.

    Args:
        filters: Number of channels.
        kernels: A kernel set; see `kernel_set`.
        kernel_size: Size of the full kernel.
        argument: Name of the argument that holds the set, for messages.

    Examples:
        >>> list(uniform_counts(64, "1d2d3d").values())
        [10, 9, 9, 9, 9, 9, 9]
    """
    whole("filters", filters, least=1)
    ordered = members_of(argument, kernels, kernel_size=kernel_size)
    share, remainder = divmod(filters, len(ordered))
    return {
        kernel: share + (remainder if index == 0 else 0)
        for index, kernel in enumerate(ordered)
    }


def relative_costs(
    costs: Sequence[float], kinds: "Sequence[object] | None" = None
) -> tuple[float, ...]:
    """Normalises candidate costs to sum to 1 over the *kinds* present.

    Candidates of equal cost are one kind, so the three orientations of a 2D
    kernel share one weight: 27 : 9 : 3 taps give 9/13, 3/13 and 1/13, however
    many candidates each kind has (beta in Eq. 10 of the paper).

    Args:
        costs: A positive cost for each candidate.
        kinds: The kind of each candidate, where measured costs of one kind
            differ; the mean of its costs is then the cost of the kind.

    Examples:
        >>> relative_costs([27, 9])
        (0.75, 0.25)
        >>> relative_costs([6.0, 1.0, 3.0], kinds=[27, 9, 9])
        (0.75, 0.125, 0.375)
    """
    kinds = costs if kinds is None else kinds
    by_kind: dict[object, list[float]] = {}
    for cost, kind in zip(costs, kinds, strict=True):
        by_kind.setdefault(kind, []).append(cost)
    total = sum(sum(members) / len(members) for members in by_kind.values())
    return tuple(cost / total for cost in costs)
