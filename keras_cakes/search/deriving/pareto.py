"""Derives the configurations of a supernet for a range of budgets."""

import dataclasses
from typing import Any

from keras_cakes._errors import whole
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.search.budget import Bound
from keras_cakes.search.budget import Searched
from keras_cakes.search.budget import read_limits
from keras_cakes.search.budget import unit_of
from keras_cakes.search.deriving.choose import choose
from keras_cakes.search.deriving.choose import counts_of
from keras_cakes.search.deriving.choose import least_counts
from keras_cakes.search.deriving.choose import total_cost
from keras_cakes.search.deriving.choose import total_score
from keras_cakes.search.deriving.derive import configuration_of
from keras_cakes.search.deriving.program import Arrays
from keras_cakes.search.scores.path_weights import scores_of
from keras_cakes.search.supernet import Supernet


@dataclasses.dataclass(frozen=True)
class FrontPoint:
    """Holds one configuration of a front.

    Args:
        cost: Cost of the whole network: an integer of parameters or
            multiply-adds, or milliseconds.
        share: `cost` as a share of the cost of the network with full kernels.
            Passed back to `derive` as a budget, `configuration` satisfies it.
        score: Total score of the configuration.
        configuration: The configuration, for `replace`.
    """

    cost: float
    share: float
    score: float
    configuration: Configuration


def pareto(
    supernet: Supernet,
    score: Any = "path_weights",
    *,
    cost: str = "macs",
    points: int = 10,
    rule: str = "channel",
    channel_multiple: int = 1,
    floor: Any = 0.0,
) -> tuple[FrontPoint, ...]:
    """Derives the front of a supernet, from cheapest to dearest.

    The budgets are evenly spaced between the cost of the cheapest choice and
    the cost of the choice without a budget, which has the largest score.

    Args:
        supernet: A trained supernet.
        score: See `derive`.
        cost: `"params"`, `"macs"`, or `"latency"` if the supernet has it.
        points: Integer, the number of budgets, at least 2.
        rule: See `derive`.
        channel_multiple: See `derive`.
        floor: See `derive`.

    Returns:
        At most `points` points. Costs rise, and so do scores: a choice that
        costs as much as another and scores no more is left out.

    Raises:
        ValueError: If an argument is not a listed value, or the cost of
            the network with full kernels is not known.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((8, 8, 8, 1), width=8, depth=1)
        >>> supernet = kc.to_supernet(model, kernel_set="video_2d3d")
        >>> taps = {name: [[27.0] * 8, [9.0] * 8] for name in
        ...         kc.replaceable_layers(model)}
        >>> front = pareto(supernet, score=taps, points=3)
        >>> [point.score for point in front]
        [144.0, 288.0, 432.0]
    """
    return front_of(
        supernet,
        scores_of(supernet, score),
        cost=cost,
        points=points,
        rule=rule,
        channel_multiple=channel_multiple,
        floor=floor,
    )


def front_of(
    searched: Searched,
    scores: Arrays,
    *,
    cost: str,
    points: int,
    rule: str,
    channel_multiple: int,
    floor: Any,
) -> tuple[FrontPoint, ...]:
    """Derives the front of given scores; see `pareto`."""
    whole("points", points, least=2)
    limits = read_limits(searched, None, floor)
    if cost not in limits.tables:
        raise ValueError(
            "`cost` is expected to be one that the supernet knows, "
            f"{sorted(limits.tables)}. Received: cost={cost!r}"
        )
    table = limits.tables[cost]
    plain = table.plain
    if plain is None:
        raise ValueError(
            "`cost` is expected to be one that is known of the network with "
            f"full kernels, which the kernel sets lack. Received: cost={cost!r}"
        )
    choices = [choose(scores, rule, channel_multiple, limits)]
    filters = {name: values.shape[1] for name, values in scores.items()}
    least = total_cost(
        table, least_counts(table, filters, channel_multiple, limits.floors)
    )
    span = total_cost(table, counts_of(choices[0], scores)) - least
    for step in range(points - 1):
        budget = Bound(table, least + span * step // (points - 1))
        within = dataclasses.replace(limits, budgets=[budget])
        choices.append(choose(scores, rule, channel_multiple, within))
    unit = unit_of(cost)
    front = []
    for chosen in choices:
        total = total_cost(table, counts_of(chosen, scores))
        front.append(
            FrontPoint(
                total if unit == 1 else total / unit,
                total / plain,
                total_score(scores, chosen, rule, channel_multiple),
                configuration_of(searched, chosen),
            )
        )
    return _not_dominated(front)


def _not_dominated(points: list[FrontPoint]) -> tuple[FrontPoint, ...]:
    """Leaves out points that cost as much as another and score no more."""
    kept: list[FrontPoint] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.score)):
        if not kept or point.score > kept[-1].score:
            kept.append(point)
    return tuple(kept)
