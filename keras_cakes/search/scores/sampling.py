"""Fits an additive model of the loss to sampled paths."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.search.scores.path_loss import PathLoss
from keras_cakes.search.supernet import Supernet

_PARTS = 5


@dataclasses.dataclass(frozen=True)
class PathSamples:
    """Holds paths of a supernet and their losses.

    Channels of a layer are exchangeable when training starts, so only the
    number of channels of each candidate counts. The loss is modelled as a sum
    over layers and candidates of `- a * share - b * sqrt(share)` with
    `a, b >= 0`: each further channel of a candidate lowers the loss, by less
    and less.

    Args:
        filters: For each search layer its number of channels.
        shares: For each search layer an array `(samples, candidates)`, the
            share of the channels of each candidate.
        losses: The loss of each path, `(samples,)`.
    """

    filters: dict[str, int]
    shares: dict[str, np.ndarray]
    losses: np.ndarray

    def scores(self, strength: float = 0.1) -> dict[str, Any]:
        """Returns the gain of each further channel of each candidate.

        Args:
            strength: Strength of the ridge penalty on `a` and `b`.

        Returns:
            For each search layer an array `(candidates, filters)`: the drop
            of the loss for the `j`-th channel of a candidate, a score for
            `derive(..., rule="layer")`.
        """
        weights = _fit(self._features(), self.losses, strength)[1:]
        scores = {}
        for name, shares in self.shares.items():
            count = shares.shape[1]
            linear, root = weights[:count], weights[count : 2 * count]
            weights = weights[2 * count :]
            steps = np.linspace(0.0, 1.0, self.filters[name] + 1)
            gains = np.outer(linear, steps) + np.outer(root, np.sqrt(steps))
            scores[name] = np.diff(gains, axis=1)
        return scores

    def correlation(self, strength: float = 0.1) -> float:
        """Returns the correlation of predicted and measured losses.

        Each fifth of the paths is predicted from the rest. Near zero the
        scores are noise.
        """
        features = self._features()
        parts = np.arange(len(self.losses)) % _PARTS
        predicted = np.zeros(len(self.losses))
        for part in range(_PARTS):
            known = parts != part
            weights = _fit(features[known], self.losses[known], strength)
            predicted[~known] = weights[0] - features[~known] @ weights[1:]
        if predicted.std() == 0 or self.losses.std() == 0:
            return 0.0
        return float(np.corrcoef(predicted, self.losses)[0, 1])

    def _features(self) -> np.ndarray:
        columns = []
        for shares in self.shares.values():
            columns += [shares, np.sqrt(shares)]
        return np.concatenate(columns, axis=1)


def sample_paths(
    supernet: Supernet,
    batches: Iterable[Any],
    *,
    samples: int = 400,
    seed: int = 0,
) -> PathSamples:
    """Evaluates random paths of a trained supernet.

    Each layer of each path draws the shares of its candidates uniformly, so
    that the shares vary more than if every channel drew alone.

    Args:
        supernet: A compiled, trained supernet of the performance priority.
            Candidates with shared weights are better trained after the same
            number of steps.
        batches: Inputs and targets for every path; preferably data that the
            supernet was not trained on.
        samples: Number of paths, at least 10.
        seed: Integer, start of the random draws.

    Returns:
        The paths and their losses.

    Raises:
        ValueError: As `PathLoss`, or if there are too few samples.

    Reference:

    - [Guo et al., 2020](https://arxiv.org/abs/1904.00420), sampled paths of
      a supernet ranked by their validation loss
    """
    whole("samples", samples, least=10)
    whole("seed", seed, least=0)
    loss = PathLoss(supernet, batches)
    generator = np.random.default_rng(seed)
    layers = supernet.search_layers
    shares: dict[str, list[np.ndarray]] = {layer.name: [] for layer in layers}
    losses = []
    for _ in range(samples):
        path = {}
        for layer in layers:
            count = len(layer.kernel_set)
            odds = generator.dirichlet(np.ones(count))
            drawn = np.array(generator.choice(count, layer.filters, p=odds))
            path[layer.name] = drawn
            shares[layer.name].append(
                np.bincount(drawn, minlength=count) / layer.filters
            )
        losses.append(loss(path))
    return PathSamples(
        {layer.name: layer.filters for layer in layers},
        {name: np.stack(rows) for name, rows in shares.items()},
        np.array(losses),
    )


def _fit(
    features: np.ndarray, losses: np.ndarray, strength: float
) -> np.ndarray:
    """Fits weights that are not negative; the intercept comes first."""
    import scipy.optimize

    number("strength", strength, least=0)
    rows, columns = features.shape
    ridge = np.sqrt(strength) * np.eye(columns)
    matrix = np.block(
        [
            [np.ones((rows, 1)), -features],
            [np.zeros((columns, 1)), ridge],
        ]
    )
    right = np.concatenate([losses, np.zeros(columns)])
    return scipy.optimize.nnls(matrix, right)[0]
