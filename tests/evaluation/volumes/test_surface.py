import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from keras_cakes import evaluation


def _surface(mask):
    """Voxels of a mask with a neighbour across a face that is not in it."""
    voxels = set(map(tuple, np.argwhere(mask).tolist()))
    steps = [
        tuple(sign * (axis == moved) for axis in range(mask.ndim))
        for moved, sign in itertools.product(range(mask.ndim), (-1, 1))
    ]
    return [
        voxel
        for voxel in sorted(voxels)
        if any(
            tuple(np.add(voxel, step).tolist()) not in voxels for step in steps
        )
    ]


def _reference(prediction, label, spacing, tolerance):
    """All pairs of surface voxels."""
    predicted, true = _surface(prediction), _surface(label)
    if not predicted and not true:
        return 0.0, 1.0
    if not predicted or not true:
        return np.sqrt(np.sum((np.array(label.shape) * spacing) ** 2)), 0.0
    pairs = np.array(predicted)[:, None] - np.array(true)[None]
    distances = np.sqrt(np.sum((pairs * spacing) ** 2, axis=-1))
    there, back = distances.min(axis=1), distances.min(axis=0)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    near = (there <= tolerance).sum() + (back <= tolerance).sum()
    return hd95, near / (len(there) + len(back))


_masks = arrays.arrays(bool, (5, 4, 6), fill=st.just(False))
_lengths = st.sampled_from([0.5, 0.7, 1.0, 2.5])


@settings(deadline=None)
@given(_masks, _masks, st.tuples(_lengths, _lengths, _lengths))
def test_surfaces_by_all_pairs(prediction, label, spacing):
    # No sum of squares of these spacings comes near 1.23.
    found = evaluation.surface_scores(
        prediction.astype(int),
        label.astype(int),
        classes=2,
        spacing=spacing,
        tolerance=1.23,
    )
    expected = _reference(prediction, label, spacing, 1.23)
    np.testing.assert_allclose(found.hd95, [expected[0]], rtol=1e-9)
    np.testing.assert_allclose(found.nsd, [expected[1]], rtol=1e-9)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.8, 0.8)])
def test_blobs_of_several_classes(spacing):
    generator = np.random.default_rng(0)
    label = np.zeros((12, 14, 13), int)
    label[2:9, 3:10, 2:9] = 1
    label[5:11, 6:13, 5:12] = 2
    prediction = np.roll(label, (1, -2, 0), (0, 1, 2))
    prediction[generator.random(label.shape) < 0.02] = 0
    found = evaluation.surface_scores(
        prediction, label, classes=3, spacing=spacing, tolerance=1.3
    )
    for value in (1, 2):
        expected = _reference(prediction == value, label == value, spacing, 1.3)
        assert found.hd95[value - 1] == pytest.approx(expected[0])
        assert found.nsd[value - 1] == pytest.approx(expected[1])
    np.testing.assert_array_equal(
        evaluation.hd95(prediction, label, classes=3, spacing=spacing),
        found.hd95,
    )
    np.testing.assert_array_equal(
        evaluation.nsd(
            prediction, label, classes=3, spacing=spacing, tolerance=1.3
        ),
        found.nsd,
    )


def test_the_larger_direction_counts():
    # From the far voxel it is 9 mm, from all others it is nothing.
    label = np.zeros((12, 1, 1), int)
    label[:2] = 1
    prediction = label.copy()
    prediction[10] = 1
    there = evaluation.hd95(prediction, label, classes=2, spacing=(1, 1, 1))
    assert there == np.percentile([0, 0, 9], 95)
    assert (
        evaluation.hd95(label, prediction, classes=2, spacing=(1, 1, 1))
        == there
    )


def test_empty_masks():
    empty, some = np.zeros((3, 4, 12), int), np.zeros((3, 4, 12), int)
    some[1, 1, 1] = 1
    spacing = (1.0, 3.0, 1.0)
    found = evaluation.surface_scores(empty, empty, classes=2, spacing=spacing)
    assert (found.hd95, found.nsd) == ([0.0], [1.0])
    for pair in ((empty, some), (some, empty)):
        found = evaluation.surface_scores(*pair, classes=2, spacing=spacing)
        assert found.hd95 == pytest.approx(np.sqrt(9 + 144 + 144))
        assert found.nsd == [0.0]


def test_what_lies_at_the_tolerance_is_within():
    label = np.zeros((9, 3, 3), int)
    label[3, 1, 1] = 1
    prediction = np.roll(label, 1, axis=0)
    # One millimetre as a header in float32 may have it.
    spacing = (1.0000001, 1.0, 1.0)
    assert evaluation.nsd(
        prediction, label, classes=2, spacing=spacing, tolerance=1.0
    ) == [1.0]
    assert evaluation.nsd(
        prediction, label, classes=2, spacing=spacing, tolerance=0.99
    ) == [0.0]
    assert evaluation.nsd(
        label, label, classes=2, spacing=spacing, tolerance=0.0
    ) == [1.0]


def test_arrays_and_lengths_that_do_not_fit_are_refused():
    label = np.zeros((3, 3, 3), int)
    with pytest.raises(ValueError, match="`prediction` is expected"):
        evaluation.hd95(label[1:], label, classes=2, spacing=(1, 1, 1))
    with pytest.raises(ValueError, match="`label` .* from 0 to 1. Received"):
        evaluation.hd95(label, label + 2, classes=2, spacing=(1, 1, 1))
    for spacing in ((1, 1), (1, 1, 0), (1, 1, np.nan)):
        with pytest.raises(ValueError, match="3 lengths in mm above 0. Recei"):
            evaluation.hd95(label, label, classes=2, spacing=spacing)
    for tolerance in (-1.0, np.inf):
        with pytest.raises(ValueError, match="`tolerance` is expected.*Receiv"):
            evaluation.nsd(
                label, label, classes=2, spacing=(1, 1, 1), tolerance=tolerance
            )
