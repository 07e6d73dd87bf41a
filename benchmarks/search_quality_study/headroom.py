"""Measures how much a search could gain on a task."""

from typing import Any

import numpy as np

from search_quality_study.measure import SearchQuality


def headroom_rows(quality: SearchQuality) -> list[dict[str, Any]]:
    """Estimates how far configurations of equal cost differ, beyond noise.

    It is a two-way analysis of variance, without replication, of seeds and
    the configurations that every seed has trained. If configurations differ
    no more than noise does, no search can beat random ones.

    Returns:
        For each budget with at least two such configurations and two seeds, a
        row of `budget`, the numbers of `configurations` and `seeds`, the mean
        `score`, the standard deviation of the `noise` of one training, the
        standard `deviation` between configurations (an estimate, 0 if noise
        explains all), and `f` and `p` of the F test that they are equal.
    """
    from scipy.stats import f as f_distribution

    repeated = [
        network
        for network in quality.networks()
        if network["name"].startswith("repeated")
    ]
    rows = []
    for budget in quality.budgets:
        scores = {
            (n["name"], n["seed"]): float(np.mean(n["scores"]))
            for n in repeated
            if n["budget"] == budget
        }
        names = sorted({name for name, _ in scores})
        seeds = [
            seed
            for seed in range(quality.seeds)
            if all((name, seed) in scores for name in names)
        ]
        if min(len(names), len(seeds)) < 2:
            continue
        table = np.array([[scores[n, s] for s in seeds] for n in names])
        means = table.mean(axis=1, keepdims=True)
        rest = table - means - table.mean(axis=0) + table.mean()
        freedom = len(names) - 1
        rest_freedom = freedom * (len(seeds) - 1)
        noise = (rest**2).sum() / rest_freedom
        between = len(seeds) * means.var(ddof=1)
        rows.append(
            {
                "budget": budget,
                "configurations": len(names),
                "seeds": len(seeds),
                "score": table.mean(),
                "noise": np.sqrt(noise),
                "deviation": np.sqrt(max(0.0, between - noise) / len(seeds)),
                "f": between / noise,
                "p": f_distribution.sf(between / noise, freedom, rest_freedom),
            }
        )
    return rows
