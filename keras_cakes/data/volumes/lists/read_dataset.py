"""Data sets in any of the layouts that are known."""

import os
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes.data.volumes.lists.case_lists import read_case_list
from keras_cakes.data.volumes.lists.msd import VolumeDataset
from keras_cakes.data.volumes.lists.msd import read_msd
from keras_cakes.data.volumes.lists.nih_pancreas import read_nih_pancreas


def read_dataset(
    path: str | os.PathLike[str], classes: Sequence[str] | None = None
) -> VolumeDataset:
    """Reads what a path names.

    Args:
        path: A folder in the layout of the Medical Segmentation Decathlon or
            of NIH Pancreas-CT, another list of the former (`.json`), or any
            list of images and labels (`.csv`).
        classes: Names of the classes, background first; for a `.csv` only,
            which does not tell them.

    Raises:
        DataError: If it is none of these, or damaged.
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
    if not path.is_dir():
        raise DataError(
            f"{path}: a folder of volumes, or a list of them, is expected. "
            "Received: no such folder"
        )
    if (path / "dataset.json").is_file() or not _is_nih(path):
        return read_msd(path)
    return read_nih_pancreas(path)


def _is_nih(folder: Path) -> bool:
    return any(folder.rglob("label0*.nii.gz"))
