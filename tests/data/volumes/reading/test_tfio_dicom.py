import io
import sys
import types

import numpy as np
import pydicom
import pytest
import tensorflow as tf

from keras_cakes.data import DataError
from keras_cakes.data.volumes.reading.dicom import read_dicom
from keras_cakes.data.volumes.reading.tfio_dicom import CalibratedDecoder
from keras_cakes.data.volumes.reading.tfio_dicom import calibrated_decoder
from tests.data.volumes.reading.dicom_files import write_enhanced
from tests.data.volumes.reading.dicom_files import write_series
from tests.data.volumes.reading.dicom_files import write_slice


class FakeDecoder:
    """TensorFlow-IO as it was measured: a line through stored values.

    Args:
        scale: Factor of stored values.
        offset: Added after the factor.
    """

    def __init__(self, scale=1.0, offset=0.0, error=None):
        self.scale, self.offset, self.error = scale, offset, error
        self.wrong_pixels = 0

    def decode_dicom_image(self, contents, on_error, scale, dtype):
        if self.error is not None:
            raise self.error
        assert (on_error, scale) == ("strict", "preserve")

        def decode(content):
            dataset = pydicom.dcmread(io.BytesIO(content.numpy()))
            pixels = dataset.pixel_array.astype("float64")
            pixels = pixels * self.scale + self.offset
            pixels.flat[: self.wrong_pixels] += 1
            return pixels[None, :, :, None]

        pixels = tf.py_function(decode, [contents], dtype)
        return tf.ensure_shape(pixels, (1, None, None, 1))


@pytest.fixture
def fake(monkeypatch):
    """Installs a decoder in place of TensorFlow-IO."""

    def install(*arguments, **kwargs):
        module = types.ModuleType("tensorflow_io")
        module.image = FakeDecoder(*arguments, **kwargs)
        monkeypatch.setitem(sys.modules, "tensorflow_io", module)
        return module.image

    return install


def _volume(slices=1):
    generator = np.random.default_rng(0)
    return generator.integers(-1000, 3000, (slices, 6, 5)).astype("int16")


@pytest.mark.parametrize(
    ("scale", "offset"), [(1, 32768), (2, 65536), (1, 0), (-1, 32767)]
)
def test_calibration_returns_hounsfield_units(tmp_path, fake, scale, offset):
    fake(scale, offset)
    files = write_series(
        tmp_path, _volume(3), RescaleSlope=1, RescaleIntercept=-1024
    )
    decoder = calibrated_decoder(files[1])
    assert decoder == CalibratedDecoder(1 / scale, -1024 - offset / scale)
    for path in files:
        decoder.check(path)
    slices = tf.data.Dataset.from_tensor_slices([str(path) for path in files])
    slices = slices.map(lambda path: decoder(tf.io.read_file(path)))
    volume = np.stack(list(slices.as_numpy_iterator()))
    assert volume.dtype == np.float32
    expected = read_dicom(tmp_path).array
    np.testing.assert_array_equal(volume.transpose(2, 1, 0), expected)


def test_files_of_another_line_are_refused(tmp_path, fake):
    decoder_of_all = fake(1, 32768)
    first, second = write_series(tmp_path, _volume(2))
    decoder = calibrated_decoder(first)
    decoder_of_all.offset = 32767
    with pytest.raises(DataError, match="30 of 30 others, by up to 1$") as info:
        decoder.check(second)
    assert str(info.value).startswith(f"{second}: the values that pydicom")
    decoder_of_all.wrong_pixels = 1
    with pytest.raises(DataError, match="30 of 30 others|1 of 30") as info:
        calibrated_decoder(first)
    assert str(info.value).startswith(f"{first}: the values that pydicom")


def test_what_cannot_be_calibrated(tmp_path, fake):
    fake()
    path = write_slice(tmp_path / "a.dcm", np.full((3, 4), 7, "int16"))
    with pytest.raises(DataError, match="a.dcm: a slice whose .* pixels 7"):
        calibrated_decoder(path)
    path = write_slice(tmp_path / "a.dcm", _volume()[0])
    fake(scale=0)
    with pytest.raises(DataError, match=r"a.dcm: \(6, 5\) pixels that differ"):
        calibrated_decoder(path)
    error = tf.errors.InvalidArgumentError(None, None, "Error loading image")
    fake(error=error)
    with pytest.raises(DataError, match="a.dcm: a file that .* Error loading"):
        calibrated_decoder(path)
    with pytest.raises(DataError, match="a.dcm: .*Error loading image"):
        CalibratedDecoder(1.0, 0.0).check(path)
    path.write_bytes(b"no DICOM")
    with pytest.raises(DataError, match="a.dcm: complete, readable DICOM"):
        calibrated_decoder(path)
    places = [(0, 0, 0), (0, 0, 1)]
    path = write_enhanced(tmp_path / "b.dcm", _volume(2), places)
    with pytest.raises(DataError, match=r"b.dcm: one grey .*\(2, 6, 5\)"):
        calibrated_decoder(path)


def test_pixels_of_another_shape(tmp_path, fake, monkeypatch):
    decoder = fake()
    path = write_slice(tmp_path / "a.dcm", _volume()[0])
    decode = decoder.decode_dicom_image
    monkeypatch.setattr(
        decoder,
        "decode_dicom_image",
        lambda *arguments, **kwargs: decode(*arguments, **kwargs)[:, 1:],
    )
    with pytest.raises(DataError, match=r"a.dcm: .*shape \(6, 5\).*\(5, 5\)"):
        CalibratedDecoder(1.0, 0.0).check(path)


def test_what_is_missing_is_named(tmp_path, fake, monkeypatch):
    path = write_slice(tmp_path / "a.dcm", _volume()[0])
    fake(error=NotImplementedError("undefined symbol"))
    message = r"2.17 or older: .*keras-cakes\[tfio\].*undefined symbol"
    with pytest.raises(ImportError, match=message):
        calibrated_decoder(path)
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    with pytest.raises(ImportError, match=r"keras-cakes\[tfio\]"):
        calibrated_decoder(path)
