"""Sums up the results of a study in rows."""

import itertools
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes.evaluation import seed_interval
from search_quality_study.measure import SearchQuality
from search_quality_study.methods import Method

_RESAMPLES = 2000
_LEVELS = (0.025, 0.975)
# Kinds of networks that a seed has several of, numbered.
_CHANCE = ("random", "repeated")

_LayerCounts = Mapping[str, Mapping[str, int]]


def network_rows(quality: SearchQuality) -> list[dict[str, Any]]:
    """Sums up the networks of every kind and budget over seeds.

    Returns:
        Rows of `network`, `budget`, `seeds`, `macs_share`, `score` (mean over
        cases and seeds) and its `deviation` between seeds. With random
        configurations of that budget, also the mean `difference` to them and
        the ends `low` and `high` of its 95 % bootstrap interval over seeds
        and cases.
    """
    networks = quality.networks()
    kinds = dict.fromkeys((_kind(n), n["budget"]) for n in networks)
    rows = []
    for kind, budget in sorted(kinds, key=lambda k: (k[1] or 2.0, k[0])):
        own = _of(networks, kind, budget)
        scores = np.array([_mean_scores(group) for group in own.values()])
        row = {
            "network": kind,
            "budget": budget,
            "seeds": len(own),
            "macs_share": np.mean(
                [n["macs_share"] for group in own.values() for n in group]
            ),
            "score": scores.mean(),
            "deviation": _deviation(scores.mean(axis=1)),
            "difference": None,
            "low": None,
            "high": None,
        }
        random = _of(networks, "random", budget)
        shared = [seed for seed in own if seed in random]
        if budget is not None and kind != "random" and shared:
            differences = np.array(
                [
                    _mean_scores(own[seed]) - _mean_scores(random[seed])
                    for seed in shared
                ]
            )
            low, high = seed_interval(differences)
            row.update(difference=differences.mean(), low=low, high=high)
        rows.append(row)
    return rows


def method_rows(
    quality: SearchQuality, kernels: Sequence[str]
) -> list[dict[str, Any]]:
    """Sums up each method over seeds.

    Args:
        quality: A measurement.
        kernels: Names of the candidates, in canonical order.

    Returns:
        Rows of `method`, `cost` (of its search, in trainings of the 3D
        network), `loss` of the supernet, the losses of the best path
        (`best_path`) and of random paths (`random_path`), `spread` (standard
        deviation of the path weights), `correlation` (of sampled and
        predicted losses), `draws` (of the least drawn candidate),
        `agreement` of seeds above chance, and `tau`, Kendall's rank
        correlation of predicted and retrained scores, over all configurations
        of a seed and (`tau_within`) within one budget; the last three with
        the ends of their intervals over seeds.
    """
    networks, searches = quality.networks(), quality.searches()
    trainings = {
        n["seed"]: n["training_s"] for n in networks if n["name"] == "3d"
    }
    rows = []
    for method in quality.methods:
        own = {
            s["seed"]: s for s in searches if s["supernet"] == method.supernet
        }
        if not own:
            continue
        row: dict[str, Any] = {"method": method.name}
        costs = [
            s["seconds"] / trainings[seed]
            for seed, s in own.items()
            if seed in trainings
        ]
        row["cost"] = np.mean(costs) if costs else None
        for name, key in (
            ("loss", "loss"),
            ("best_path", "best_path_loss"),
            ("random_path", "random_path_loss"),
            ("spread", "spread"),
            ("correlation", "correlation"),
            ("draws", "least_draws"),
        ):
            values = [s[key] for s in own.values() if key in s]
            row[name] = np.mean(values) if values else None
        row.update(_agreement_columns(quality, method.name, networks))
        taus = [
            _taus(s["scores"][method.score], method, kernels, networks, seed)
            for seed, s in own.items()
        ]
        for index, name in enumerate(("tau", "tau_within")):
            row.update(_with_interval(name, [tau[index] for tau in taus]))
        rows.append(row)
    return rows


def overlap(first: _LayerCounts, second: _LayerCounts) -> float:
    """Computes the share of channels for which two configurations agree.

    Channels of a layer are exchangeable: of each sub-kernel, the smaller of
    the two counts agrees.
    """
    same = total = 0
    for layer, counts in first.items():
        other = second[layer]
        same += sum(min(n, other.get(k, 0)) for k, n in counts.items())
        total += sum(counts.values())
    return same / total


