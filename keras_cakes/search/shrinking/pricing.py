"""Prices the sub-kernels of one layer by the error that they leave."""

from collections.abc import Sequence

import numpy as np

from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.search.shrinking.affine import rows_of
from keras_cakes.search.shrinking.affine import taps_of
from keras_cakes.search.shrinking.least_squares import FewPositions
from keras_cakes.search.shrinking.least_squares import Moments


class PricedLayer:
    """Holds the candidates of one layer and their prices.

    Args:
        name: Name of the layer.
        kernel_size: Size of its kernel.
        kernel_set: The candidates, in canonical order.
        prices: Nats per case that the network's answer changes, to second
            order, if a channel has a candidate: float64 `(candidates,
            filters)`.
    """

    def __init__(
        self,
        name: str,
        kernel_size: tuple[int, int, int],
        kernel_set: tuple[SubKernel, ...],
        *,
        prices: np.ndarray,
    ):
        self.name = name
        self.kernel_size = kernel_size
        self.kernel_set = kernel_set
        self.prices = prices
        self.filters = prices.shape[1]


def price_layer(
    name: str,
    kernel_size: tuple[int, int, int],
    kernel_set: tuple[SubKernel, ...],
    *,
    moments: Sequence[Moments | FewPositions],
    information: np.ndarray,
    is_exact: bool,
) -> PricedLayer:
    """Prices each candidate of each channel of a layer.

    Args:
        name: See `PricedLayer`, as for `kernel_size` and `kernel_set`.
        moments: The moments of each group of channels.
        information: See `Sample`.
        is_exact: Whether the full kernel reaches the targets, so that its
            price is known to be 0.
    """
    full = int(np.prod(kernel_size))
    errors = []
    for kernel in kernel_set:
        taps = taps_of(kernel, kernel_size)
        if is_exact and len(taps) == full:
            errors.append(np.zeros(len(information)))
            continue
        errors.append(
            np.concatenate(
                [
                    own.errors(rows_of(taps, own.width // full))
                    for own in moments
                ]
            )
        )
    # Half the squared change, weighted by the information: the second order of
    # the divergence between two answers, in nats.
    prices = np.stack(errors) * information / 2
    return PricedLayer(name, kernel_size, kernel_set, prices=prices)
