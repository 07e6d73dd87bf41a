import numpy as np
import pytest

from keras_cakes.evaluation.volumes.window_sums import summed_slabs
from keras_cakes.evaluation.volumes.windows import Windows


@pytest.mark.parametrize("stride", [1, 2, (3, 2, 4), (4, 4, 4)])
@pytest.mark.parametrize("depth", [4, 5, 11])
def test_slabs_are_the_whole_sum_cut_into_planes(depth, stride):
    extents = (depth, 6, 5)
    starts = Windows((4, 4, 4)).starts(extents, stride=stride)
    generator = np.random.default_rng(0)
    values = generator.normal(size=(len(starts), 4, 4, 4, 3)).astype("float32")
    expected = np.zeros((*extents, 3))
    for start, value in zip(starts, values, strict=True):
        expected[tuple(map(slice, start, start + 4))] += value
    answers = list(zip(starts, values, strict=True))
    [(first, whole)] = summed_slabs(answers, extents)
    assert first == 0 and whole.dtype == np.float32
    np.testing.assert_allclose(whole, expected, atol=1e-5)
    joined = []
    for first, slab in summed_slabs(answers, extents, online=True):
        assert first == sum(map(len, joined))
        assert slab.base is None or len(slab.base) == 4
        joined.append(slab.copy())
        # A reader may use it up.
        slab[:] = np.nan
    np.testing.assert_allclose(np.concatenate(joined), expected, atol=1e-5)
