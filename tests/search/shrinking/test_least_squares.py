import keras
import numpy as np
import pytest

from keras_cakes.search.shrinking import least_squares
from keras_cakes.search.shrinking.affine import Affine
from keras_cakes.search.shrinking.least_squares import FewPositions
from keras_cakes.search.shrinking.least_squares import Moments
from keras_cakes.search.shrinking.least_squares import moments_of


def _data(count=200, columns=6, outputs=3, seed=0):
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(columns, columns))
    read = generator.normal(size=(count, columns)) @ mixed + 3
    targets = read @ generator.normal(size=(columns, outputs)) + 1
    targets += generator.normal(size=targets.shape)
    return read.astype("float32"), targets.astype("float32")


def _moments(read, targets, *, centred, blocks=4, kind=Moments, weights=None):
    moments = kind(read.shape[1], targets.shape[1])
    if weights is None:
        weights = np.full(len(read), 1 / len(read), "float32")
    for part in np.array_split(np.arange(len(read)), blocks):
        moments.add(read[part], targets[part], weights[part])
    if centred:
        moments.centre()
    return moments


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4, 5], [1, 4]])
def test_fits_and_errors_are_those_of_least_squares(centred, rows):
    read, targets = _data()
    moments = _moments(read, targets, centred=centred)
    outputs = np.array([2, 0])
    weights = moments.fit(np.array(rows), outputs)
    design = read[:, rows].astype("float64")
    if centred:
        design = np.concatenate([design, np.ones((len(read), 1))], axis=1)
    expected, *_ = np.linalg.lstsq(design, targets, rcond=None)
    np.testing.assert_allclose(
        weights, expected[: len(rows)][:, outputs], rtol=1e-2, atol=1e-3
    )
    if len(rows) < 6:
        rest = np.square(targets - design @ expected).mean(axis=0)
        np.testing.assert_allclose(
            moments.errors(np.array(rows)), rest, rtol=1e-2
        )


def test_a_ridge_draws_the_fit_to_weights_and_leaves_no_error():
    read, _ = _data()
    weights = np.random.default_rng(1).normal(size=(6, 3)).astype("float32")
    moments = _moments(read, read @ weights, centred=True)
    moments.add_ridge(10.0, weights)
    everything = np.arange(6)
    np.testing.assert_allclose(
        moments.fit(everything, np.arange(3)), weights, rtol=1e-3
    )
    np.testing.assert_allclose(moments.errors(everything), 0, atol=1e-3)
    assert (moments.errors(np.array([0, 1])) > 0).all()


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("count", [4, 30])
def test_few_positions_give_the_weights_and_errors_of_their_moments(
    count, centred
):
    read, targets = _data(count=count)
    weights = np.random.default_rng(2).uniform(0.1, 1, count)
    weights = (weights / weights.sum()).astype("float32")
    towards = np.random.default_rng(1).normal(size=(6, 3)).astype("float32")
    moments, few = (
        _moments(read, targets, centred=centred, kind=kind, weights=weights)
        for kind in (Moments, FewPositions)
    )
    for each in (moments, few):
        each.add_ridge(0.1, towards)
        assert each.width == 6
    np.testing.assert_allclose(moments.column_means, few.column_means)
    np.testing.assert_allclose(moments.target_means, few.target_means)
    for rows in ([0, 1, 2, 3, 4, 5], [1, 4]):
        rows, outputs = np.array(rows), np.array([2, 0])
        np.testing.assert_allclose(
            few.fit(rows, outputs), moments.fit(rows, outputs), rtol=1e-2
        )
        np.testing.assert_allclose(
            few.errors(rows), moments.errors(rows), rtol=1e-2
        )


def test_few_positions_without_any_variation_keep_the_weights():
    weights = np.ones((6, 3), "float32")
    read = np.full((4, 6), 2.0, "float32")
    few = _moments(read, np.ones((4, 3)), centred=True, kind=FewPositions)
    few.add_ridge(1e-3, weights)
    fitted = few.fit(np.array([0, 2]), np.arange(3))
    np.testing.assert_allclose(fitted, weights[:2])
    assert (few.errors(np.array([0, 2])) == 0).all()


def test_columns_that_are_always_zero_keep_their_weights():
    weights = np.ones((6, 3), "float32")
    moments = _moments(np.zeros((9, 6), "float32"), np.zeros((9, 3)), centred=1)
    moments.add_ridge(1e-3, weights)
    fitted = moments.fit(np.arange(6), np.arange(3))
    np.testing.assert_allclose(fitted, weights)


@pytest.mark.parametrize("most", [0, 4096])
def test_dependent_columns_are_solved(monkeypatch, most):
    monkeypatch.setattr(least_squares, "_MOST_DOUBLE", most)
    read, targets = _data()
    read = np.concatenate([read, read, read[:, :1] - read[:, 1:2]], axis=1)
    moments = _moments(read, targets, centred=True)
    weights = moments.fit(np.arange(13), np.arange(3))
    centred = read - read.mean(axis=0)
    rest = targets - targets.mean(axis=0) - centred @ weights
    best = _moments(*_data(), centred=True)
    expected = best.squares - np.einsum(
        "ro,ro->o", best.fit(np.arange(6), np.arange(3)), best.products
    )
    np.testing.assert_allclose(
        np.square(rest).mean(axis=0), expected, rtol=0.05
    )


def test_groups_have_moments_of_their_own():
    layer = keras.layers.Conv3D(4, 1, groups=2, use_bias=False)
    layer.build((1, 2, 2, 2, 6))
    generator = np.random.default_rng(0)
    columns = generator.normal(size=(50, 1, 6)).astype("float32")
    targets = generator.normal(size=(50, 4)).astype("float32")
    first, second = moments_of(
        Affine(layer),
        [(columns, targets, np.full(50, 1 / 50, "float32"))],
        towards=Affine(layer).kernel,
        count=50,
        ridge=0.0,
        centred=False,
    )
    read = columns[:, 0]
    np.testing.assert_allclose(
        second.products, read[:, 3:].T @ targets[:, 2:] / 50, rtol=1e-4
    )
    np.testing.assert_allclose(
        np.delete(first.columns, 0, 0),
        np.delete(read[:, :3].T @ read[:, :3] / 50, 0, 0),
        rtol=1e-4,
        atol=1e-6,
    )
