"""Reads the scores of the candidates from a trained supernet."""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_cakes.search import PathLoss
from keras_cakes.search import Supernet
from keras_cakes.search import derive
from keras_cakes.search import importance
from keras_cakes.search import path_weights
from keras_cakes.search import sample_paths

_RANDOM_PATHS = 10


def read_supernet(
    supernet: Supernet,
    batches: Callable[[int], Iterable[Any]],
    *,
    wanted: Collection[str],
    samples: int,
    path_batches: int,
    seed: int,
) -> dict[str, Any]:
    """Reads the wanted scores, and how well the supernet predicts losses.

    Args:
        supernet: A trained supernet.
        batches: Makes a number of batches of inputs and targets, always the
            same.
        wanted: Scores beside the path weights: `"importance"`, `"sampled"`.
        samples: Paths that `"sampled"` evaluates, and batches that
            `"importance"` averages over.
        path_batches: Batches that each path is evaluated on.
        seed: Seed of the paths.

    Returns:
        A document for JSON: `scores` by name and layer, `spread` (the mean
        standard deviation of a layer's path weights) and `counts` (chosen by
        the path weights). A performance-priority search adds the losses of
        its best path (`best_path_loss`) and of random paths
        (`random_path_loss`, `random_path_deviation`), and `least_draws` of a
        candidate; sampled paths add the `correlation` of predicted and
        measured losses.
    """
    weights = {
        name: values for name, (_, values) in path_weights(supernet).items()
    }
    scores: dict[str, Mapping[str, Any]] = {"path_weights": weights}
    document: dict[str, Any] = {
        "spread": float(np.mean([w.std() for w in weights.values()])),
        "counts": derive(supernet).counts,
    }
    judged = list(batches(path_batches))
    if supernet.priority == "performance":
        loss = PathLoss(supernet, judged)
        draws = [layer.draw_counts() for layer in supernet.search_layers]
        document["least_draws"] = int(min(d.min() for d in draws))
        document["best_path_loss"] = loss(
            {name: w.argmax(axis=0) for name, w in weights.items()}
        )
        random = [loss(_random_path(supernet, n)) for n in range(_RANDOM_PATHS)]
        document["random_path_loss"] = float(np.mean(random))
        document["random_path_deviation"] = float(np.std(random))
    if "sampled" in wanted:
        paths = sample_paths(supernet, judged, samples=samples, seed=seed)
        scores["sampled"] = paths.scores()
        document["correlation"] = paths.correlation()
    if "importance" in wanted:
        scores["importance"] = importance(supernet, batches(samples))
    document["scores"] = {
        kind: {name: np.asarray(v).tolist() for name, v in score.items()}
        for kind, score in scores.items()
    }
    return document


def _random_path(supernet: Supernet, seed: int) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    return {
        layer.name: generator.choice(len(layer.kernel_set), layer.filters)
        for layer in supernet.search_layers
    }
