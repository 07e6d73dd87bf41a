"""Prepares a whole data set, several cases at a time."""

import json
import logging
import os
import shutil
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
from keras_cakes._errors import require
from keras_cakes._files import WorkFolder
from keras_cakes.data.arguments import ON_ERROR
from keras_cakes.data.volumes.cases import Case
from keras_cakes.data.volumes.cases import is_folder_name
from keras_cakes.data.volumes.lists.msd import VolumeDataset
from keras_cakes.data.volumes.preparing.manifest import write_manifest
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.preparing.prepare_case import prepare_case
from keras_cakes.data.volumes.preparing.prepare_case import source_record
from keras_cakes.data.volumes.preparing.prepared import CASE
from keras_cakes.data.volumes.preparing.prepared import CASES
from keras_cakes.data.volumes.preparing.prepared import MANIFEST
from keras_cakes.data.volumes.preparing.prepared import VERSION
from keras_cakes.data.volumes.preparing.prepared import PreparedDataset
from keras_cakes.data.volumes.preparing.prepared import open_prepared
from keras_cakes.data.volumes.preparing.prepared import read_record
from keras_cakes.data.volumes.preparing.resources import check_needs
from keras_cakes.data.volumes.reading.geometry import Grid
from keras_cakes.data.volumes.reading.read_scan import read_grid
from keras_cakes.data.workers import count_workers
from keras_cakes.data.workers import for_each

logger = logging.getLogger(__name__)


def prepare(
    dataset: VolumeDataset,
    folder: str | os.PathLike[str],
    *,
    preparation: Preparation | None = None,
    workers: int | None = None,
    on_error: str = "raise",
    verbose: bool = True,
) -> PreparedDataset:
    """Prepares every case of a data set and keeps the result on disk.

    A case is there whole or not at all. A preparation that was killed goes
    on where it stopped and ends with the same bytes; a case whose files have
    changed since is prepared anew.

    Args:
        dataset: The cases.
        folder: Folder for the result; made where it is missing.
        preparation: Steps for each case; by default `Preparation()`.
        workers: Cases at a time; by default one for each core, four at most.
        on_error: `"raise"` stops at the first damaged case; `"skip"` goes on
            without it, logs it and lists it in `skipped`.
        verbose: Whether to log the needs and show the progress.

    Returns:
        The prepared data set, as `open_prepared` opens it later.

    Raises:
        DataError: If a case is damaged, none is left, `folder` holds
            something else or a preparation with other settings, another
            process works there, or memory or disk is too small.
        ValueError: If an argument is not as stated.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from keras_cakes.data import VolumeDataset, prepare, write_nifti
        >>> from keras_cakes.data import Case
        >>> root = Path(tempfile.mkdtemp())
        >>> image = np.arange(4 * 5 * 6, dtype="int16").reshape(4, 5, 6)
        >>> write_nifti(image, np.eye(4), path=root / "a.nii.gz")
        >>> cases = (Case("a", root / "a.nii.gz", None),)
        >>> prepared = prepare(
        ...     VolumeDataset("small", cases, ("background", "organ")),
        ...     root / "prepared",
        ...     verbose=False,
        ... )
        >>> prepared.cases[0].image.shape
        (4, 5, 6, 1)
    """
    preparation = preparation or Preparation()
    choose("on_error", on_error, ON_ERROR)
    workers = count_workers(workers)
    _check_names(dataset)
    folder = Path(folder)
    skipped: dict[str, str] = {}
    grids = _grids(dataset, preparation, on_error, skipped)
    settings = {
        "version": VERSION,
        "classes": list(dataset.classes),
        "preparation": preparation.settings(),
    }
    work = WorkFolder(
        folder,
        "preparation.json",
        error=DataError,
        work="preparation",
        expected="a new folder, or that of an earlier preparation,",
    )

    def prepare_one(case: Case) -> None:
        try:
            prepare_case(
                case, dataset.classes, preparation, folder / CASES / case.name
            )
        except DataError as error:
            if on_error == "raise":
                raise
            _skip(case, error, skipped)

    work.results()
    with work.lock():
        work.claim(
            json.dumps(settings, indent=1), "the settings of this preparation"
        )
        (folder / CASES).mkdir(exist_ok=True)
        waiting = [
            case
            for case in dataset.cases
            if case.name in grids and not _is_done(case, folder)
        ]
        check_needs([grids[c.name] for c in waiting], folder, workers, verbose)
        for_each(waiting, prepare_one, workers=workers, verbose=verbose)
        write_manifest(dataset, preparation, folder, skipped)
    return open_prepared(folder)


def _check_names(dataset: VolumeDataset) -> None:
    for case in dataset.cases:
        expected = "a case name that can name a folder is"
        fits = is_folder_name(case.name)
        require(case.image, fits, expected, repr(case.name))


def _grids(
    dataset: VolumeDataset,
    preparation: Preparation,
    on_error: str,
    skipped: dict[str, str],
) -> dict[str, tuple[Grid, Grid, int]]:
    """Reads grids before and after, and channels, from headers alone."""
    grids = {}
    for case in dataset.cases:
        try:
            shape, affine = read_grid(case.image)
        except DataError as error:
            if on_error == "raise":
                raise
            _skip(case, error, skipped)
            continue
        before = Grid(shape[:3], affine)
        channels = shape[3] if len(shape) > 3 else 1
        grids[case.name] = before, preparation.grid(before), channels
    return grids


def _skip(case: Case, error: DataError, skipped: dict[str, str]) -> None:
    logger.warning("Case %s is left out: %s", case.name, error)
    skipped[case.name] = str(error)


def _is_done(case: Case, folder: Path) -> bool:
    """Tells whether a case is prepared, from files that are still the same.

    A case of files that have changed is removed.
    """
    path = folder / CASES / case.name
    if not (path / CASE).is_file():
        return False
    record = read_record(path)
    if record["sources"] == source_record(case):
        return True
    (folder / MANIFEST).unlink(missing_ok=True)
    # Renaming hides the folder at once; removing it takes many steps.
    gone = path.with_name(f".{os.getpid()}.{case.name}")
    os.rename(path, gone)
    shutil.rmtree(gone)
    return False
