"""TensorFlow-IO itself; `test_tfio_dicom.py` puts another in its place."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf
from pydicom.data import get_testdata_file

from keras_cakes.data import DataError
from keras_cakes.data import read_dicom
from keras_cakes.data.volumes.reading.tfio_dicom import CalibratedDecoder
from keras_cakes.data.volumes.reading.tfio_dicom import calibrated_decoder
from tests.data.volumes.reading.dicom_files import write_series

MAJOR, MINOR = (int(part) for part in tf.__version__.split(".")[:2])

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_io") is None
    or (MAJOR, MINOR) > (2, 17),
    reason="needs TensorFlow 2.17 and keras-cakes[tfio]",
)


def _decoded_in_a_graph(files):
    decoder = calibrated_decoder(files[0])
    for file in files:
        decoder.check(file)
    slices = tf.data.Dataset.from_tensor_slices([str(file) for file in files])
    slices = slices.map(lambda file: decoder(tf.io.read_file(file)))
    return np.stack(list(slices.as_numpy_iterator()))


def test_the_computed_tomography_of_pydicom():
    file = get_testdata_file("CT_small.dcm")
    # Twice the stored values and 65536, which is neither these nor HU.
    assert calibrated_decoder(file) == CalibratedDecoder(0.5, -32768 - 1024)


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("int16", {}),
        ("uint16", {"RescaleSlope": 1, "RescaleIntercept": -1024}),
        ("uint16", {"BitsStored": 12, "HighBit": 11}),
        ("uint16", {"PhotometricInterpretation": "MONOCHROME1"}),
        ("uint8", {}),
    ],
)
def test_slices_are_those_that_pydicom_reads(tmp_path, kind, elements):
    low, high = {"int16": (-1000, 3000)}.get(kind, (0, 255))
    pixels = np.random.default_rng(0).integers(low, high, (3, 6, 5))
    files = write_series(tmp_path, pixels.astype(kind), **elements)
    np.testing.assert_array_equal(
        _decoded_in_a_graph(files).transpose(2, 1, 0),
        read_dicom(tmp_path).array,
    )


@pytest.mark.parametrize("slope", [2, "0.3"])
def test_slopes_that_lose_precision_are_refused(tmp_path, slope):
    pixels = np.random.default_rng(0).integers(-1000, 3000, (1, 6, 5))
    (file,) = write_series(
        tmp_path, pixels.astype("int16"), RescaleSlope=slope, RescaleIntercept=5
    )
    with pytest.raises(DataError, match="0.dcm: .* 30 of 30 others, by up to"):
        calibrated_decoder(file)


def test_a_series_of_real_slices(real_data):
    folder = real_data / "dicom_hcrop"
    volume = read_dicom(folder).array
    slices = _decoded_in_a_graph(sorted(folder.glob("*.dcm")))
    # File names do not sort as slices do.
    found = {slice_.T.tobytes() for slice_ in slices}
    assert found == {
        plane.tobytes() for plane in np.moveaxis(volume, 2, 0).astype("float32")
    }
