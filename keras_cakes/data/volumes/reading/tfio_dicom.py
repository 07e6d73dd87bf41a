"""Decodes DICOM slices inside a `tf.data` graph, checked against pydicom."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import naming
from keras_cakes._errors import require
from keras_cakes.data.volumes.reading.dicom import check_pydicom
from keras_cakes.data.volumes.reading.dicom import reading

# Digits of the fitted line; least squares add noise beyond them.
_DECIMALS = 9


@dataclasses.dataclass(frozen=True)
class CalibratedDecoder:
    """Decodes slices as the one that it was calibrated on.

    Args:
        scale: Factor from the numbers of TensorFlow-IO to values.
        offset: Added after the factor.
    """

    scale: float
    offset: float

    def __call__(self, contents: Any) -> Any:
        """Decodes the bytes of a file, a string tensor, also in a graph.

        Returns:
            Float32 tensor `(row, column)`; Hounsfield units for CT.
        """
        import tensorflow as tf

        pixels = _decoded(contents) * self.scale + self.offset
        return tf.cast(pixels, tf.float32)

    def check(self, path: str | os.PathLike[str]) -> None:
        """Compares a decoded file with the values that pydicom reads.

        Raises:
            DataError: If a pixel differs.
        """
        import tensorflow as tf

        expected = _reference(Path(path)).astype(np.float32)
        with reading(Path(path)):
            received = self(tf.io.read_file(os.fspath(path))).numpy()
        if received.shape != expected.shape:
            raise DataError(
                f"{path}: pixels of the shape {expected.shape} are expected "
                f"of TensorFlow-IO. Received: shape={received.shape}"
            )
        wrong = np.count_nonzero(received != expected)
        if wrong:
            raise DataError(
                f"{path}: the values that pydicom reads are expected of "
                f"TensorFlow-IO, scaled by {self.scale:g} and shifted by "
                f"{self.offset:g}. Received: {wrong} of {expected.size} "
                f"others, by up to {np.abs(received - expected).max():g}"
            )


def calibrated_decoder(
    reference_file: str | os.PathLike[str],
) -> CalibratedDecoder:
    """Fits the line from TensorFlow-IO's numbers to a file's values.

    TensorFlow-IO decodes DICOM files within a graph, but returns brightness
    for a screen: values are shifted and scaled by type and range of the
    file. A line, fitted to pydicom's values, undoes that. The line has to
    meet every pixel exactly; where slopes are fractions or MONOCHROME1 is
    inverted, precision is lost and the file is refused. Other files may need
    another line: `check` each of them once.

    ```python
    decoder = calibrated_decoder(files[0])
    for file in files:
        decoder.check(file)
    slices = tf.data.Dataset.from_tensor_slices(files)
    slices = slices.map(lambda file: decoder(tf.io.read_file(file)))
    ```

    Args:
        reference_file: A file of one grey slice.

    Raises:
        DataError: If the file cannot be read, all its pixels are equal, or
            no line leads from one to the other.
        ImportError: If TensorFlow-IO or pydicom is not installed.

    Reference:

    - [TensorFlow-IO issue 1918](https://github.com/tensorflow/io/issues/1918)
    """
    import tensorflow as tf

    path = Path(reference_file)
    _tensorflow_io()
    values = _reference(path)
    differ = values.min() != values.max()
    received = f"all pixels {values.flat[0]:g}"
    require(path, differ, "a slice whose pixels differ is", received)
    expected = "a file that TensorFlow-IO decodes is"
    try:
        with naming(path, expected, tf.errors.OpError):
            decoded = _decoded(tf.io.read_file(os.fspath(path))).numpy()
    # With a later TensorFlow, TensorFlow-IO lacks its operations.
    except NotImplementedError as error:
        raise _not_installed(error) from None
    if decoded.min() == decoded.max() or decoded.shape != values.shape:
        raise DataError(
            f"{path}: {values.shape} pixels that differ are expected of "
            f"TensorFlow-IO. Received: shape={decoded.shape}, from "
            f"{decoded.min():g} to {decoded.max():g}"
        )
    line = np.polynomial.Polynomial.fit(decoded.ravel(), values.ravel(), 1)
    offset, scale = line.convert().coef.round(_DECIMALS).tolist()
    decoder = CalibratedDecoder(scale, offset)
    decoder.check(path)
    return decoder


def _tensorflow_io() -> Any:
    try:
        import tensorflow_io
    except ImportError as error:
        raise _not_installed(error) from None
    return tensorflow_io


def _not_installed(error: Exception) -> ImportError:
    return ImportError(
        "Decoding DICOM files in a graph needs TensorFlow-IO and TensorFlow "
        "2.17 or older: pip install 'keras-cakes[tfio]'. "
        f"Received: {str(error)[:300]}"
    )


def _decoded(contents: Any) -> Any:
    """Decodes one slice with TensorFlow-IO, float64 `(row, column)`."""
    import tensorflow as tf

    pixels = _tensorflow_io().image.decode_dicom_image(
        contents, on_error="strict", scale="preserve", dtype=tf.float64
    )
    return pixels[0, :, :, 0]


def _reference(path: Path) -> np.ndarray:
    """Reads one slice with pydicom, float64 `(row, column)`."""
    check_pydicom()
    from pydicom import dcmread
    from pydicom.pixels import apply_rescale

    with reading(path):
        dataset = dcmread(path)
        values = apply_rescale(dataset.pixel_array, dataset)
    received = f"pixels of the shape {values.shape}"
    require(path, values.ndim == 2, "one grey slice is", received)
    return values.astype(np.float64)
