import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.search.deriving.choose import match_channels
from keras_cakes.search.deriving.choose import total_score
from keras_cakes.search.deriving.free import choose_free


def _splits(filters, multiple, candidates):
    """Every allowed number of channels of each candidate."""
    blocks, rest = divmod(filters, multiple)
    for counts in itertools.product(range(blocks + 1), repeat=candidates):
        if sum(counts) != blocks:
            continue
        for holder in range(candidates if rest else 1):
            yield [
                multiple * n + rest * (i == holder)
                for i, n in enumerate(counts)
            ]


def _best_of_channels(weights, counts):
    """The largest total of an assignment with these counts, by trying all."""
    kinds = np.repeat(np.arange(len(weights)), counts)
    return max(
        weights[list(order), np.arange(weights.shape[1])].sum()
        for order in set(itertools.permutations(kinds))
    )


def _score(weights, chosen, rule, multiple):
    return total_score({"a": weights}, {"a": chosen}, rule, multiple)


def _best_of_layer(weights, counts):
    ordered = -np.sort(-weights, axis=1)
    return sum(ordered[i, :n].sum() for i, n in enumerate(counts))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**31),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(2, 4),
    st.sampled_from(["channel", "layer"]),
)
def test_no_other_choice_of_blocks_scores_more(
    seed, candidates, filters, multiple, rule
):
    weights = np.random.default_rng(seed).normal(size=(candidates, filters))
    chosen = choose_free(weights, rule, multiple)
    best = _best_of_channels if rule == "channel" else _best_of_layer
    allowed = list(_splits(filters, multiple, candidates))
    counts = np.bincount(chosen, minlength=candidates).tolist()
    assert counts in allowed
    assert chosen.tolist() == sorted(chosen)
    assert best(weights, counts) == pytest.approx(
        max(best(weights, other) for other in allowed)
    )


@pytest.mark.parametrize("rule", ["channel", "layer"])
def test_wide_layers_in_blocks(rule):
    weights = np.random.default_rng(0).uniform(0, 1, (7, 512))
    weights[2] += 0.2
    counts = np.bincount(choose_free(weights, rule, 16), minlength=7)
    assert (counts % 16 == 0).all() and counts.sum() == 512
    assert counts.argmax() == 2
    free = np.bincount(choose_free(weights, rule), minlength=7)
    assert np.abs(counts - free).max() < 16


def test_single_channels():
    weights = np.array([[0.9, 0.1, 0.5], [0.3, 0.8, 0.6]])
    assert choose_free(weights).tolist() == [0, 1, 1]
    assert choose_free(weights, "layer").tolist() == [0, 1, 1]
    assert choose_free(np.ones((2, 3))).tolist() == [0, 0, 0]
    assert choose_free(np.ones((2, 3)), "layer").tolist() == [0, 0, 0]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 2), min_size=3))
def test_given_counts_are_assigned_best(seed, kinds):
    kinds = kinds[:6]
    weights = np.random.default_rng(seed).normal(size=(3, len(kinds)))
    counts = np.bincount(kinds, minlength=3)
    best = _best_of_channels(weights, counts)
    chosen = match_channels(weights, counts)
    assert np.bincount(chosen, minlength=3).tolist() == counts.tolist()
    assert _score(weights, chosen, "channel", 1) == pytest.approx(best)
    # In blocks only the counts are chosen.
    ordered = np.sort(chosen)
    assert _score(weights, ordered, "channel", 2) == pytest.approx(best)
    assert _score(weights, ordered, "layer", 1) == pytest.approx(
        _best_of_layer(weights, counts)
    )
