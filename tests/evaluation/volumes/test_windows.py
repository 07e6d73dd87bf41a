import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_cakes.evaluation.volumes.windows import Windows


@given(
    st.tuples(*[st.integers(1, 7)] * 3),
    st.tuples(*[st.integers(0, 9)] * 3),
    st.one_of(st.floats(0.0, 0.99), st.tuples(*[st.floats(0, 1)] * 3)),
)
def test_windows_cover_the_volume_in_the_order_of_depth(shape, more, spread):
    extents = [size + extra for size, extra in zip(shape, more, strict=True)]
    windows = Windows(shape)
    if isinstance(spread, float):
        starts = windows.starts(extents, overlap=spread)
    else:
        stride = [
            1 + math.floor(share * (size - 1))
            for share, size in zip(spread, shape, strict=True)
        ]
        starts = windows.starts(extents, stride=stride)
    covered = np.zeros(extents, int)
    for start in starts:
        covered[tuple(map(slice, start, start + shape))] += 1
    assert covered.min() >= 1
    # None beyond the volume.
    assert covered.sum() == len(starts) * math.prod(shape)
    assert starts.tolist() == sorted(starts.tolist())


def test_stride_may_differ_by_axis():
    starts = Windows((4, 4, 4)).starts((8, 6, 4), stride=(4, 1, 2))
    assert sorted(set(starts[:, 0])) == [0, 4]
    assert sorted(set(starts[:, 1])) == [0, 1, 2]
    assert sorted(set(starts[:, 2])) == [0]


def test_gaussian_weights():
    weights = Windows((8, 5, 1), weighting="gaussian").weights
    assert weights.dtype == np.float32
    for place in np.ndindex(8, 5, 1):
        away = ((place[0] - 3.5) / 1.0, (place[1] - 2) / 0.625)
        expected = math.exp(-(away[0] ** 2 + away[1] ** 2) / 2)
        assert weights[place] == pytest.approx(max(expected, 1e-3), rel=1e-6)
    assert weights.min() == np.float32(1e-3)
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])


def test_constant_weights():
    np.testing.assert_array_equal(
        Windows((2, 3, 4)).weights, np.ones((2, 3, 4))
    )


def test_poses_are_all_combinations():
    assert Windows((1, 1, 1)).poses == [()]
    poses = Windows((1, 1, 1), flip=(2, 0)).poses
    assert poses == [(), (2,), (0,), (2, 0)]
    assert len(Windows((1, 1, 1), flip=(0, 1, 2)).poses) == 8


def test_filling_copies_only_where_something_is_missing():
    image = np.ones((4, 5, 6, 2), np.float32)
    volume, inside = Windows((4, 4, 4)).fill(image)
    assert volume is image
    assert volume[inside].shape == image.shape
    volume, inside = Windows((7, 4, 8)).fill(2 * image)
    assert volume.shape == (7, 5, 8, 2)
    np.testing.assert_array_equal(volume[inside], 2 * image)
    assert volume.sum() == 2 * image.sum()
    assert inside == (slice(1, 5), slice(0, 5), slice(1, 7))


def test_windows_that_cannot_cover_a_volume_are_refused():
    with pytest.raises(ValueError, match="`weighting` .*Received: .*'linear'"):
        Windows((4, 4, 4), weighting="linear")
    for flip in ((3,), (0, 0), (-1,)):
        with pytest.raises(ValueError, match="`flip` is expected.*Received"):
            Windows((4, 4, 4), flip=flip)
    with pytest.raises(ValueError, match="`stride` .* positive .*stride=0"):
        Windows((4, 4, 4)).starts((9, 9, 9), stride=0)
    for stride in (5, (1, 5, 1)):
        with pytest.raises(ValueError, match="from 1 to the size .*stride="):
            Windows((4, 4, 4)).starts((9, 9, 9), stride=stride)
    with pytest.raises(ValueError, match="`overlap` is expected.*-0.1"):
        Windows((4, 4, 4)).starts((9, 9, 9), overlap=-0.1)