def total_score(
    configuration: _LayerCounts,
    scores: Mapping[str, Any],
    *,
    rule: str,
    kernels: Sequence[str],
) -> float:
    """Predicts the score of a configuration.

    Args:
        configuration: For each layer the counts of its sub-kernels.
        scores: For each layer `(candidates, filters)`.
        rule: `"layer"` adds the first `count` entries of a row, `"channel"`
            multiplies the mean of the row by the count.
        kernels: Names of the candidates, in canonical order.
    """
    total = 0.0
    for layer, counts in configuration.items():
        for kernel, count in counts.items():
            row = np.asarray(scores[layer][kernels.index(kernel)])
            total += (
                row[:count].sum() if rule == "layer" else count * row.mean()
            )
    return float(total)


def _kind(network: Mapping[str, Any]) -> str:
    name: str = network["name"]
    return name.rstrip("0123456789") if name.startswith(_CHANCE) else name


def _of(
    networks: Sequence[Mapping[str, Any]], kind: str, budget: float | None
) -> dict[int, list[Mapping[str, Any]]]:
    """Groups the networks of one kind and budget by seed."""
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for network in networks:
        if _kind(network) == kind and network["budget"] == budget:
            groups.setdefault(network["seed"], []).append(network)
    return groups


def _mean_scores(networks: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Averages the scores of each case over networks."""
    return np.mean([network["scores"] for network in networks], axis=0)


def _deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _agreement_columns(
    quality: SearchQuality, name: str, networks: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Subtracts the agreement with random networks from that of two seeds."""
    excess: dict[tuple[int, ...], list[float]] = {}
    for budget in quality.budgets:
        own = _of(networks, name, budget)
        random = _of(networks, "random", budget)
        for pair in itertools.combinations(sorted(set(own) & set(random)), 2):
            found = [own[seed][0]["configuration"] for seed in pair]
            chance = [
                overlap(found[side], other["configuration"])
                for side in (0, 1)
                for other in random[pair[1 - side]]
            ]
            excess.setdefault(pair, []).append(
                overlap(*found) - float(np.mean(chance))
            )
    pairs = {pair: float(np.mean(values)) for pair, values in excess.items()}
    if not pairs:
        return {
            "agreement": None,
            "agreement_low": None,
            "agreement_high": None,
        }
    seeds = sorted({seed for pair in pairs for seed in pair})

    def mean(drawn: Sequence[int]) -> float:
        return float(
            np.mean(
                [
                    pairs[min(a, b), max(a, b)]
                    for a, b in itertools.combinations(drawn, 2)
                    if a != b
                ]
                or [np.nan]
            )
        )

    return {
        "agreement": float(np.mean(list(pairs.values()))),
        **dict(
            zip(
                ("agreement_low", "agreement_high"),
                _bootstrap(seeds, mean),
                strict=True,
            )
        ),
    }


def _taus(
    scores: Mapping[str, Any],
    method: Method,
    kernels: Sequence[str],
    networks: Sequence[Mapping[str, Any]],
    seed: int,
) -> tuple[float, float]:
    """Computes rank correlations over all budgets, and the mean within one."""
    from scipy.stats import kendalltau

    own = [n for n in networks if n["seed"] == seed and n["configuration"]]
    predicted = np.array(
        [
            total_score(
                n["configuration"], scores, rule=method.rule, kernels=kernels
            )
            for n in own
        ]
    )
    reached = np.array([np.mean(n["scores"]) for n in own])
    budgets = np.array([n["budget"] for n in own])
    within = [
        kendalltau(predicted[budgets == b], reached[budgets == b]).statistic
        for b in np.unique(budgets)
    ]
    return (
        float(kendalltau(predicted, reached).statistic),
        float(np.nanmean(within)),
    )


def _with_interval(name: str, values: Sequence[float]) -> dict[str, Any]:
    low, high = _bootstrap(values, np.nanmean)
    return {
        name: float(np.nanmean(values)),
        f"{name}_low": low,
        f"{name}_high": high,
    }


def _bootstrap(
    values: Sequence[Any], mean: Callable[[Any], Any]
) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    count = len(values)
    means = [
        mean([values[i] for i in generator.integers(count, size=count)])
        for _ in range(_RESAMPLES)
    ]
    low, high = np.nanquantile(means, _LEVELS)
    return float(low), float(high)
