"""Chooses a sub-kernel for every channel of one layer, free of budgets."""

import math

import numpy as np

from keras_cakes.search.deriving.program import GAP
from keras_cakes.search.deriving.program import best_counts

DERIVE_RULES = ("channel", "layer")


def choose_free(
    scores: np.ndarray, rule: str = "channel", multiple: int = 1
) -> np.ndarray:
    """Chooses candidates of largest score, in whole blocks of channels.

    Args:
        scores: Array of shape `(candidates, filters)`.
        rule: `"channel"`: one candidate for each channel. `"layer"`: the
            `filters` largest scores of the layer; a channel may be chosen
            twice.
        multiple: Every candidate is chosen a multiple of this number of
            times; if `filters` is no multiple, one candidate has the rest.

    Returns:
        With `rule="channel"` and `multiple=1` the index of each channel's
        candidate; otherwise indices in ascending order, since only the count
        of each candidate matters. The total score is the largest that the
        rule allows (for blocks of `rule="channel"` up to `GAP`). With
        `multiple=1` ties go to the candidate that comes first, then to the
        channel of lower index.
    """
    candidates, filters = scores.shape
    if multiple > 1:
        found = best_counts(
            {"layer": np.asarray(scores, "float64")},
            rule,
            multiple,
            gap=GAP if rule == "channel" else 0.0,
            seconds=math.inf,
        )
        # Without bounds there always is a solution.
        counts = (found.counts or {})["layer"]
        return np.repeat(np.arange(candidates), counts)
    if rule == "channel":
        # arg-max returns the first of equals.
        return np.argmax(scores, axis=0)
    order = np.argsort(-scores.ravel(), kind="stable")[:filters]
    return np.sort(order // filters)
