"""What a search has to beat."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from keras_cakes.budget import parse_budget
from keras_cakes.configuration import Configuration
from keras_cakes.conversion import replaceable_layers
from keras_cakes.cost import count_cost
from keras_cakes.cost.table import Cost
from keras_cakes.graph import as_functional
from keras_cakes.sub_kernels import SubKernel
from keras_cakes.sub_kernels import kernel_set as resolve_kernel_set


def random_configuration(
    model: keras.Model,
    kernel_set: Any,
    budget: Mapping[str, float],
    seed: int = 0,
    layers: Any = None,
) -> Configuration:
    """A random configuration of a given cost: what a search has to beat.

    Every channel draws its sub-kernel on its own. The odds of a sub-kernel
    fall or rise with its number of taps just so that the expected cost is
    the wanted one; of many such draws the nearest in cost is returned.

    Args:
        model: The functional Keras model that is replaced.
        kernel_set: Name of a kernel set or a sequence of sub-kernels.
        budget: The wanted cost of the whole network: a mapping of `"macs"`
            or `"params"` to a number. Up to 1 it is a share of what `model`
            costs, above 1 an amount. It is met as nearly as can be, from
            either side.
        seed: Integer; the same seed gives the same configuration.
        layers: See `replaceable_layers`.

    Returns:
        A `Configuration` for `replace`.

    Raises:
        ValueError: If `budget` is not one of those, or no assignment of the
            kernel set can cost as much.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((16, 16, 16, 1), width=8, depth=2)
        >>> chance = random_configuration(model, "1d2d3d", {"macs": 0.5})
        >>> found = kc.count_cost(kc.replace(model, chance))
        >>> round(found.macs / kc.count_cost(model).macs, 2)
        0.5
    """
    model = as_functional(model)
    names = replaceable_layers(model, layers)
    cost = count_cost(model)
    kind, wanted = _wanted(budget, cost)
    fixed = getattr(cost, kind)
    per_tap, taps, kernels = [], [], []
    for name in names:
        layer = model.get_layer(name)
        members = resolve_kernel_set(kernel_set, layer.kernel_size)
        kernels.append(members)
        taps.append(np.array([kernel.taps for kernel in members], float))
        kernel = math.prod(layer.kernel.shape[:3]) * layer.filters
        per_tap.append(
            cost.of([name]).macs // kernel
            if kind == "macs"
            else layer.kernel.shape[-2]
        )
        fixed -= per_tap[-1] * kernel
    filters = [model.get_layer(name).filters for name in names]

    def total(choice):
        return fixed + sum(
            p * float(np.sum(c)) for p, c in zip(per_tap, choice, strict=True)
        )

    def extreme(pick):
        return total(
            [np.full(f, pick(t)) for f, t in zip(filters, taps, strict=True)]
        )

    if not extreme(np.min) * 0.999 <= wanted <= extreme(np.max) * 1.001:
        raise ValueError(
            f"`budget[{kind!r}]` is expected to lie between "
            f"{extreme(np.min):.0f} and {extreme(np.max):.0f}, what the "
            f"kernel set {kernel_set!r} can cost. Received: {budget[kind]}"
        )

    def odds(tilt, t):
        weights = np.exp(tilt * (t - t.max() if tilt > 0 else t - t.min()))
        return weights / weights.sum()

    low, high = -20.0, 20.0
    for _ in range(100):
        tilt = (low + high) / 2
        expected = total(
            [
                np.full(f, np.sum(t * odds(tilt, t)))
                for f, t in zip(filters, taps, strict=True)
            ]
        )
        low, high = (tilt, high) if expected < wanted else (low, tilt)

    generator = np.random.default_rng(seed)
    draws = [
        [
            generator.choice(len(t), size=f, p=odds(tilt, t))
            for f, t in zip(filters, taps, strict=True)
        ]
        for _ in range(200)
    ]
    nearest = min(
        draws,
        key=lambda draw: abs(
            total([t[d] for t, d in zip(taps, draw, strict=True)]) - wanted
        ),
    )
    return Configuration(
        {
            name: _sorted(members, drawn)
            for name, members, drawn in zip(
                names, kernels, nearest, strict=True
            )
        }
    )


def _wanted(budget: Any, cost: Cost) -> tuple[str, float]:
    """The kind of cost and its amount."""
    plain = {
        "macs": Fraction(cost.macs),
        "params": Fraction(cost.params),
    }
    amounts = parse_budget(budget, plain)
    if len(amounts) != 1:
        raise ValueError(
            "`budget` is expected to name one kind of cost, 'macs' or "
            f"'params'. Received: budget={budget}"
        )
    ((kind, amount),) = amounts.items()
    return kind, float(amount)


def _sorted(
    members: tuple[SubKernel, ...], drawn: np.ndarray
) -> dict[str, int]:
    counts = np.bincount(drawn, minlength=len(members)).tolist()
    return {str(k): c for k, c in zip(members, counts, strict=True)}
