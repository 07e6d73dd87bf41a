import json

import numpy as np
import pytest

from search_quality_study import statistics
from search_quality_study.measure import SearchQuality
from search_quality_study.methods import Method

KERNELS = ("3x3x3", "1x3x3")


def _write(folder, seed, kind, name, document):
    file = folder / f"seed{seed}" / kind / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"seed": seed, **document}))


def _network(name, budget, scores, full=None):
    counts = None if full is None else {"conv": {"3x3x3": full}}
    if full is not None and full < 4:
        counts["conv"]["1x3x3"] = 4 - full
    return {
        "name": name,
        "budget": budget,
        "macs_share": budget or 1.0,
        "training_s": 10.0,
        "scores": scores,
        "configuration": counts,
    }


@pytest.fixture
def quality(tmp_path):
    method = Method("found", "path_weights")
    for seed in range(3):
        better = 0.1 * seed
        for network in (
            _network("3d", None, [0.9, 0.7]),
            _network("random0", 0.5, [0.5, 0.5], 1),
            _network("random1", 0.5, [0.5, 0.7], 0),
            _network("even", 0.5, [0.6, 0.7], 2),
            _network("found", 0.5, [0.7 + better, 0.7 + better], 3),
        ):
            budget = network["budget"]
            name = network["name"] + (f"@{budget}" if budget else "")
            _write(tmp_path, seed, "networks", name, network)
        _write(
            tmp_path,
            seed,
            "searches",
            method.supernet,
            {
                "supernet": method.supernet,
                "seconds": 25.0,
                "loss": 0.5,
                "spread": 0.1,
                "least_draws": 40 + seed,
                "scores": {"path_weights": {"conv": [[2.0] * 4, [1.0] * 4]}},
            },
        )
    return SearchQuality(
        tmp_path,
        lambda folder, seed: None,
        methods=(method,),
        budgets=(0.5,),
        seeds=3,
    )


def test_network_rows_are_those_worked_out_by_hand(quality):
    rows = {row["network"]: row for row in statistics.network_rows(quality)}
    assert list(rows) == ["even", "found", "random", "3d"]
    assert rows["3d"]["score"] == pytest.approx(0.8)
    assert rows["3d"]["difference"] is None
    assert rows["random"]["score"] == pytest.approx(0.55)
    found = rows["found"]
    assert found["seeds"] == 3
    assert found["score"] == pytest.approx(0.8)
    assert found["deviation"] == pytest.approx(0.1)
    # Random networks reach 0.5 and 0.6 in the two cases.
    assert found["difference"] == pytest.approx(0.25)
    assert 0.1 <= found["low"] < 0.25 < found["high"] <= 0.4


def test_method_rows_are_those_worked_out_by_hand(quality):
    (row,) = statistics.method_rows(quality, KERNELS)
    assert row["method"] == "found"
    assert row["cost"] == pytest.approx(2.5)
    assert row["loss"] == pytest.approx(0.5)
    assert row["correlation"] is None
    assert row["draws"] == pytest.approx(41)
    # Found three and one; random ones have one, or none, of the first.
    assert row["agreement"] == pytest.approx(1 - np.mean([0.5, 0.25]))
    assert row["agreement_low"] == pytest.approx(row["agreement"])
    # Scores follow the number of large kernels but for one pair: 0 and 1.
    assert row["tau"] == pytest.approx(2 / 3)
    assert row["tau_within"] == pytest.approx(2 / 3)


def test_one_seed_has_no_agreement(quality):
    one = SearchQuality(
        quality.folder,
        quality.make_run,
        methods=(*quality.methods, Method("not done", weights="shared")),
        budgets=(0.5,),
        seeds=1,
    )
    (row,) = statistics.method_rows(one, KERNELS)
    assert row["agreement"] is None
    # A search is measured in trainings of the 3D network, if there is one.
    (quality.folder / "seed0" / "networks" / "3d.json").unlink()
    assert statistics.method_rows(one, KERNELS)[0]["cost"] is None
    assert statistics.network_rows(one)[0]["deviation"] == 0.0


def test_overlap_is_the_share_of_equal_counts():
    first = {"a": {"3x3x3": 3, "1x3x3": 1}, "b": {"3x3x3": 4}}
    assert statistics.overlap(first, first) == 1.0
    second = {"a": {"3x3x3": 1, "3x1x1": 3}, "b": {"1x3x3": 4}}
    assert statistics.overlap(first, second) == pytest.approx(1 / 8)


def test_the_total_score_follows_the_rule():
    counts = {"a": {"3x3x3": 2, "1x3x3": 1}}
    scores = {"a": np.array([[3.0, 2.0, 1.0], [5.0, 4.0, 0.0]])}
    total = statistics.total_score(
        counts, scores, rule="layer", kernels=KERNELS
    )
    assert total == pytest.approx(3 + 2 + 5)
    total = statistics.total_score(
        counts, scores, rule="channel", kernels=KERNELS
    )
    assert total == pytest.approx(2 * 2 + 3)
