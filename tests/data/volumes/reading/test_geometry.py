import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.data.volumes.reading.geometry import Grid
from keras_cakes.data.volumes.reading.geometry import transfer

CODES = [
    a + b + c
    for a in "RLAPSI"
    for b in "RLAPSI"
    for c in "RLAPSI"
    if len({"RLAPSI".index(x) // 2 for x in (a, b, c)}) == 3
]


def _grid(codes="RAS", shape=(5, 6, 7), spacing=(1.0, 2.0, 3.0)):
    ornt = nibabel.orientations.axcodes2ornt(tuple(codes))
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (place, sign) in enumerate(ornt):
        affine[int(place), axis] = sign * spacing[axis]
    affine[:3, 3] = (-4.0, 11.5, 3.0)
    return Grid(shape, affine)


def _world(grid, voxel):
    return (grid.affine @ [*voxel, 1.0])[:3]


@pytest.mark.parametrize("codes", CODES)
def test_orientation_is_that_of_nibabel(codes):
    values = np.random.default_rng(0).normal(size=(5, 6, 7))
    grid = _grid(codes)
    target = grid.oriented("RAS")
    expected = nibabel.as_closest_canonical(
        nibabel.Nifti1Image(values, grid.affine)
    )
    np.testing.assert_allclose(target.affine, expected.affine)
    np.testing.assert_array_equal(
        transfer(values, grid, target), expected.get_fdata()
    )


@settings(max_examples=60, deadline=None)
@given(
    codes=st.sampled_from(CODES),
    target=st.sampled_from(CODES),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    channels=st.integers(0, 2),
)
def test_there_and_back_is_bit_for_bit(codes, target, shape, channels):
    extra = (channels,) if channels else ()
    values = np.random.default_rng(1).integers(0, 99, (*shape, *extra))
    values = values.astype("int16")
    grid = _grid(codes, shape)
    other = grid.oriented(target)
    moved = transfer(values, grid, other)
    assert moved.dtype == values.dtype
    np.testing.assert_array_equal(transfer(moved, other, grid), values)


def test_a_resampled_grid_covers_the_same_box():
    grid = _grid(shape=(10, 12, 4))
    fine = grid.resampled((0.5, 1.0, 1.5))
    assert fine.shape == (20, 24, 8)
    np.testing.assert_allclose(fine.spacing, (0.5, 1.0, 1.5))
    np.testing.assert_allclose(
        _world(grid, (-0.5, -0.5, -0.5)), _world(fine, (-0.5, -0.5, -0.5))
    )
    np.testing.assert_allclose(
        _world(grid, (9.5, 11.5, 3.5)), _world(fine, (19.5, 23.5, 7.5))
    )


def test_interpolation_is_linear_in_the_world():
    grid = _grid("LPS", (8, 9, 10))
    places = np.indices(grid.shape).reshape(3, -1)
    world = grid.affine[:3, :3] @ places + grid.affine[:3, 3:]
    values = (2 * world[0] - world[1] + 0.5 * world[2]).reshape(grid.shape)
    target = grid.oriented("SAR").resampled((0.7, 0.7, 0.7))
    got = transfer(values[..., None], grid, target)[..., 0]
    places = np.indices(target.shape).reshape(3, -1)
    world = target.affine[:3, :3] @ places + target.affine[:3, 3:]
    expected = (2 * world[0] - world[1] + 0.5 * world[2]).reshape(got.shape)
    # At the border there is nothing to interpolate with.
    inner = (slice(3, -3),) * 3
    np.testing.assert_allclose(got[inner], expected[inner], atol=1e-4)


def test_a_resampled_label_has_no_class_between_others():
    label = np.zeros((9, 9, 9), "uint8")
    label[3:6] = 3
    grid = Grid(label.shape, np.eye(4))
    target = grid.resampled((0.4, 0.4, 0.4))
    fine = transfer(label, grid, target, is_label=True)
    assert fine.dtype == label.dtype
    assert set(np.unique(fine)) == {0, 3}
    # The box from 2.5 to 5.5 of nine voxels.
    assert abs(np.mean(fine == 3) - 3 / 9) < 0.02
    np.testing.assert_array_equal(
        transfer(fine, target, grid, is_label=True), label
    )


def test_what_was_cropped_is_filled():
    values = np.arange(60, dtype="int16").reshape(3, 4, 5)
    grid = Grid(values.shape, np.eye(4))
    part = grid.cropped((1, 0, 2), (2, 3, 2))
    np.testing.assert_array_equal(
        transfer(values, grid, part), values[1:3, 0:3, 2:4]
    )
    back = transfer(values[1:3, 0:3, 2:4], part, grid, outside=-1)
    expected = np.full_like(values, -1)
    expected[1:3, 0:3, 2:4] = values[1:3, 0:3, 2:4]
    np.testing.assert_array_equal(back, expected)


def test_beyond_an_interpolated_image_lies_the_value_that_was_asked_for():
    grid = Grid((4, 4, 4), np.eye(4))
    target = grid.cropped((-3, 0, 0), (10, 4, 4)).resampled((0.5, 1.0, 1.0))
    got = transfer(np.ones((4, 4, 4)), grid, target, outside=7.0)
    assert (got[:4] == 7).all() and (got[7:13] == 1).all()


def test_axes_that_are_not_parallel_are_refused():
    turned = np.eye(4)
    turned[:2, :2] = [[0.9, -0.4359], [0.4359, 0.9]]
    with pytest.raises(ValueError, match="parallel .* Received: voxels"):
        transfer(
            np.ones((4, 4, 4)),
            Grid((4, 4, 4), np.eye(4)),
            Grid((4, 4, 4), turned),
        )


def test_values_that_do_not_lie_on_their_grid():
    grid = Grid((4, 4, 4), np.eye(4))
    with pytest.raises(
        ValueError, match=r"on its grid, \(4, 4, 4\).*\(4, 4, 3\)"
    ):
        transfer(np.ones((4, 4, 3)), grid, grid)
