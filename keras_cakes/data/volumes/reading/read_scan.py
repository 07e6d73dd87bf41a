"""Reads scans and their grids, NIfTI or DICOM."""

import os
from pathlib import Path

import numpy as np

from keras_cakes.data.volumes.reading.dicom import read_dicom
from keras_cakes.data.volumes.reading.dicom import read_dicom_grid
from keras_cakes.data.volumes.reading.nifti import read_nifti
from keras_cakes.data.volumes.reading.nifti import read_nifti_grid
from keras_cakes.data.volumes.reading.scan import Scan


def read_scan(path: str | os.PathLike[str]) -> Scan:
    """Reads a NIfTI file, or the one DICOM series of a folder.

    Raises:
        DataError: If it is neither, or damaged; the message names the file.
    """
    return read_dicom(path) if Path(path).is_dir() else read_nifti(path)


def read_grid(
    path: str | os.PathLike[str],
) -> tuple[tuple[int, ...], np.ndarray]:
    """Reads shape and affine of a scan from its headers.

    Raises:
        DataError: If there is no readable header; the message names the file.
    """
    read = read_dicom_grid if Path(path).is_dir() else read_nifti_grid
    return read(path)
