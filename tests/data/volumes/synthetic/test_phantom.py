import numpy as np
import pytest

from keras_cakes.data import PHANTOM_CLASSES
from keras_cakes.data import load_case
from keras_cakes.data import phantom_volumes
from keras_cakes.data import read_msd
from keras_cakes.data.volumes.synthetic.phantom import write_msd


def test_same_seed_same_bytes():
    first, second = phantom_volumes(2, seed=5), phantom_volumes(2, seed=5)
    for a, b in zip(first, second, strict=True):
        assert a.image.tobytes() == b.image.tobytes()
        assert a.label.tobytes() == b.label.tobytes()
    assert (
        first[0].image.tobytes()
        != phantom_volumes(1, seed=6)[0].image.tobytes()
    )
    assert [volume.name for volume in first] == ["phantom_000", "phantom_001"]


def _inside(volumes, value, function):
    return np.mean(
        [function(v.image[..., 0], v.label == value) for v in volumes]
    )


def test_only_the_direction_tells_the_classes_apart():
    volumes = phantom_volumes(24)

    def share(image, mask):
        return mask.mean()

    def mean(image, mask):
        return image[mask].mean()

    def variance(image, mask):
        return image[mask].var()

    def within_plane(image, mask):
        step = np.diff(image, axis=1)[mask[:, 1:] & mask[:, :-1]]
        return np.square(step).mean()

    for function in (share, mean, variance, within_plane):
        one = _inside(volumes, 1, function)
        two = _inside(volumes, 2, function)
        assert one == pytest.approx(two, rel=0.15), function
    assert _inside(volumes, 1, share) > 0.02

    def falling(image, mask):
        both = mask[1:, :-1] & mask[:-1, 1:]
        return np.square((image[1:, :-1] - image[:-1, 1:])[both]).mean()

    # Along depth - height, `rising` stripes do not change; `falling` do.
    assert _inside(volumes, 2, falling) > 1.5 * _inside(volumes, 1, falling)


@pytest.mark.parametrize(
    ("cases", "shape", "name"),
    [
        (0, (16,) * 3, "cases"),
        (1, (16, 16), "shape"),
        (1, (16, 16, 8), "shape"),
    ],
)
def test_too_few_cases_or_voxels_are_refused(cases, shape, name):
    with pytest.raises(ValueError, match=f"`{name}` is expected.*: {name}="):
        phantom_volumes(cases, shape)


def test_export_reads_back_as_the_same_volumes(tmp_path):
    write_msd(tmp_path, 2, shape=(16, 17, 18), seed=4)
    dataset = read_msd(tmp_path)
    assert dataset.classes == PHANTOM_CLASSES
    expected = phantom_volumes(2, (16, 17, 18), seed=4)
    for case, made in zip(dataset.cases, expected, strict=True):
        read = load_case(case, dataset.classes)
        assert read.name == made.name
        np.testing.assert_allclose(read.image, made.image, atol=1e-5)
        np.testing.assert_array_equal(read.label, made.label)
        np.testing.assert_array_equal(read.affine, np.eye(4))
