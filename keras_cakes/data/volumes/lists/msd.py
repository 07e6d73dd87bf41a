"""Reads folders of the Medical Segmentation Decathlon (MSD)."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes._errors import naming
from keras_cakes._errors import require
from keras_cakes._errors import whole
from keras_cakes.data.volumes.cases import Case
from keras_cakes.data.volumes.cases import name_of

SPLITS = "splits.json"
# Reading a damaged list may raise these.
_DAMAGE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)


@dataclasses.dataclass(frozen=True)
class VolumeDataset:
    """Names the cases and classes of a data set.

    Args:
        name: Name of the data set.
        cases: The cases, in the order of the list file.
        classes: Names of the classes, background first.
    """

    name: str
    cases: tuple[Case, ...]
    classes: tuple[str, ...]


def read_msd(
    folder: str | os.PathLike[str], dataset_json: str = "dataset.json"
) -> VolumeDataset:
    """Reads the list of a Medical Segmentation Decathlon folder.

    Args:
        folder: Folder that holds the list and the files it names.
        dataset_json: Name of the list, with `labels` and `training`.

    Returns:
        The training cases; every file exists.

    Raises:
        DataError: If the list or a file is missing or damaged, names a
            path outside the folder, or names a case twice.

    Reference:

    - [Antonelli et al., 2022](https://arxiv.org/abs/2106.05735)
    """
    folder = Path(folder)
    path = folder / dataset_json
    expected = f"a folder with {dataset_json} is"
    require(folder, folder.is_dir(), expected, "no such folder")
    if not path.is_file():
        found = sorted(p.name for p in folder.iterdir())[:5]
        raise DataError(
            f"{path}: the list of an MSD data set is expected. Received: no "
            f"such file; the folder holds {found or 'nothing'}"
        )
    expected = "JSON with `labels` (number to name) and `training` (a list "
    with naming(path, expected + "of `image` and `label`) is", _DAMAGE):
        document = json.loads(path.read_text(encoding="utf-8"))
        listed = document["labels"]
        labels = {int(k): str(v) for k, v in listed.items()}
        entries = [
            (str(entry["image"]), str(entry["label"]))
            for entry in document["training"]
        ]
    require(
        path,
        entries and sorted(labels) == list(range(len(labels))),
        "at least one training case and labels numbered from 0 are",
        f"{len(entries)} cases, labels {labels}",
    )
    if len(labels) < len(listed) or len(set(labels.values())) < len(labels):
        raise DataError(
            f"{path}: each label is expected to have a number and a name of "
            f"its own. Received: labels={listed}"
        )
    cases = tuple(_case(folder, path, *entry) for entry in entries)
    names = [case.name for case in cases]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path}: each case is expected once. Received: {repeated[:5]} "
            "more than once"
        )
    classes = tuple(labels[number] for number in range(len(labels)))
    return VolumeDataset(str(document.get("name", folder.name)), cases, classes)


def _case(folder: Path, listing: Path, image: str, label: str) -> Case:
    paths = []
    for role, entry in (("image", image), ("label", label)):
        path = folder / entry
        try:
            inside = path.resolve().is_relative_to(folder.resolve())
            present = path.is_file()
        except (OSError, RuntimeError, ValueError) as error:
            # The path is too long, holds a zero byte or a circle of links.
            raise DataError(
                f"{listing}: the path of the {role} is expected. Received: "
                f"{entry[:80]!r}: {type(error).__name__}"
            ) from None
        expected = "files inside the folder are"
        require(listing, inside, expected, f"{role} {entry!r}")
        expected = f"the {role} that {listing.name} names is"
        require(path, present, expected, "no such file")
        paths.append(path)
    return Case(name_of(paths[0]), *paths)


def read_fold(
    folder: str | os.PathLike[str], dataset: VolumeDataset, *, fold: int
) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """Splits a data set into training and validation cases.

    `splits.json` in the folder lists the validation cases of each fold.
    Without it, cases are ordered by the SHA-1 of `"fold:" + name` and dealt
    to five folds in turn.

    Raises:
        DataError: If there is no such fold, or it names unknown cases.
    """
    whole("fold", fold, least=0)
    path = Path(folder) / SPLITS
    if len(dataset.cases) < 2:
        raise DataError(
            f"{folder}: at least two cases are expected, to train on and to "
            f"validate. Received: {[case.name for case in dataset.cases]}"
        )
    names = {case.name for case in dataset.cases}
    if path.is_file():
        expected = "JSON with `folds` (number to validation cases) is"
        with naming(path, expected, _DAMAGE):
            folds = json.loads(path.read_text(encoding="utf-8"))["folds"]
            validation = {key: set(value) for key, value in folds.items()}
    else:
        ordered = sorted(
            names, key=lambda n: hashlib.sha1(f"fold:{n}".encode()).digest()
        )
        validation = {str(i): set(ordered[i::5]) for i in range(5)}
    chosen = validation.get(str(fold))
    if not chosen or chosen - names or chosen == names:
        unknown = sorted(map(str, (chosen or set()) - names))[:5]
        if chosen is None:
            found = "no such fold"
        elif unknown:
            found = f"unknown cases {unknown}"
        else:
            found = f"{len(chosen)} of {len(names)} cases for validation"
        raise DataError(
            f"{path}: a fold of {sorted(validation)} with known cases on "
            f"both sides is expected. Received: fold={fold}, {found}"
        )
    return (
        tuple(case for case in dataset.cases if case.name not in chosen),
        tuple(case for case in dataset.cases if case.name in chosen),
    )
