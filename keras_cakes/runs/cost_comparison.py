"""Compares the cost of a network with the plain one."""

import os
from typing import Any

import keras

from keras_cakes.cost.counting import count_cost
from keras_cakes.cost.time.timing import measure_latency
from keras_cakes.models.rewriting.replace import replaceable_layers


def compare_cost(network: keras.Model, plain: keras.Model) -> dict[str, Any]:
    """Counts parameters and multiply-adds of a network and times it.

    Args:
        network: A network in which layers of `plain` are replaced.
        plain: The network of full kernels.

    Returns:
        `params` and `macs` of the network; those of the replaced layers, also
        as shares of the plain network's; `median_ms`, `min_ms` and `max_ms`
        of a forward pass of one sample, and its number of `threads`.
    """
    import tensorflow as tf

    whole = count_cost(plain)
    replaced = whole.of(replaceable_layers(plain))
    cost = count_cost(network)
    forward = measure_latency(network).inference
    # All other layers cost the same in every variant.
    params = cost.params - (whole.params - replaced.params)
    macs = cost.macs - (whole.macs - replaced.macs)
    return {
        "params": cost.params,
        "macs": cost.macs,
        "replaced_params": params,
        "replaced_macs": macs,
        "replaced_params_share": params / replaced.params,
        "replaced_macs_share": macs / replaced.macs,
        "median_ms": forward.median_ms,
        "min_ms": forward.min_ms,
        "max_ms": forward.max_ms,
        "threads": tf.config.threading.get_intra_op_parallelism_threads()
        or os.cpu_count(),
    }
