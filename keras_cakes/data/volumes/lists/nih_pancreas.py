"""Reads NIH Pancreas-CT as The Cancer Imaging Archive distributes it."""

import logging
import os
import re
from pathlib import Path

import numpy as np

from keras_cakes._errors import DataError
from keras_cakes._errors import require
from keras_cakes.data.volumes.cases import Case
from keras_cakes.data.volumes.lists.msd import VolumeDataset
from keras_cakes.data.volumes.reading.geometry import Grid
from keras_cakes.data.volumes.reading.geometry import transfer
from keras_cakes.data.volumes.reading.nifti import write_nifti
from keras_cakes.data.volumes.reading.read_scan import read_grid
from keras_cakes.data.volumes.reading.read_scan import read_scan

NIH_PANCREAS_CLASSES = ("background", "pancreas")

_IMAGE = re.compile(r"PANCREAS_(\d{4})")
_LABEL = re.compile(r"label(\d{4})\.nii(?:\.gz)?")
# Crops of the scan number 2, whose series were withdrawn, but not their labels.
_WITHDRAWN = (25, 70)
# Part of a voxel that headers of different formats may differ by.
_TOLERANCE = 0.1

logger = logging.getLogger(__name__)


def read_nih_pancreas(folder: str | os.PathLike[str]) -> VolumeDataset:
    """Pairs the series and labels of NIH Pancreas-CT by their numbers.

    Series are folders `PANCREAS_0001`, with their slices in folders of study
    and series below; labels are files `label0001.nii.gz`. Both may lie
    anywhere below `folder`. The release of 2016 has 82 cases. Numbers 25 and
    70 were withdrawn in 2020, which leaves 80 series and 82 labels: these
    two are read where both sides are there, and left out otherwise.

    A label has axes of its own, which may run against those of its series;
    `align_label` brings it onto the grid of the series.

    Args:
        folder: Folder that holds images and labels.

    Returns:
        The cases, by number, named as their series.

    Raises:
        DataError: If a series has no label or the other way round, a number
            is there twice, or there is none at all.

    Reference:

    - [Roth et al., 2016](https://doi.org/10.7937/K9/TCIA.2016.tNB1kqBU)
    """
    folder = Path(folder)
    expected = "a folder with NIH Pancreas-CT is"
    require(folder, folder.is_dir(), expected, "no such folder")
    images, labels = _find(folder)
    if not images or not labels:
        raise DataError(
            f"{folder}: folders PANCREAS_0001 and so on, and files "
            "label0001.nii.gz and so on, are expected below it. Received: "
            f"{len(images)} series, {len(labels)} labels"
        )
    cases = []
    for number in sorted(images.keys() | labels.keys()):
        if number in images and number in labels:
            image = images[number]
            cases.append(Case(image.name, image, labels[number]))
        elif number in _WITHDRAWN:
            logger.info("Number %d is left out; it was withdrawn", number)
        elif number in images:
            raise DataError(
                f"{images[number]}: its label label{number:04d}.nii.gz is "
                f"expected below {folder}. Received: no such file"
            )
        else:
            raise DataError(
                f"{labels[number]}: its series PANCREAS_{number:04d} is "
                f"expected below {folder}. Received: no such folder, or an "
                "empty one"
            )
    return VolumeDataset("NIH Pancreas-CT", tuple(cases), NIH_PANCREAS_CLASSES)


def align_label(
    case: Case, path: str | os.PathLike[str], *, ignore_origin: bool = False
) -> Case:
    """Brings the label of a case onto the grid of its image.

    Voxels are flipped and reordered, bit for bit, as both affines say.

    Args:
        case: The case, with a label.
        path: File to write if the label's axes differ from the image's.
        ignore_origin: Whether origins may differ: grids of the same axes are
            laid upon each other although they lie apart.

    Returns:
        The case itself if image and label share a grid, else the same case
        with the label at `path`.

    Raises:
        DataError: If the label has other voxels than the image.
        ValueError: If there is no label.
    """
    from nibabel.orientations import aff2axcodes

    if case.label is None:
        raise ValueError(
            "`case` is expected to have a label. "
            f"Received: none for {case.name!r}"
        )
    shape, affine = read_grid(case.image)
    image = Grid(shape[:3], affine)
    label = Grid(*read_grid(case.label))
    if len(label.shape) == 3:
        turned = label.oriented("".join(aff2axcodes(affine)))
        apart = _distance(turned, image, ignore_origin)
    if (
        len(label.shape) != 3
        or turned.shape != image.shape
        or apart > _TOLERANCE * min(image.spacing)
    ):
        raise DataError(
            f"{case.label}: the voxels of its image {case.image.name}, of "
            f"shape {image.shape} and affine {affine.tolist()}, are expected, "
            "but for the order and direction of axes. Received: "
            f"shape={label.shape}, affine={label.affine.tolist()}"
        )
    if label.shape == image.shape and np.allclose(
        label.affine, affine, atol=1e-3
    ):
        return case
    values = transfer(read_scan(case.label).array, label, turned, is_label=True)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(values, affine, path=path)
    return Case(case.name, case.image, path)


def _distance(grid: Grid, other: Grid, ignore_origin: bool) -> float:
    """Returns the largest distance of two grids' corners, in millimetres."""
    corners = [
        (*corner, float(not ignore_origin)) for corner in np.ndindex(2, 2, 2)
    ]
    scale = (*(size - 1 for size in other.shape), 1)
    apart = (np.array(corners) * scale) @ (grid.affine - other.affine).T
    return float(np.linalg.norm(apart[:, :3], axis=1).max())


def _find(folder: Path) -> tuple[dict[int, Path], dict[int, Path]]:
    images: dict[int, Path] = {}
    labels: dict[int, Path] = {}
    for place, folders, files in os.walk(folder):
        for name in sorted(folders):
            match = _IMAGE.fullmatch(name)
            if match is None:
                continue
            folders.remove(name)
            image = Path(place) / name
            # A withdrawn series may have left an empty folder.
            if any(path.is_file() for path in image.rglob("*")):
                _put(images, int(match[1]), image)
        for name in sorted(files):
            match = _LABEL.fullmatch(name)
            if match is not None:
                _put(labels, int(match[1]), Path(place) / name)
    return images, labels


def _put(found: dict[int, Path], number: int, path: Path) -> None:
    if number in found:
        raise DataError(
            f"{path}: each number is expected once. "
            f"Received: number {number} as {found[number]} too"
        )
    found[number] = path
