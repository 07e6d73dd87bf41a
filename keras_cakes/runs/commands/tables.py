"""Counts the costs in the paper's tables, beside those it prints.

Figures and rows: Yu et al., 2021 (https://arxiv.org/abs/2003.12798), Tables
1, 3 and 4. The paper's "FLOPs" are multiply-adds plus an element-wise share,
`count_cost(convention="paper")`; the exact counts beside them are worked out
from the layouts of the networks.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from keras_cakes.cost.counting import count_cost
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.models.backbones.c2fnas import c2fnas
from keras_cakes.models.backbones.resnet50_video import resnet50_video
from keras_cakes.models.rewriting.specification import SearchSpecification

_PLANES = ("1x3x3", "3x1x3", "3x3x1")
# Name, `convolution`, printed M and G, exact parameters and multiply-adds.
_TABLE_1: tuple[tuple[Any, ...], ...] = (
    ("2D", "2d", 11.29, 97.77, 11294848, 97023688704),
    ("3D", "3d", 22.50, 188.48, 22501504, 187733901312),
    ("P3D", "p3d", 13.16, 112.88, 13162624, 112142057472),
    ("CAKES 1D", "1d", 7.56, 67.53, 7559296, 66786951168),
    ("CAKES 2D", _PLANES, 11.29, 97.77, 11294848, 97023688704),
    ("CAKES 1,2,3D", "1d2d3d", 11.41, 99.17, 11405440, 98427101184),
)
_TABLE_3: tuple[tuple[Any, ...], ...] = (
    ("C2D", "2d", 23.9, 33.0, 23864558, 32699940864),
    ("P3D", "p3d", 27.6, 37.9, 27636974, 37632442368),
    ("C3D", "3d", 46.5, 62.6, 46499054, 62294949888),
    ("CAKES 1,2D", "video_1d2d", None, None, 20092142, 27767439360),
    ("CAKES 2,3D", "video_2d3d", 35.2, 47.7, 35181806, 47497445376),
    ("CAKES P 1,2D", "1d2d_performance", 20.9, 29.1, 20884718, 28829564928),
    ("CAKES P 2,3D", "2d3d_performance", 37.5, 50.7, 37477742, 50452611072),
    (
        "CAKES P 1,2,3D",
        "1d2d3d_performance",
        33.5,
        43.9,
        33508334,
        43616231424,
    ),
    ("CAKES C 1,2D", "1d2d_cost", 20.5, 29.3, 20498030, 29095698432),
    ("CAKES C 2,3D", "2d3d_cost", 35.7, 41.4, 35695598, 41193332736),
    ("CAKES C 1,2,3D", "1d2d3d_cost", 35.0, 38.7, 35029358, 38499483648),
)
# The rows of 16 frames: twice the multiply-adds of 8 frames, in Table 3. The
# paper prints twice its rounded figure of 8 frames.
_TABLE_4: tuple[tuple[Any, ...], ...] = (
    ("CAKES C 1,2D", "1d2d_cost", 20.5, 58.6, 20498030, 58191396864),
    ("CAKES P 2,3D", "2d3d_performance", 37.5, 101.4, 37477742, 100905222144),
    (
        "CAKES P 1,2,3D",
        "1d2d3d_performance",
        33.5,
        87.8,
        33508334,
        87232462848,
    ),
)
# Kernel set, parameters of the performance-priority and of the
# cost-priority supernet, multiply-adds of the latter.
_SUPERNETS = (
    ("video_1d2d", 27644526, 32674414, 44209111040),
    ("video_2d3d", 57823854, 62853742, 83669123072),
    ("video_1d2d3d", 61603822, 71663598, 95178293248),
)


@dataclasses.dataclass(frozen=True)
class Row:
    """Holds the printed and the counted cost of one network.

    Args:
        table: Table of the paper.
        name: Name of the network there.
        printed_params: Parameters in millions, or `None`.
        printed_flops: "FLOPs" in G, or `None`.
        expected_params: Exact parameters.
        expected_macs: Exact multiply-adds; `None` for a performance-priority
            supernet, which runs one path at a time.
        params: Counted parameters.
        macs: Counted multiply-adds.
        flops: Counted in the paper's convention, in G.
    """

    table: str
    name: str
    printed_params: float | None
    printed_flops: float | None
    expected_params: int
    expected_macs: int | None
    params: int
    macs: int
    flops: float

    @property
    def is_exact(self) -> bool:
        """Tells whether the counts are exact, to the last digit."""
        return self.params == self.expected_params and (
            self.expected_macs in (None, self.macs)
        )


def paper_rows() -> Iterator[Row]:
    """Builds and counts the networks of the paper's tables, one by one.

    No weights are allocated.
    """
    for entry in _TABLE_1:
        yield _row("1, 96x96x96", c2fnas, {}, "paper", entry)
    for table, frames, entries in (
        ("3, 8 frames", 8, _TABLE_3),
        ("4, 16 frames", 16, _TABLE_4),
    ):
        for entry in entries:
            arguments = {"input_shape": (frames, 224, 224, 3)}
            yield _row(table, resnet50_video, arguments, "paper_video", entry)
    for kernel_set, stored, widened, macs in _SUPERNETS:
        for priority, params, run in (
            ("performance", stored, None),
            ("cost", widened, macs),
        ):
            specification = SearchSpecification(
                kernel_set=kernel_set,
                priority=priority,
                candidate_kernels="separate",
            )
            name = f"{kernel_set} {priority}"
            entry = (name, specification, None, None, params, run)
            yield _row("supernets", resnet50_video, {}, "paper", entry)


def _row(
    table: str,
    build: Any,
    arguments: dict[str, Any],
    convention: str,
    entry: tuple[Any, ...],
) -> Row:
    name, convolution, params, flops, exact_params, exact_macs = entry
    if f"resnet50_ssv1_{convolution}" in Configuration.presets():
        convolution = Configuration.preset(f"resnet50_ssv1_{convolution}")
    with keras.StatelessScope(initialize_variables=False):
        network = build(convolution=convolution, **arguments)
        cost = count_cost(network, convention=convention)
    return Row(
        table,
        name,
        printed_params=params,
        printed_flops=flops,
        expected_params=exact_params,
        expected_macs=exact_macs,
        params=cost.params,
        macs=cost.macs,
        flops=(cost.macs + cost.elementwise) / 1e9,
    )


def format_rows(rows: list[Row]) -> str:
    """Formats rows as a table: printed, counted, difference."""
    lines = [
        f"{'table':<13} {'network':<24} {'params (M)':>27} "
        f"{'FLOPs (G)':>30} {'MACs':>18}",
        f"{'':<38} {'printed   counted      diff':>27} "
        f"{'printed    counted       diff':>30}",
    ]
    for row in rows:
        params = _beside(row.printed_params, row.params / 1e6)
        flops = _beside(row.printed_flops, row.flops)
        mark = "" if row.is_exact else "  NOT THE KNOWN COUNT"
        lines.append(
            f"{row.table:<13} {row.name:<24} {params:>27} {flops:>30} "
            f"{row.macs:>18,}{mark}"
        )
    return "\n".join(lines)


def _beside(printed: float | None, counted: float) -> str:
    if printed is None:
        return f"{'-':>7} {counted:>9.3f} {'-':>9}"
    return f"{printed:>7} {counted:>9.3f} {counted - printed:>+9.3f}"
