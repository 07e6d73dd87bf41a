"""Reads a data set of any known layout."""

import os
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import require
from keras_cakes.data.volumes.lists.case_lists import read_case_list
from keras_cakes.data.volumes.lists.msd import VolumeDataset
from keras_cakes.data.volumes.lists.msd import read_msd
from keras_cakes.data.volumes.lists.nih_pancreas import read_nih_pancreas


def read_dataset(
    path: str | os.PathLike[str], classes: Sequence[str] | None = None
) -> VolumeDataset:
    """Reads the list of a data set.

    Args:
        path: A folder in the layout of the Medical Segmentation Decathlon or
            of NIH Pancreas-CT, another list of the former (`.json`), or any
            list of images and labels (`.csv`).
        classes: Names of the classes, background first, which only a `.csv`
            needs.

    Raises:
        DataError: If the data set is of no known layout, or damaged.
        ValueError: If classes are missing, or given twice.
    """
    path = Path(path)
    is_table = path.suffix == ".csv"
    if is_table != (classes is not None):
        raise ValueError(
            "`classes` is expected for a .csv list, which does not tell them, "
            f"and for nothing else. Received: classes={classes} for {path}"
        )
    if is_table:
        return read_case_list(path, classes or ())
    if path.suffix == ".json":
        return read_msd(path.parent, path.name)
    expected = "a folder of volumes, or a list of them, is"
    require(path, path.is_dir(), expected, "no such folder")
    is_msd = (path / "dataset.json").is_file()
    if not is_msd and any(path.rglob("label0*.nii.gz")):
        return read_nih_pancreas(path)
    return read_msd(path)
