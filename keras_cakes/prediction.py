"""Labels for new scans by a network of a finished run."""

import os
from pathlib import Path

import numpy as np

from keras_cakes._errors import choose
from keras_cakes.data.case_preparation import prepare_image
from keras_cakes.data.case_preparation import statistics
from keras_cakes.data.nifti import write_nifti
from keras_cakes.data.preparation import Preparation
from keras_cakes.data.prepared import MANIFEST
from keras_cakes.data.prepared import open_prepared
from keras_cakes.data.volumes import Case
from keras_cakes.data.volumes import read_case
from keras_cakes.evaluation import predict_volume
from keras_cakes.search_run import load_network
from keras_cakes.segmentation_settings import SegmentationSettings
from keras_cakes.settings import read_settings


def predict_scan(
    folder: str | os.PathLike[str],
    variant: str,
    image: str | os.PathLike[str],
    target: str | os.PathLike[str],
) -> None:
    """Labels a scan and writes the label on the grid of the scan.

    The scan is prepared as the volumes were that the network was trained on.

    Args:
        folder: The run folder.
        variant: Which of its networks.
        image: A NIfTI file, or a folder with one DICOM series.
        target: NIfTI file to write, `.nii` or `.nii.gz`.

    Raises:
        DataError: If the scan is not readable.
        RunError: If there is no such network.
        ValueError: If `target` has another ending, or the scan does not fit
            the network.
    """
    choose("variant", variant, SegmentationSettings.known_variants())
    folder, image, target = Path(folder), Path(image), Path(target)
    if not target.name.endswith((".nii", ".nii.gz")):
        raise ValueError(
            "`target` is expected to be a .nii or .nii.gz file. "
            f"Received: {target}"
        )
    network = load_network(folder, variant)
    settings = read_settings(SegmentationSettings, folder / "settings.json")
    scan, _ = read_case(Case(image.name, image, None), ())
    preparation = Preparation(orientation=None)
    foreground: dict[str, list[float]] = {}
    if (Path(settings.data) / MANIFEST).is_file():
        prepared = open_prepared(settings.data)
        preparation = prepared.preparation
        foreground = dict(prepared.statistics)
    values, placement, _ = prepare_image(scan, preparation)
    mean, deviation = preparation.intensity(statistics(values), foreground)
    label = predict_volume(
        network,
        (values.astype(np.float32) - mean) / deviation,
        settings.patch_shape,
        settings.overlap,
    )
    write_nifti(placement.restore(label), scan.affine, target)
