"""Scores candidates by the kernels of a trained network, with no search."""

from typing import Any

import keras
import numpy as np

from keras_cakes.search.supernet import Supernet


def kernel_energy(supernet: Supernet, model: keras.Model) -> dict[str, Any]:
    """Returns the share of each trained kernel inside each sub-kernel.

    No search is trained; `supernet` only lists the candidates.

    Args:
        supernet: A supernet of `to_supernet(model)`.
        model: The trained functional model, with plain `Conv3D` layers.

    Returns:
        For each search layer a float64 array `(candidates, filters)` of
        shares from 0 to 1 of the sum of squares of each output channel's
        kernel.

    Raises:
        ValueError: If a layer of `model` is no `Conv3D` of the same kernel.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=2)
        >>> energy = kernel_energy(kc.to_supernet(model), model)
        >>> float(energy["encoder0_conv1"].max())
        1.0
    """
    scores = {}
    for search in supernet.search_layers:
        layer = model.get_layer(search.name)
        expected = (*search.kernel_size, search.in_channels, search.filters)
        shape = tuple(getattr(layer, "kernel", np.zeros(0)).shape)
        if shape != expected:
            raise ValueError(
                f"`model` is expected to have a kernel of shape {expected} in "
                f"layer {search.name!r}. Received: {shape}"
            )
        squares = np.square(
            keras.ops.convert_to_numpy(layer.kernel).astype("float64")
        )
        total = np.maximum(squares.sum(axis=(0, 1, 2, 3)), 1e-30)
        scores[search.name] = np.stack(
            [
                squares[kernel.slices_in(search.kernel_size)].sum((0, 1, 2, 3))
                / total
                for kernel in search.kernel_set
            ]
        )
    return scores
