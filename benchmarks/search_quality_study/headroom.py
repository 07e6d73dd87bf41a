"""Whether a task has anything for a search to find."""

from typing import Any

import numpy as np

from search_quality_study.measure import SearchQuality


def headroom_rows(quality: SearchQuality) -> list[dict[str, Any]]:
    """How far apart configurations of equal cost are, beyond noise.

    A two-way analysis of variance without replication: the configurations
    that every seed has trained, and the seeds. Where configurations differ no
    more than the noise does, no search can be ahead of random ones.

    Returns:
        For each budget with at least two such configurations and two seeds, a
        row of `budget`, the number of `configurations` and `seeds`, the mean
        `score`, the standard deviation of the `noise` of one training, that
        between the `configurations` in the mean (`deviation`, an estimate
        that is 0 where noise explains all), and `f` and `p` of the F test that
        they do not differ.
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
