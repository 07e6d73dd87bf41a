"""A whole data set prepared, in parallel, once and for all."""

import concurrent.futures
import contextlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_cakes._errors import DataError
from keras_cakes._errors import choose
from keras_cakes._errors import whole
from keras_cakes._files import is_temporary
from keras_cakes._files import locked
from keras_cakes._files import write_text
from keras_cakes.data.arguments import ON_ERROR
from keras_cakes.data.volumes.cases import Case
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

_SETTINGS = "preparation.json"
_LOCK = ".lock"

logger = logging.getLogger(__name__)


def prepare(
    dataset: VolumeDataset,
    folder: str | os.PathLike[str],
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
        preparation: What is done to each case; by default
            `Preparation()`.
        workers: Cases at a time; by default one for each core, four at most.
        on_error: `"raise"` stops at the first case that is not what it
            should be; `"skip"` goes on without it, logs it and lists it.
        verbose: Whether to log what is needed and show the progress.

    Returns:
        The prepared data set, as `open_prepared` opens it later.

    Raises:
        DataError: If a case is damaged, none is left, `folder` holds
            something else or a preparation with other settings, another
            process works there, or memory or disk will not do.
        ValueError: If an argument is not as stated.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from keras_cakes.data import VolumeDataset, prepare, write_nifti
        >>> from keras_cakes.data import Case
        >>> root = Path(tempfile.mkdtemp())
        >>> image = np.arange(4 * 5 * 6, dtype="int16").reshape(4, 5, 6)
        >>> write_nifti(image, np.eye(4), root / "a.nii.gz")
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
    workers = min(os.cpu_count() or 1, 4) if workers is None else workers
    whole("workers", workers, least=1)
    _check_names(dataset)
    folder = Path(folder)
    skipped: dict[str, str] = {}
    grids = _grids(dataset, preparation, on_error, skipped)
    _claim(folder)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / _LOCK))
        except BlockingIOError:
            raise DataError(
                f"{folder}: one preparation at a time is expected. Received: "
                "another process works in this folder"
            ) from None
        # What a killed process was writing.
        for part in (folder / CASES).glob(".*"):
            if is_temporary(part.name):
                shutil.rmtree(part)
        for part in folder.glob(".*"):
            if is_temporary(part.name):
                part.unlink()
        _own(folder, dataset, preparation)
        waiting = [
            case
            for case in dataset.cases
            if case.name in grids and not _is_done(case, folder)
        ]
        check_needs([grids[c.name] for c in waiting], folder, workers, verbose)
        _run(
            waiting,
            dataset.classes,
            preparation,
            folder,
            workers,
            on_error,
            skipped,
            verbose,
        )
        write_manifest(dataset, preparation, folder, skipped)
    return open_prepared(folder)


def _check_names(dataset: VolumeDataset) -> None:
    for case in dataset.cases:
        # It becomes the name of a folder.
        if Path(case.name).name != case.name or case.name.startswith("."):
            raise DataError(
                f"{case.image}: a case name that can name a folder is "
                f"expected. Received: {case.name!r}"
            )


def _claim(folder: Path) -> None:
    """Sees to it that nothing but a preparation lies in the folder."""
    if folder.exists() and not (folder / _SETTINGS).is_file():
        # A process that was killed may have left no more than these.
        ours = folder.is_dir() and all(
            name == _LOCK or is_temporary(name) for name in os.listdir(folder)
        )
        if not ours:
            raise DataError(
                f"{folder}: a new folder, or that of an earlier preparation, "
                "is expected. Received: something else lies there"
            )
    folder.mkdir(parents=True, exist_ok=True)


def _own(
    folder: Path, dataset: VolumeDataset, preparation: Preparation
) -> None:
    """Writes the settings, or compares them with those of earlier."""
    settings = json.dumps(
        {
            "version": VERSION,
            "classes": list(dataset.classes),
            "preparation": preparation.settings(),
        },
        indent=1,
    )
    path = folder / _SETTINGS
    if not path.is_file():
        write_text(path, settings)
        return
    known = path.read_text(encoding="utf-8")
    if known != settings:
        raise DataError(
            f"{path}: the settings of this preparation are expected; "
            "another one needs a folder of its own. Received: "
            f"{' '.join(known.split())[:300]}"
        )


def _grids(
    dataset: VolumeDataset,
    preparation: Preparation,
    on_error: str,
    skipped: dict[str, str],
) -> dict[str, tuple[Grid, Grid, int]]:
    """Grids before and after, and channels, from headers alone."""
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
    """Whether a case is prepared, from files that are still the same."""
    path = folder / CASES / case.name
    if not (path / CASE).is_file():
        return False
    record = read_record(path)
    if record["sources"] == source_record(case):
        return True
    (folder / MANIFEST).unlink(missing_ok=True)
    # Out of sight at once; removing a folder takes many steps.
    gone = path.with_name(f".{os.getpid()}.{case.name}")
    os.rename(path, gone)
    shutil.rmtree(gone)
    return False


def _run(
    cases: Sequence[Case],
    classes: tuple[str, ...],
    preparation: Preparation,
    folder: Path,
    workers: int,
    on_error: str,
    skipped: dict[str, str],
    verbose: bool,
) -> None:
    (folder / CASES).mkdir(exist_ok=True)
    progress = keras.utils.Progbar(len(cases), verbose=int(verbose))
    # Threads will do: unpacking and interpolation run outside the
    # interpreter's lock.
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = {
            pool.submit(
                prepare_case,
                case,
                classes,
                preparation,
                folder / CASES / case.name,
            ): case
            for case in cases
        }
        try:
            for number, future in enumerate(
                concurrent.futures.as_completed(running), start=1
            ):
                try:
                    future.result()
                except DataError as error:
                    if on_error == "raise":
                        raise
                    _skip(running[future], error, skipped)
                progress.update(number)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
