import numpy as np
import pytest

from keras_cakes.data import planted_clips
from keras_cakes.data.volumes.synthetic.planted import PLANTED_CLASSES
from keras_cakes.data.volumes.synthetic.planted import planted_volumes
from keras_cakes.data.volumes.synthetic.planted import texture


def _correlations(values):
    """Correlation of neighbours along each axis."""
    result = []
    for axis in range(values.ndim):
        moved = np.moveaxis(values, axis, 0)
        result.append(np.corrcoef(moved[:-1].ravel(), moved[1:].ravel())[0, 1])
    return np.array(result)


@pytest.mark.parametrize("is_rough", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_only_neighbours_along_the_axis_are_related(axis, is_rough):
    values = texture(
        (44, 46, 48),
        axis,
        is_rough=is_rough,
        generator=np.random.default_rng(0),
    )
    assert values.dtype == "float32"
    assert values.mean() == pytest.approx(0, abs=0.03)
    assert values.var() == pytest.approx(1, abs=0.05)
    expected = np.zeros(3)
    expected[axis] = -0.81 if is_rough else 0.81
    np.testing.assert_allclose(_correlations(values), expected, atol=0.03)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_classes_of_volumes_are_those_textures(axis):
    volumes = planted_volumes(12, axis, shape=(24, 20, 16), seed=3)
    first, again = (
        volumes[0],
        planted_volumes(1, axis, shape=(24, 20, 16), seed=3)[0],
    )
    np.testing.assert_array_equal(first.image, again.image)
    assert first.name == "planted_000"
    assert first.image.shape == (24, 20, 16, 1)
    for value, expected in ((0, 0.0), (1, 0.81), (2, -0.81)):
        correlations = []
        for other in range(3):
            pairs = []
            for volume in volumes:
                image = np.moveaxis(volume.image[..., 0], other, 0)
                label = np.moveaxis(volume.label, other, 0)
                both = (label[:-1] == value) & (label[1:] == value)
                pairs.append(np.stack([image[:-1][both], image[1:][both]]))
            correlations.append(
                np.corrcoef(np.concatenate(pairs, axis=1))[0, 1]
            )
        wanted = np.zeros(3)
        wanted[axis] = expected
        np.testing.assert_allclose(correlations, wanted, atol=0.08)
    labels = np.concatenate([v.label.ravel() for v in volumes])
    assert sorted(np.unique(labels)) == [0, 1, 2]
    assert len(PLANTED_CLASSES) == 3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_lines_are_related_two_steps_along_the_axis_only(axis):
    volumes = planted_volumes(
        12, axis, shape=(24, 20, 16), seed=3, layout="lines"
    )
    assert volumes[0].image.shape == (24, 20, 16, 1)
    assert volumes[0].image.dtype == "float32"
    again = planted_volumes(
        1, axis, shape=(24, 20, 16), seed=3, layout="lines"
    )[0]
    np.testing.assert_array_equal(volumes[0].label, again.label)
    for value, expected in ((0, 0.0), (1, 0.54), (2, -0.54)):
        for lag, wanted in ((1, 0.0), (2, expected)):
            pairs = []
            for volume in volumes:
                image = np.moveaxis(volume.image[..., 0], axis, 0)
                label = np.moveaxis(volume.label, axis, 0)
                both = (label[:-lag] == value) & (label[lag:] == value)
                pairs.append(np.stack([image[:-lag][both], image[lag:][both]]))
            found = np.corrcoef(np.concatenate(pairs, axis=1))[0, 1]
            assert found == pytest.approx(wanted, abs=0.08)
    # Beside a line, its labels are as good as any.
    label = np.moveaxis(volumes[0].label, axis, 0)[8:].astype(int)
    beside = (label[:, 1:] == label[:, :-1]).mean()
    assert beside == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("axis", ["time", "height", "width"])
def test_clips_differ_along_one_axis(axis):
    source = planted_clips(8, axis, shape=(16, 20, 24), seed=1)
    assert source.classes == ("smooth", "rough")
    place = ("time", "height", "width").index(axis)
    for number in range(8):
        frames = source.read(number, np.arange(16)).numpy()[..., 0]
        expected = np.zeros(3)
        expected[place] = -0.09 if source.labels[number] else 0.09
        np.testing.assert_allclose(
            _correlations(frames.astype(float)), expected, atol=0.04
        )


def test_mixed_clips_differ_in_the_order_of_their_halves():
    source = planted_clips(6, "mixed", shape=(8, 32, 32), seed=1)
    assert source.classes == ("smooth_rough", "rough_smooth")
    for number in range(6):
        frames = source.read(number, np.arange(8)).numpy()[..., 0].astype(float)
        halves = [_correlations(part)[1] for part in (frames[:4], frames[4:])]
        sign = -1 if source.labels[number] else 1
        np.testing.assert_allclose(
            halves, [sign * 0.45, -sign * 0.45], atol=0.07
        )
        # From one frame to the next nothing is alike.
        assert abs(_correlations(frames)[0]) < 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: planted_volumes(0, 1), "`cases` is expected.*cases=0"),
        (
            lambda: planted_volumes(1, 3),
            "`axis` is expected to be an integer from 0 to 2.*axis=3",
        ),
        (
            lambda: planted_volumes(1, 0, shape=(8, 16, 16)),
            "shape=\\(8, 16, 16\\)",
        ),
        (
            lambda: planted_volumes(1, 0, layout="grid"),
            "`layout` is expected.*'balls', 'lines'.*layout='grid'",
        ),
        (lambda: planted_clips(1, "depth"), "`kind` is expected.*'depth'"),
        (lambda: planted_clips(0, "time"), "`clips` is expected.*clips=0"),
        (
            lambda: planted_clips(1, "time", shape=(2, 8, 8)),
            "shape=\\(2, 8, 8\\)",
        ),
    ],
)
def test_volumes_and_clips_that_cannot_be_planted_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
