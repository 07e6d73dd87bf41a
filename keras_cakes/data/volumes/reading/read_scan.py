"""One image or label as it was stored, whatever the format."""

import os
from pathlib import Path

import numpy as np

from keras_cakes.data.volumes.reading.scan import Scan


def read_scan(path: str | os.PathLike[str]) -> Scan:
    """Reads a NIfTI file, or the one DICOM series of a folder.

    Raises:
        DataError: If it is neither, or damaged; the message names the file.
    """
    path = Path(path)
    if path.is_dir():
        from keras_cakes.data.volumes.reading.dicom import read_dicom

        return read_dicom(path)
    from keras_cakes.data.volumes.reading.nifti import read_nifti

    return read_nifti(path)


def read_grid(
    path: str | os.PathLike[str],
) -> tuple[tuple[int, ...], np.ndarray]:
    """Reads from headers alone where voxels lie.

    Returns:
        The shape of the array that `read_scan` would return, and its affine.

    Raises:
        DataError: If there is no readable header; the message names the file.
    """
    path = Path(path)
    if path.is_dir():
        from keras_cakes.data.volumes.reading.dicom import read_dicom_grid

        return read_dicom_grid(path)
    from keras_cakes.data.volumes.reading.nifti import read_nifti_grid

    return read_nifti_grid(path)
