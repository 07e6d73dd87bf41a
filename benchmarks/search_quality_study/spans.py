"""Counts the channels that a search chose to span each axis."""

import itertools
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes.search.deriving.free import choose_free
from search_quality_study.measure import SearchQuality

AXES = ("first", "second", "third")
# Names a search without a budget, and all layers together.
FREE = "free"
ALL_LAYERS = "all"


def span_rows(
    quality: SearchQuality, kernels: Sequence[str]
) -> list[dict[str, Any]]:
    """Computes the share of channels whose sub-kernel spans each axis.

    Args:
        quality: A measurement.
        kernels: Names of the candidates, in canonical order.

    Returns:
        Rows for every method and seed without a budget (`"free"`: the largest
        path weight of each channel, or the largest entries of a layer), then
        for every trained configuration; first for all layers (`"all"`), then
        for each. A row has `method` (or kind of network), `budget`, `seed`,
        `layer`, and the shares `first`, `second` and `third`, from 0 to 1.
    """
    rows: list[dict[str, Any]] = []
    # Without a budget, energies only rank kernels by size.
    methods = [m for m in quality.methods if m.score != "energy"]
    searches = quality.searches()
    for method in methods:
        for search in searches:
            if search["supernet"] != method.supernet:
                continue
            layers = {
                name: Counter(
                    kernels[index]
                    for index in choose_free(np.array(values), method.rule)
                )
                for name, values in search["scores"][method.score].items()
            }
            rows.extend(_rows(method.name, FREE, search["seed"], layers))
    for network in quality.networks():
        if network["configuration"]:
            rows.extend(
                _rows(
                    network["name"],
                    str(network["budget"]),
                    network["seed"],
                    network["configuration"],
                )
            )
    return rows


def mean_spans(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Averages rows of `span_rows` over seeds; adds the number of `seeds`."""
    keys = ("method", "budget", "layer")
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return [
        dict(zip(keys, key, strict=True))
        | {"seeds": len(group)}
        | {axis: float(np.mean([r[axis] for r in group])) for axis in AXES}
        for key, group in groups.items()
    ]


def _rows(
    method: str,
    budget: str,
    seed: int,
    layers: Mapping[str, Mapping[str, int]],
) -> Iterator[dict[str, Any]]:
    total: Counter[str] = Counter()
    for counts in layers.values():
        total.update(counts)
    for layer, counts in itertools.chain([(ALL_LAYERS, total)], layers.items()):
        yield {
            "method": method,
            "budget": budget,
            "seed": seed,
            "layer": layer,
            **dict(zip(AXES, _spans(counts), strict=True)),
        }


def _spans(counts: Mapping[str, int]) -> list[float]:
    filters = sum(counts.values())
    return [
        sum(n for k, n in counts.items() if k.split("x")[axis] != "1") / filters
        for axis in range(3)
    ]
