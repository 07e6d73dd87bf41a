"""Turns a model into the supernet of its search."""

import dataclasses
from typing import Any

import keras

from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes.cost.time.latency_table import LatencyTable
from keras_cakes.models.rewriting.graph import as_functional
from keras_cakes.models.rewriting.inherit import inherit_candidates
from keras_cakes.models.rewriting.replace import replaceable_layers
from keras_cakes.models.rewriting.search_network import to_search_network
from keras_cakes.models.rewriting.specification import CHOICES_OF_KERNELS
from keras_cakes.models.rewriting.specification import SearchSpecification
from keras_cakes.models.rewriting.specification import renamed_weights
from keras_cakes.search.channel_costs import count_channel_costs
from keras_cakes.search.supernet import Supernet


def to_supernet(
    model: keras.Model,
    kernel_set: Any = "1d2d3d",
    *,
    priority: str = "performance",
    lasso: float = 1e-4,
    cost: Any = "params",
    draw: str = "independent",
    aggregation: str = "auto",
    normalization: str | None = "batch",
    layers: Any = None,
    seed: int = 0,
    candidate_kernels: str = "auto",
    weights: str = "new",
) -> Supernet:
    """Turns a functional model into the supernet of its search.

    Other layers are copied. A trained model may lend its weights: each
    candidate then starts with the taps of the trained kernel that it covers.
    With the performance priority a path of full kernels computes what the model
    does; with the cost priority each layer starts with the mean of its
    candidates. On several replicas search layers use the batch
    statistics of the whole batch; the model's own batch normalizations need
    `synchronized=True` for the same.

    Args:
        model: A functional Keras model; it is not changed.
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        priority: See `SearchSpecification`, as for `lasso`, `draw`,
            `aggregation`, `normalization` and `candidate_kernels`.
        lasso: Float, strength of the cost-priority lasso.
        cost: See `SearchSpecification`; also `"latency"`, which measures a
            `LatencyTable` for one sample on the present device.
        draw: `"independent"` or `"balanced"`.
        aggregation: `"auto"`, `"concat"` or `"sum"`.
        normalization: `"batch"`, `"instance"` or `None`.
        layers: See `replaceable_layers`.
        seed: Integer, start of the random draws.
        candidate_kernels: `"auto"`, `"separate"` or `"shared"`.
        weights: `"new"`, or `"inherit"`: those of `model`, which is trained.
            For one release also the values of `candidate_kernels`, whose old
            name it is.

    Returns:
        A `Supernet`, to `compile` and `fit`.

    Raises:
        ValueError: If an argument is not a listed value, or `model`
            has nothing to replace.
    """
    whole("seed", seed, least=0)
    choose("weights", weights, ("new", "inherit", *CHOICES_OF_KERNELS))
    is_old_name = weights in CHOICES_OF_KERNELS
    is_measured = isinstance(cost, str) and cost == "latency"
    specification = SearchSpecification(
        kernel_set=kernel_set,
        priority=priority,
        lasso=lasso,
        cost="params" if is_measured else cost,
        aggregation=aggregation,
        draw=draw,
        normalization=normalization,
        candidate_kernels=renamed_weights(
            candidate_kernels, weights if is_old_name else None
        ),
    )
    model = as_functional(model)
    names = replaceable_layers(model, layers)
    if is_measured:
        # This takes minutes, so all other arguments are checked first.
        cost = LatencyTable(model, names, kernel_set=kernel_set)
        specification = dataclasses.replace(specification, cost=cost)
    network = to_search_network(model, specification, layers=layers)
    if weights == "inherit":
        inherit_candidates(network, model)
    channel_costs, fixed_cost = None, None
    if not any(None in tensor.shape[1:] for tensor in model.inputs):
        candidates = {n: network.get_layer(n).kernel_set for n in names}
        table = cost if isinstance(cost, LatencyTable) else None
        channel_costs, fixed_cost = count_channel_costs(
            model, candidates, table
        )
    return Supernet(
        network,
        draw=draw,
        seed=seed,
        channel_costs=channel_costs,
        fixed_cost=fixed_cost,
        name=f"{model.name}_supernet",
    )
