"""What a supernet gives for every budget."""

import dataclasses
from fractions import Fraction
from typing import Any

from keras_cakes._errors import whole
from keras_cakes.budget import Bound
from keras_cakes.budget import as_number
from keras_cakes.chooser import Chooser
from keras_cakes.configuration import Configuration
from keras_cakes.derivation import scores_of
from keras_cakes.supernet import Supernet


@dataclasses.dataclass(frozen=True)
class FrontPoint:
    """One configuration of a front.

    Args:
        cost: Cost of the whole network: an integer of parameters or
            multiply-adds, or milliseconds.
        share: `cost` as a share of what the network with full kernels costs;
            as a budget of `derive` it is one that `configuration` keeps.
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
    cost: str = "macs",
    points: int = 10,
    rule: str = "channel",
    channel_multiple: int = 1,
    floor: Any = 0.0,
) -> tuple[FrontPoint, ...]:
    """Derives the whole front of a supernet, from cheapest to dearest.

    The budgets are evenly spaced between what the cheapest choice costs and
    what the choice without a budget costs: a dearer one scores no more.

    Args:
        supernet: A trained supernet.
        score: See `derive`.
        cost: `"params"`, `"macs"`, or `"latency"` where the supernet knows
            it.
        points: Integer, the number of budgets, at least 2.
        rule: See `derive`.
        channel_multiple: See `derive`.
        floor: See `derive`.

    Returns:
        At most `points` points. Costs rise, and so do scores: what costs as
        much as another point and scores no more is left out.

    Raises:
        ValueError: If an argument is not one of those listed, or the cost of
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
    whole("points", points, least=2)
    scores = scores_of(supernet, score)
    chooser = Chooser(supernet, scores, rule, channel_multiple, floor)
    if cost not in chooser.costs:
        raise ValueError(
            "`cost` is expected to be one that the supernet knows, "
            f"{sorted(chooser.costs)}. Received: cost={cost!r}"
        )
    costs = chooser.costs[cost]
    plain = costs.plain
    if plain is None:
        raise ValueError(
            "`cost` is expected to be one that is known of the network with "
            f"full kernels, which the kernel sets lack. Received: cost={cost!r}"
        )
    least, dearest = chooser.least(cost), chooser.choose()
    span = chooser.cost(cost, dearest) - least
    choices = [dearest]
    for step in range(points - 1):
        most = least + span * Fraction(step, points - 1)
        chosen = chooser.choose_within([Bound(costs, most)])
        if chosen is not None:
            choices.append(chosen)
    return _not_dominated(
        [
            FrontPoint(
                as_number(chooser.cost(cost, chosen)),
                float(chooser.cost(cost, chosen) / plain),
                chooser.score(chosen),
                chooser.configuration(chosen),
            )
            for chosen in choices
        ]
    )


def _not_dominated(points: list[FrontPoint]) -> tuple[FrontPoint, ...]:
    kept: list[FrontPoint] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.score)):
        if not kept or point.score > kept[-1].score:
            kept.append(point)
    return tuple(kept)
