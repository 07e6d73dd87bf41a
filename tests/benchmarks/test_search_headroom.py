import json

import numpy as np
import pytest
from scipy import stats

from search_quality_study.headroom import headroom_rows
from search_quality_study.measure import SearchQuality


def _measured(folder, table, budget=0.25):
    """Scores of two cases, of every configuration with every seed."""
    for number, scores in enumerate(table):
        for seed, score in enumerate(scores):
            name = f"repeated{number}"
            file = folder / f"seed{seed}" / "networks" / f"{name}@{budget}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            network = {
                "name": name,
                "budget": budget,
                "seed": seed,
                "scores": [score - 0.1, score + 0.1],
            }
            file.write_text(json.dumps(network))


def _quality(folder, seeds, budgets=(0.25,)):
    return SearchQuality(
        folder, lambda path, seed: None, budgets=budgets, seeds=seeds
    )


def test_headroom_is_that_of_two_linear_models(tmp_path):
    generator = np.random.default_rng(0)
    table = generator.normal(0.8, 0.01, (6, 4))
    table += generator.normal(0, 0.02, (6, 1)) + generator.normal(0, 0.1, 4)
    _measured(tmp_path, table)
    (row,) = headroom_rows(_quality(tmp_path, 4))
    # The F test of models with and without an effect of configurations.
    seed = np.tile(np.eye(4), (6, 1))
    both = np.hstack([seed, np.repeat(np.eye(6)[:, 1:], 4, axis=0)])
    small, large = (
        np.linalg.lstsq(design, table.ravel(), rcond=None)[1][0]
        for design in (seed, both)
    )
    expected = (small - large) / 5 / (large / 15)
    assert row["f"] == pytest.approx(expected)
    assert row["p"] == pytest.approx(stats.f.sf(expected, 5, 15))
    assert row["noise"] == pytest.approx(np.sqrt(large / 15))
    assert row["score"] == pytest.approx(table.mean())
    assert (row["budget"], row["configurations"], row["seeds"]) == (0.25, 6, 4)
    between = table.mean(axis=1).var(ddof=1) - row["noise"] ** 2 / 4
    assert row["deviation"] == pytest.approx(np.sqrt(between))


def test_configurations_that_differ_like_noise_have_no_headroom(tmp_path):
    # Both have the same mean, whatever the seeds do.
    _measured(tmp_path, [[0.7, 0.9, 0.8], [0.8, 0.8, 0.8]])
    (row,) = headroom_rows(_quality(tmp_path, 3))
    assert row["deviation"] == 0.0
    assert row["f"] == pytest.approx(0.0)
    assert row["p"] == pytest.approx(1.0)


def test_what_only_some_seeds_have_is_left_out(tmp_path):
    _measured(tmp_path, [[0.7, 0.9, 0.8], [0.8, 0.8, 0.8]])
    (tmp_path / "seed2" / "networks" / "repeated0@0.25.json").unlink()
    rows = headroom_rows(_quality(tmp_path, 3, (0.25, 0.5)))
    assert [row["seeds"] for row in rows] == [2]
    assert headroom_rows(_quality(tmp_path, 1)) == []
