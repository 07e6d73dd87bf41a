"""Turns a trained network into a smaller trained one."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_cakes._errors import whole
from keras_cakes.cost.counting import count_cost
from keras_cakes.models.rewriting.replace import replaceable_layers
from keras_cakes.search.budget import parse_budget
from keras_cakes.search.budget import parse_floor
from keras_cakes.search.shrinking.reconstruct import reconstruct


def shrink(
    model: keras.Model,
    data: Any,
    *,
    budget: Mapping[str, float],
    kernel_set: Any = "0d1d2d3d",
    layers: Any = None,
    channel_multiple: int = 1,
    floor: Any = 0.0,
    output: str | None = None,
    cases: int = 16,
    rounds: int = 2,
    seed: int = 0,
    verbose: int = 1,
) -> keras.Model:
    """Makes a trained network smaller, without training.

    Every channel gets a sub-kernel, so that the network's answer changes
    least within the budget. The weights are then fitted, layer after layer,
    to what the trained network computes on the data. No label is needed.
    Train the result for a few steps with `fit`, if you can.

    For several budgets call `keras_cakes.search.reconstruct`, which measures
    once, and then its methods.

    Args:
        model: A trained functional Keras model; it stays as it is.
        data: Inputs as in training; see `keras_cakes.search.reconstruct`.
        budget: The largest cost of the result: a mapping of `"params"`,
            `"macs"` or `"latency"` (milliseconds, measured here) to a number.
            Up to 1 it is a share of the cost of `model`, above 1 an amount.
        kernel_set: Name of a kernel set or a sequence of sub-kernels. The
            default has the seven of the paper and `1x1x1`.
        layers: See `replaceable_layers`.
        channel_multiple: See `keras_cakes.derive`.
        floor: See `keras_cakes.derive`.
        output: See `keras_cakes.search.reconstruct`.
        cases: Integer, the number of cases that are read from `data`.
        rounds: Integer, how often sub-kernels are priced and chosen: 1 by
            their errors in the trained network, then by those in the network
            chosen before (`Reconstruction.repriced`). Each round fits a
            network.
        seed: Integer; the same seed gives the same network.
        verbose: 0 for silence, 1 for progress bars, 2 for bars without motion.

    Returns:
        A functional model of `CakesConv3D` layers with the names, inputs and
        outputs of `model`. It is not compiled: optimizer, loss and metrics of
        `model` are not taken over.

    Raises:
        ValueError: If an argument is not valid, `data` does not fit, or the
            least possible cost is above `budget`.
        MemoryError: If more memory is needed than is free.

    Warns:
        UserWarning: If `model` seems to be untrained.

    Examples:
        >>> import keras
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((16, 16, 16, 1), width=8, depth=2)
        >>> model.compile("adam", kc.training.DiceCrossEntropy())
        >>> image = keras.random.normal((4, 16, 16, 16, 1))
        >>> label = keras.ops.cast(image[..., 0] > 0, "int32")
        >>> _ = model.fit(image, label, verbose=0)
        >>> small = kc.shrink(model, image, budget={"macs": 0.5}, verbose=0)
        >>> kc.count_cost(small).macs <= 0.5 * kc.count_cost(model).macs
        True
    """
    # Before anything runs; a measured time is not known yet.
    total = count_cost(model)
    known = {"params": total.params, "macs": total.macs, "latency": 10**9}
    parse_budget(budget, known)
    parse_floor(floor, replaceable_layers(model, layers))
    whole("channel_multiple", channel_multiple, least=1)
    whole("rounds", rounds, least=1)
    reconstruction = reconstruct(
        model,
        data,
        kernel_set=kernel_set,
        layers=layers,
        cost="latency" if "latency" in budget else None,
        output=output,
        cases=cases,
        seed=seed,
        verbose=verbose,
    )
    configuration = reconstruction.derive(
        budget, channel_multiple=channel_multiple, floor=floor, rounds=rounds
    )
    return reconstruction.project(configuration)
