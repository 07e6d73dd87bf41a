"""Choosing a sub-kernel for every channel of one layer."""

import numpy as np

RULES = ("channel", "layer")


def select(
    weights: np.ndarray, rule: str = "channel", multiple: int = 1
) -> np.ndarray:
    """Chooses candidates of largest weight, in whole blocks of channels.

    Args:
        weights: Array of shape `(candidates, filters)`.
        rule: `"channel"`: one candidate for each channel. `"layer"`: the
            `filters` largest weights of all; a channel may be in it twice.
        multiple: Every candidate is chosen a multiple of so many times;
            where `filters` is none itself, one candidate has the rest.

    Returns:
        With `rule="channel"` and `multiple=1` the index of each channel's
        candidate; otherwise the indices in ascending order, since only how
        many there are of each matters then. Their total weight is the
        largest that the rule allows. Ties go to the candidate that comes
        first, then to the channel of lower index.
    """
    candidates, filters = weights.shape
    if multiple == 1 and rule == "channel":
        # arg-max returns the first of equals.
        return np.argmax(weights, axis=0)
    if multiple == 1:
        order = np.argsort(-weights.ravel(), kind="stable")[:filters]
        return np.sort(order // filters)
    choose = _blocks_of_layer if rule == "layer" else _blocks_of_channels
    counts = choose(np.asarray(weights, "float64"), multiple)
    return np.repeat(np.arange(candidates), counts)


def assign(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The channels' candidates of largest total weight, with given counts.

    Args:
        weights: Array of shape `(candidates, filters)`.
        counts: How many channels each candidate has.

    Returns:
        The index of each channel's candidate.
    """
    import scipy.optimize

    kinds = np.repeat(np.arange(len(weights)), counts)
    rows, channels = scipy.optimize.linear_sum_assignment(
        weights[kinds], maximize=True
    )
    chosen = np.empty(weights.shape[1], int)
    chosen[channels] = kinds[rows]
    return chosen


def weight_of(
    weights: np.ndarray, chosen: np.ndarray, rule: str, multiple: int
) -> float:
    """The total weight of what `select` returned, or of another choice."""
    counts = np.bincount(chosen, minlength=len(weights))
    if rule == "layer":
        ordered = -np.sort(-weights, axis=1)
        taken = np.arange(weights.shape[1]) < counts[:, None]
        return float(ordered[taken].sum())
    if multiple > 1:
        chosen = assign(weights, counts)
    return float(weights[chosen, np.arange(len(chosen))].sum())


def _blocks_of_layer(weights: np.ndarray, multiple: int) -> np.ndarray:
    """How often each candidate is chosen, whatever the channels.

    The gain of one more block of a candidate falls with each block, so that
    taking the largest gains is best; only who has the rest is tried out.
    """
    candidates, filters = weights.shape
    blocks, rest = divmod(filters, multiple)
    sums = np.cumsum(-np.sort(-weights, axis=1), axis=1)
    sums = np.concatenate([np.zeros((candidates, 1)), sums], axis=1)
    best, best_counts = -np.inf, np.zeros(candidates, int)
    for holder in range(candidates if rest else 1):
        start = np.zeros(candidates, int)
        start[holder] = rest
        ends = start[:, None] + multiple * np.arange(blocks + 1)
        reached = np.take_along_axis(sums, ends, axis=1)
        gains = np.diff(reached, axis=1)
        order = np.argsort(-gains.ravel(), kind="stable")[:blocks]
        taken = np.bincount(order // max(blocks, 1), minlength=candidates)
        total = reached[:, 0].sum() + gains.ravel()[order].sum()
        if total > best:
            best, best_counts = total, start + multiple * taken
    return best_counts


def _blocks_of_channels(weights: np.ndarray, multiple: int) -> np.ndarray:
    """How often each candidate is chosen when each channel chooses one.

    A transport of channels to candidates whose number is a whole number of
    blocks. Between integers the transport solves itself in integers.
    """
    import scipy.optimize
    import scipy.sparse

    candidates, filters = weights.shape
    blocks, rest = divmod(filters, multiple)
    # Variables: share of candidate i in channel o; blocks of candidate i;
    # whether candidate i has the rest.
    shares = candidates * filters
    one_each = np.tile(np.eye(filters), candidates)
    of_candidate = np.kron(np.eye(candidates), np.ones(filters))
    no = np.zeros((filters, candidates))
    some = np.eye(candidates)
    nothing = np.zeros((1, shares))
    ones, zeros = np.ones((1, candidates)), np.zeros((1, candidates))
    matrix = np.block(
        [
            [one_each, no, no],
            [of_candidate, -multiple * some, -rest * some],
            [nothing, ones, zeros],
            [nothing, zeros, ones],
        ]
    )
    right = np.concatenate(
        [np.ones(filters), np.zeros(candidates), [blocks], [rest > 0]]
    )
    result = scipy.optimize.milp(
        np.concatenate([-weights.ravel(), np.zeros(2 * candidates)]),
        constraints=scipy.optimize.LinearConstraint(
            scipy.sparse.csr_array(matrix), right, right
        ),
        integrality=np.repeat([0, 1, 1], [shares, candidates, candidates]),
        bounds=scipy.optimize.Bounds(
            0, np.repeat([1, blocks, 1], [shares, candidates, candidates])
        ),
    )
    chosen = result.x[shares:].round().astype(int)
    return multiple * chosen[:candidates] + rest * chosen[candidates:]
