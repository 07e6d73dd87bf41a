"""Labels new scans with a network of a run."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import choose
from keras_cakes.data.volumes.cases import Case
from keras_cakes.data.volumes.cases import read_case
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.preparing.prepare_case import prepare_image
from keras_cakes.data.volumes.preparing.prepare_case import statistics
from keras_cakes.data.volumes.reading.nifti import write_nifti
from keras_cakes.evaluation.volumes.sliding_window import predict_volume
from keras_cakes.runs.records import read_prediction
from keras_cakes.runs.resume import load_network
from keras_cakes.runs.segmentation.data import load_segmentation_data
from keras_cakes.runs.segmentation.settings import SegmentationSettings


def predict_scan(
    folder: str | os.PathLike[str],
    variant: str,
    *,
    image: str | os.PathLike[str],
    target: str | os.PathLike[str],
) -> None:
    """Labels a scan and writes the label on the grid of the scan.

    The scan is prepared as the training volumes were; `prediction.json` in
    the run folder says how. Runs of earlier versions have no such file. It is
    then made once, from the data of the run.

    Args:
        folder: The run folder.
        variant: Name of one of its networks.
        image: A NIfTI file, or a folder with one DICOM series.
        target: NIfTI file to write, `.nii` or `.nii.gz`.

    Raises:
        DataError: If the scan is not readable.
        RunError: If there is no such network, or the run folder does not say
            how to prepare the scan.
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
    patch_shape, overlap, preparation, foreground = read_prediction(
        folder,
        network,
        parse=_parse,
        kind=SegmentationSettings,
        load=load_segmentation_data,
    )
    scan, _ = read_case(Case(image.name, image, None), ())
    values, placement, _ = prepare_image(scan, preparation)
    mean, deviation = preparation.intensity(statistics(values), foreground)
    label = predict_volume(
        network,
        (values.astype(np.float32) - mean) / deviation,
        patch_shape=patch_shape,
        overlap=overlap,
    )
    write_nifti(placement.restore(label), scan.affine, path=target)


def _parse(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        tuple(record["patch_shape"]),
        record["overlap"],
        Preparation.from_settings(record["preparation"]),
        dict(record["statistics"]),
    )
