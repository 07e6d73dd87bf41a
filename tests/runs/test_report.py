"""The words of a report, from files as a run leaves them."""

import json
from types import SimpleNamespace

import pytest

from keras_cakes.kernels.configuration import Configuration
from keras_cakes.runs import report
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.files import write_json
from keras_cakes.runs.files import write_table
from keras_cakes.runs.files import write_text
from keras_cakes.runs.folder import RunFolder
from keras_cakes.runs.segmentation import report as segmentation_report
from keras_cakes.runs.segmentation.settings import SegmentationSettings

CLASSES = ("background", "rising", "falling")


@pytest.fixture
def run(tmp_path):
    """Two networks and a search, without the training."""
    settings = SegmentationSettings(variants=("performance", "random"))
    folder = RunFolder(tmp_path / "run", {})
    with folder.open():
        pass
    for name, dice, threads in (("performance", 0.75, 2), ("random", 0.5, 1)):
        network = folder / "networks" / name
        cost = {"params": 12_345, "macs": 67_000_000, "threads": threads}
        shares = {"replaced_params_share": 0.4, "replaced_macs_share": 0.25}
        times = {"median_ms": 5.0, "min_ms": 4.0, "max_ms": 9.0}
        write_json(network / "cost.json", {**cost, **shares, **times})
        scores = {
            **{"case": "a", "rising": dice, "falling": dice, "mean": dice},
            **{"rising_hd95": 2.0, "falling_hd95": 3.0},
            **{"rising_nsd": 0.5, "falling_nsd": 0.7},
        }
        write_table(network / "scores.csv", [scores])
    search = folder / "search" / "performance"
    keys = ("layer", "sub_kernel", "channel", "weight", "draws")
    rows = [
        ("conv", "3x3x3", 0, 1.2, 3),
        ("conv", "3x3x3", 1, 0.8, 5),
        ("conv", "1x3x3", 0, 1.0, 4),
        ("conv", "1x3x3", 1, 1.0, 8),
    ]
    table = [dict(zip(keys, row, strict=True)) for row in rows]
    write_table(search / "path_weights.csv", table)
    chosen = Configuration({"conv": {"3x3x3": 1, "1x3x3": 1}})
    write_text(search / "configuration.json", chosen.to_json())
    data = SimpleNamespace(training=[0] * 4, validation=[0], classes=CLASSES)
    return SimpleNamespace(
        settings=settings,
        variants=settings.variants,
        folder=folder,
        data=data,
    )


@pytest.fixture
def contents(run, monkeypatch):
    """What a segmentation adds, without the figure of contours."""
    monkeypatch.setattr(segmentation_report, "_contours", lambda run: None)
    monkeypatch.setattr(
        segmentation_report, "write_report", lambda run, contents: contents
    )
    return segmentation_report.write_segmentation_report(run)


def _rows(run, contents):
    return [
        {**report._cost_row(run, name), **contents.values[name]}
        for name in run.variants
    ]


def test_table_gives_cost_time_and_score(run, contents):
    table = report._table(_rows(run, contents), contents)
    assert (
        "| performance | found by the performance-priority search | 12,345 "
        "| 0.067 G | 40% | 25% | 5 ms (4 - 9) | 0.7500 | 0.7500 | 0.7500 "
        "| 2.5000 | 0.6000 |"
    ) in table
    assert "1 or 2 threads" in table


def test_search_section_lets_the_reader_judge(run, contents):
    rows = _rows(run, contents)
    text = report._search_section(run, "performance", rows, contents)
    assert "mean 1.000, standard deviation 0.141, from 0.800 to 1.200" in text
    assert "3x3x3 1, 1x3x3 1; an even split would give 1 each" in text
    assert "drawn 5 times on average, from 3 to 8" in text
    assert "random configuration of equal MACs 0.5000" in text
    assert "difference of +0.2500" in text


def test_heading_names_data_settings_and_versions(run, contents):
    text = f"{contents.heading} {report._versions(run)}"
    versions = json.loads((run.folder / "versions.json").read_text())
    assert text.startswith("# Sub-kernels on synthetic volumes (phantom)")
    assert "4 training and 1 validation cases" in text
    assert f"keras {versions['keras']}" in text


@pytest.mark.parametrize("kind", [SegmentationSettings, VideoSettings])
def test_every_variant_is_explained(kind):
    # What `manual_1d2d3d` splits depends on the kind of run.
    every = {*kind.known_variants()} - {"manual_1d2d3d"}
    assert every <= set(report._EXPLANATIONS)
