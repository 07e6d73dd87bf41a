import keras
import numpy as np
import pytest
import scipy.ndimage

from keras_cakes.layers.upsampling import TrilinearUpSampling3D


@pytest.mark.parametrize("size", [2, 3, (1, 2, 4)])
def test_equals_scipy(size):
    image = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 2))
    image = image.astype("float32")
    factors = (size,) * 3 if isinstance(size, int) else size
    expected = scipy.ndimage.zoom(
        image, (1, *factors, 1), order=1, grid_mode=True, mode="nearest"
    )
    layer = TrilinearUpSampling3D(size)
    np.testing.assert_allclose(layer(image), expected, atol=1e-5)
    assert layer.compute_output_shape(image.shape) == expected.shape
    first = TrilinearUpSampling3D(size, data_format="channels_first")
    moved = first(np.moveaxis(image, -1, 1))
    np.testing.assert_allclose(
        np.moveaxis(np.array(moved), 1, -1), expected, atol=1e-5
    )


def test_sizes_known_only_from_the_batch(tmp_path):
    image = keras.Input((None, 4, None, 1))
    model = keras.Model(image, TrilinearUpSampling3D(2)(image))
    assert model.output_shape == (None, None, 8, None, 1)
    assert model.predict(np.ones((1, 3, 4, 5, 1)), verbose=0).shape == (
        *(1, 6, 8, 10, 1),
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].size == (2, 2, 2)


@pytest.mark.parametrize("size", [0, (2, 2), (2, 2, 1.5)])
def test_a_size_that_is_no_positive_integer_is_refused(size):
    with pytest.raises(ValueError, match="`size` is expected to be a positive"):
        TrilinearUpSampling3D(size)
