import json

import pytest

from search_quality_study.measure import SearchQuality
from search_quality_study.methods import Method
from search_quality_study.spans import mean_spans
from search_quality_study.spans import span_rows

KERNELS = ("3x3x3", "1x3x3", "3x1x1")


@pytest.fixture
def quality(tmp_path):
    method = Method("found", "sampled", "layer", weights="shared")
    for seed in range(2):
        folder = tmp_path / f"seed{seed}"
        for kind in ("searches", "networks"):
            (folder / kind).mkdir(parents=True)
        # Each layer keeps its two largest entries.
        early = [[0.0, 0.0], [0.0, 0.0], [2.0, 1.0]]
        late = [[3.0, 0.0], [2.0, 0.0], [0.0, 0.0]] if seed else early
        search = {
            "seed": seed,
            "supernet": method.supernet,
            "scores": {"sampled": {"early": early, "late": late}},
        }
        (folder / "searches" / "any.json").write_text(json.dumps(search))
        for name, configuration in (
            ("3d", None),
            ("random0", {"early": {"3x3x3": 1, "1x3x3": 3}}),
        ):
            network = {
                "name": name,
                "seed": seed,
                "budget": 0.5,
                "configuration": configuration,
            }
            file = folder / "networks" / f"{name}.json"
            file.write_text(json.dumps(network))
    return SearchQuality(
        tmp_path,
        lambda folder, seed: None,
        methods=(method, Method("kernels", "energy"), Method("not done")),
        seeds=2,
    )


def test_spans_are_those_counted_by_hand(quality):
    rows = {
        (r["method"], r["budget"], r["seed"], r["layer"]): (
            r["first"],
            r["second"],
            r["third"],
        )
        for r in span_rows(quality, KERNELS)
    }
    assert rows == {
        ("found", "free", 0, "all"): (1.0, 0.0, 0.0),
        ("found", "free", 0, "early"): (1.0, 0.0, 0.0),
        ("found", "free", 0, "late"): (1.0, 0.0, 0.0),
        ("found", "free", 1, "all"): (0.75, 0.5, 0.5),
        ("found", "free", 1, "early"): (1.0, 0.0, 0.0),
        ("found", "free", 1, "late"): (0.5, 1.0, 1.0),
        ("random0", "0.5", 0, "all"): (0.25, 1.0, 1.0),
        ("random0", "0.5", 0, "early"): (0.25, 1.0, 1.0),
        ("random0", "0.5", 1, "all"): (0.25, 1.0, 1.0),
        ("random0", "0.5", 1, "early"): (0.25, 1.0, 1.0),
    }


def test_means_are_over_seeds(quality):
    rows = mean_spans(span_rows(quality, KERNELS))
    assert rows[0] == {
        "method": "found",
        "budget": "free",
        "layer": "all",
        "seeds": 2,
        "first": 0.875,
        "second": 0.25,
        "third": 0.25,
    }
    assert [(row["method"], row["layer"]) for row in rows] == [
        ("found", "all"),
        ("found", "early"),
        ("found", "late"),
        ("random0", "all"),
        ("random0", "early"),
    ]
