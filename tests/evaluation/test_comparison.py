import dataclasses

import numpy as np
import pytest

from keras_cakes import evaluation
from keras_cakes.runs.files import write_table


def _rows(scores, column="mean"):
    return [{"case": f"c{i}", column: s} for i, s in enumerate(scores)]


def test_interval_holds_percentiles_of_means_of_drawn_pairs():
    generator = np.random.default_rng(5)
    hardness = generator.normal(0.7, 0.2, 30)
    first = hardness + generator.normal(0.02, 0.03, 30)
    second = hardness + generator.normal(0.0, 0.03, 30)
    found = evaluation.paired_interval(_rows(first), _rows(second)[::-1])
    differences = first - second
    means = [
        differences[generator.integers(0, 30, 30)].mean() for _ in range(10_000)
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    assert found.difference == pytest.approx(differences.mean())
    error = differences.std() / np.sqrt(30)
    assert found.low == pytest.approx(low, abs=0.1 * error)
    assert found.high == pytest.approx(high, abs=0.1 * error)
    # Two standard errors of unpaired means to either side.
    unpaired = 4 * np.hypot(first.std(), second.std()) / np.sqrt(30)
    assert found.high - found.low < unpaired / 4
    assert found.cases == 30
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.low = 0.0


def test_the_other_way_round_it_is_the_other_sign():
    generator = np.random.default_rng(0)
    first, second = _rows(generator.random(9)), _rows(generator.random(9))
    one = evaluation.paired_interval(first, second, seed=3)
    other = evaluation.paired_interval(second, first, seed=3)
    assert one == evaluation.paired_interval(first, second, seed=3)
    assert one != evaluation.paired_interval(first, second, seed=4)
    assert other.difference == pytest.approx(-one.difference)
    assert other.low == pytest.approx(-one.high)
    assert other.high == pytest.approx(-one.low)


def test_level_and_column():
    generator = np.random.default_rng(0)
    first = _rows(generator.random(20), "liver")
    second = _rows(generator.random(20), "liver")
    wide = evaluation.paired_interval(first, second, column="liver", level=0.99)
    narrow = evaluation.paired_interval(
        first, second, column="liver", level=0.5
    )
    assert wide.low < narrow.low < narrow.difference < narrow.high < wide.high


def test_equal_differences_have_a_point():
    found = evaluation.paired_interval(_rows([0.5, 0.75]), _rows([0.25, 0.5]))
    assert (found.low, found.difference, found.high) == (0.25, 0.25, 0.25)


def test_scores_that_cannot_be_compared_are_refused():
    two = _rows([0.5, 0.6])
    with pytest.raises(ValueError, match=r"only in one of them \['c2'\]"):
        evaluation.paired_interval(two, _rows([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="`scores_a` .*'liver'. Received: "):
        evaluation.paired_interval(two, two, column="liver")
    with pytest.raises(ValueError, match="`scores_b` .*3 rows of 2 cases"):
        evaluation.paired_interval(two, [*two, two[0]])
    with pytest.raises(ValueError, match="at least two cases. Received: 1"):
        evaluation.paired_interval(two[:1], two[:1])
    for arguments in ({"level": 1.0}, {"level": 0.0}, {"resamples": 0}):
        (name,) = arguments
        with pytest.raises(ValueError, match=f"`{name}` is .*: {name}="):
            evaluation.paired_interval(two, two, **arguments)


def test_folds():
    folds = [
        [
            {"case": "a", "liver": 0.25, "mean": 0.5},
            {"case": "b", "liver": 0.75, "mean": 0.5},
            {"case": "c", "liver": 0.5, "mean": 0.75},
        ],
        [{"case": "d", "liver": 1.0, "mean": 1.0}],
    ]
    table = evaluation.summarize_folds(folds)
    assert [(row["score"], row["fold"], row["cases"]) for row in table] == [
        *(("liver", 0, 3), ("liver", 1, 1), ("liver", "all", 4)),
        *(("mean", 0, 3), ("mean", 1, 1), ("mean", "all", 4)),
    ]
    # Of cases, not of folds.
    assert table[2]["mean"] == (0.25 + 0.75 + 0.5 + 1.0) / 4
    assert (table[2]["min"], table[2]["max"]) == (0.25, 1.0)
    assert (table[0]["mean"], table[0]["min"]) == (0.5, 0.25)


def test_folds_with_scores_of_surfaces(tmp_path):
    names = ("case", "organ", "mean", "organ_hd95", "organ_nsd")
    # The last case has no organ where one was found, the one before neither.
    rows = [
        dict(zip(names, values, strict=True))
        for values in (
            ("a", 0.75, 0.75, 1.5, 0.5),
            ("b", 1.0, 1.0, 0.0, 1.0),
            ("c", 0.0, 0.0, 55.5, 0.0),
        )
    ]
    write_table(tmp_path / "scores.csv", rows)
    read = evaluation.read_scores(tmp_path / "scores.csv")
    table = evaluation.summarize_folds([read[:2], read[2:]])
    whole = {row["score"]: row for row in table if row["fold"] == "all"}
    assert list(whole) == list(names[1:])
    assert (whole["organ_hd95"]["mean"], whole["organ_hd95"]["max"]) == (
        19.0,
        55.5,
    )
    better = [{**row, "organ_hd95": row["organ_hd95"] / 3} for row in read]
    interval = evaluation.paired_interval(read, better, column="organ_hd95")
    assert interval.difference == 19.0 * 2 / 3
    figure = evaluation.plot_paired_scores(
        read, better, column="organ_hd95", label="HD95 (mm)"
    )
    assert figure.axes[0].get_xlabel() == "HD95 (mm)"


def test_folds_that_cannot_be_summed_up_are_refused():
    fold = _rows([0.5, 0.6])
    for folds in ([], [fold, []]):
        with pytest.raises(ValueError, match="at least one fold.*Received: "):
            evaluation.summarize_folds(folds)
    with pytest.raises(ValueError, match=r"every case once.*\['c0'\]"):
        evaluation.summarize_folds([fold, fold[:1]])
    for other in ({"case": "x"}, {"case": "x", "liver": 1.0}):
        with pytest.raises(ValueError, match="same columns.*Received: .*'mean"):
            evaluation.summarize_folds([fold, [other]])
    with pytest.raises(ValueError, match="'case' among them. Received"):
        evaluation.summarize_folds([[{"mean": 1.0}]])


def test_seed_interval():
    assert evaluation.seed_interval(np.full((4, 9), 0.25)) == (0.25, 0.25)
    generator = np.random.default_rng(0)
    # Seeds that differ are wider than as many cases that do.
    cases = generator.normal(0.1, 0.1, (5, 40))
    seeds = np.full((5, 40), 0.1) + generator.normal(0, 0.1, (5, 1))
    narrow, wide = (
        evaluation.seed_interval(values) for values in (cases, seeds)
    )
    assert narrow[0] < 0.1 < narrow[1]
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
