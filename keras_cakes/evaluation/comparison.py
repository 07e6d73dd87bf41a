"""Compares two networks case by case and sums up the folds of one."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_cakes._errors import expect
from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.evaluation.checks import require

Rows = Sequence[Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class PairedInterval:
    """Holds the mean difference of two networks on the same cases.

    Args:
        difference: Mean over cases of the first score less the second.
        low: Lower end of the confidence interval.
        high: Upper end.
        cases: Number of cases.
    """

    difference: float
    low: float
    high: float
    cases: int


def paired_interval(
    scores_a: Rows,
    scores_b: Rows,
    *,
    column: str = "mean",
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedInterval:
    """Computes a bootstrap interval of the mean difference of two networks.

    Pairs of scores are drawn with replacement, so the difficulty of a case
    cancels out. The interval lies between percentiles of the means. It does
    not include the variation between two trainings of a network.

    Args:
        scores_a: Rows as `score_cases` returns them, in any order.
        scores_b: Rows of another network on the same cases.
        column: The score to compare.
        level: Confidence level, between 0 and 1.
        resamples: Number of draws.
        seed: Seed of the draws.

    Raises:
        ValueError: If the cases differ, are fewer than two or named twice,
            a row has no such column, or an argument is not as stated.

    Examples:
        >>> a = [{"case": name, "mean": 0.9} for name in "xyz"]
        >>> b = [{"case": name, "mean": 0.8} for name in "zyx"]
        >>> paired_interval(a, b)
        PairedInterval(difference=0.1, low=0.1, high=0.1, cases=3)

    Reference:

    - Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13
    """
    number("level", level, above=0, below=1)
    whole("resamples", resamples, least=1)
    whole("seed", seed, least=0)
    first, second = paired_scores(scores_a, scores_b, column=column)
    require(
        len(first) >= 2,
        "`scores_a` is expected to hold at least two cases. "
        f"Received: {len(first)}",
    )
    from scipy.stats import bootstrap

    # The bias-corrected interval does not exist if all differences are equal.
    pairs = np.array([*first.values()]), np.array([*second.values()])
    interval = bootstrap(
        pairs,
        _mean_difference,
        paired=True,
        confidence_level=level,
        n_resamples=resamples,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return PairedInterval(
        difference=float(_mean_difference(*pairs)),
        low=float(interval.low),
        high=float(interval.high),
        cases=len(first),
    )


def _mean_difference(
    first: np.ndarray, second: np.ndarray, axis: int = -1
) -> Any:
    return np.mean(first - second, axis=axis)


def paired_scores(
    scores_a: Rows, scores_b: Rows, *, column: str = "mean"
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the scores of two networks by case, ordered like the first.

    Args:
        scores_a, scores_b, column: See `paired_interval`.

    Raises:
        ValueError: If the cases differ or are named twice, or a row has no
            such column.
    """
    first = _by_case("scores_a", scores_a, column)
    second = _by_case("scores_b", scores_b, column)
    differing = sorted(first.keys() ^ second.keys())
    require(
        not differing,
        "`scores_b` is expected to hold the cases of `scores_a`. Received: "
        f"only in one of them {differing[:5]}",
    )
    return first, {case: second[case] for case in first}


def _by_case(name: str, rows: Rows, column: str) -> dict[str, float]:
    for row in rows:
        require(
            "case" in row and column in row,
            f"`{name}` is expected to have the columns 'case' and {column!r}. "
            f"Received: {list(row)}",
        )
    scores = {str(row["case"]): float(row[column]) for row in rows}
    require(
        len(scores) == len(rows),
        f"`{name}` is expected to name every case once. Received: "
        f"{len(rows)} rows of {len(scores)} cases",
    )
    return scores


def seed_interval(
    differences: np.ndarray, resamples: int = 2000
) -> tuple[float, float]:
    """Computes a 95 % interval of a mean difference over seeds and cases.

    Unlike `paired_interval`, this bootstrap interval includes the variation
    between trainings.

    Args:
        differences: Array `(seeds, cases)` of differences between two
            networks trained with each seed; both axes are drawn anew.
        resamples: Number of draws.

    Returns:
        The ends of the interval.

    Examples:
        >>> seed_interval(np.full((3, 10), 0.5))
        (0.5, 0.5)
    """
    whole("resamples", resamples, least=1)
    generator = np.random.default_rng(0)
    seeds, cases = differences.shape
    means = [
        differences[generator.integers(seeds, size=seeds)][
            :, generator.integers(cases, size=cases)
        ].mean()
        for _ in range(resamples)
    ]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def summarize_folds(folds: Sequence[Rows]) -> list[dict[str, Any]]:
    """Sums up scores over the folds of a cross-validation.

    Args:
        folds: For each fold its rows as `score_cases` returns them.

    Returns:
        For each score one row per fold and one of all cases together:
        `score`, the name of the column, `fold`, its number from 0 or
        `"all"`, `cases`, `mean`, `min` and `max`.

    Raises:
        ValueError: If there is no fold, a fold is empty or has other columns
            than the first, or a case appears twice.

    Examples:
        >>> folds = [[{"case": "a", "mean": 1.0}], [{"case": "b", "mean": 0.5}]]
        >>> for row in summarize_folds(folds):
        ...     print(*row.values())
        mean 0 1 1.0 1.0 1.0
        mean 1 1 0.5 0.5 0.5
        mean all 2 0.75 0.5 1.0
    """
    rows = [row for fold in folds for row in fold]
    require(
        len(folds) > 0 and all(len(fold) > 0 for fold in folds),
        "`folds` is expected to hold at least one fold, and each of them a "
        f"case. Received: {[len(fold) for fold in folds]} cases",
    )
    require(
        all("case" in row and row.keys() == rows[0].keys() for row in rows),
        "`folds` is expected to have the same columns in every row, 'case' "
        "among them. "
        f"Received: {sorted({tuple(row) for row in rows})}",
    )
    cases = [str(row["case"]) for row in rows]
    twice = sorted({case for case in cases if cases.count(case) > 1})
    require(
        not twice,
        "`folds` is expected to hold every case once. Received: more than "
        f"once {twice[:5]}",
    )
    parts: dict[Any, Rows] = {**dict(enumerate(folds)), "all": rows}
    summaries = {fold: summarize(part) for fold, part in parts.items()}
    return [
        {
            "score": name,
            "fold": fold,
            "cases": len(parts[fold]),
            **summaries[fold][name],
        }
        for name in summaries["all"]
        for fold in parts
    ]


def summarize(
    scores: Sequence[Mapping[str, Any]],
    class_names: Sequence[str] | None = None,
) -> dict[str, dict[str, float]]:
    """Returns the mean, smallest and largest score over cases.

    Args:
        scores: Rows as `score_cases` returns them; at least one.
        class_names: Names of the classes, background first; by default all
            columns of the rows.

    Returns:
        `mean`, `min` and `max` of each foreground class, and of `mean`, the
        mean over the classes of a case.
    """
    expect("scores", scores, len(scores), "to hold at least one case")
    columns = [name for name in scores[0] if name != "case"]
    summary = {}
    for name in (*class_names[1:], "mean") if class_names else columns:
        values = [float(row[name]) for row in scores]
        mean = float(np.mean(values))
        summary[name] = {"mean": mean, "min": min(values), "max": max(values)}
    return summary
