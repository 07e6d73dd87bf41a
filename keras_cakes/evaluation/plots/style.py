"""Defines the colours, marks and layout that all figures share."""

from collections.abc import Iterable
from collections.abc import Sized
from typing import Any

import numpy as np

from keras_cakes._errors import expect
from keras_cakes.kernels.sub_kernels import canonical_order

# The key holds the axes along which a sub-kernel extends, which gives it one
# colour in every figure: a hue per number of dimensions, a shade per
# orientation (ColorBrewer, safe for the common colour deficiencies).
_COLOURS: dict[tuple[bool, ...], str] = {
    (True, True, True): "#54278f",
    (False, True, True): "#08519c",
    (True, False, True): "#4292c6",
    (True, True, False): "#9ecae1",
    (True, False, False): "#a63603",
    (False, True, False): "#f16913",
    (False, False, True): "#fdae6b",
    (False, False, False): "#969696",
}
# Okabe and Ito, safe for the common colour deficiencies.
BLUE, SKY, ORANGE, YELLOW = "#0072b2", "#56b4e9", "#e69f00", "#f0e442"
VERMILION, GREEN, PINK = "#d55e00", "#009e73", "#cc79a7"
CYCLE = (
    *("#000000", BLUE, SKY, "#999999"),
    *(ORANGE, YELLOW, VERMILION, GREEN, PINK),
)
MARKERS = "osD^v<>P*"
_CLASSES = (ORANGE, SKY, GREEN, PINK, YELLOW)


def new_figure(
    width: float,
    height: float,
    *,
    rows: int = 1,
    columns: int = 1,
    sharey: bool = False,
) -> Any:
    """Returns a figure of this size in inches, and its axes in a grid."""
    # `Figure` without pyplot: nothing global, nothing to close.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    axes = figure.subplots(rows, columns, sharey=sharey, squeeze=False)
    return figure, axes


def class_colour(label: int) -> str:
    """Returns the colour of a foreground class, whose label is at least 1."""
    return _CLASSES[(label - 1) % len(_CLASSES)]


def kernel_colours(kernels: Iterable[str]) -> dict[str, Any]:
    """Returns a colour per sub-kernel, in canonical order.

    A smaller kernel of the same orientation is paler: 3x3x3 beside 5x5x5.
    """
    from matplotlib.colors import to_rgb

    colours = {}
    seen: dict[tuple[bool, ...], int] = {}
    for kernel in canonical_order(kernels):
        axes = tuple(size > 1 for size in kernel)
        seen[axes] = seen.get(axes, 0) + 1
        base = np.array(to_rgb(_COLOURS[axes]))
        colours[str(kernel)] = tuple(1.0 - (1.0 - base) / seen[axes])
    return colours


def require_some(name: str, values: Sized) -> None:
    """Refuses an argument that holds nothing."""
    expect(name, values, len(values), "to hold at least one entry")
