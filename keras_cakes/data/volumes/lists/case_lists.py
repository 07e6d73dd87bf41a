"""Reads and writes lists of cases as CSV."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from keras_cakes._errors import DataError
from keras_cakes._errors import expect
from keras_cakes._errors import naming
from keras_cakes._errors import require
from keras_cakes._files import read_text
from keras_cakes._files import write_text
from keras_cakes.data.volumes.cases import Case
from keras_cakes.data.volumes.cases import is_folder_name
from keras_cakes.data.volumes.cases import name_of
from keras_cakes.data.volumes.lists.msd import VolumeDataset

_MOST_BYTES = 64 << 20
_COLUMNS = ("image", "label", "name")


def read_case_list(
    csv_path: str | os.PathLike[str],
    classes: Sequence[str],
    *,
    name: str | None = None,
) -> VolumeDataset:
    """Reads a list of cases: CSV with the columns `image` and `label`.

    A column `name` may name the cases; without it, they are named after
    their images. Other columns are left alone. Paths are relative to the
    folder of the list. An image is a NIfTI file or a folder that holds one
    DICOM series, a label is a NIfTI file.

    Args:
        csv_path: The list, UTF-8, with names of columns in the first line.
        classes: Names of the classes, background first.
        name: Name of the data set; by default that of the list, without
            ending.

    Returns:
        The cases in the order of the list; every file exists.

    Raises:
        DataError: If the list or a file is missing or damaged, or a case is
            named twice. The message names the list and the line.
        ValueError: If `classes` are not two names or more, each its own.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from keras_cakes.data import write_nifti
        >>> folder = Path(tempfile.mkdtemp())
        >>> for file in ("ct.nii.gz", "organ.nii.gz"):
        ...     write_nifti(np.eye(3)[None], np.eye(4), path=folder / file)
        >>> _ = (folder / "own.csv").write_text(
        ...     "name,image,label\\npatient_1,ct.nii.gz,organ.nii.gz\\n"
        ... )
        >>> dataset = read_case_list(
        ...     folder / "own.csv", classes=("background", "organ")
        ... )
        >>> dataset.cases[0].name, dataset.cases[0].label.name
        ('patient_1', 'organ.nii.gz')
    """
    path = Path(csv_path)
    classes = _checked(classes)
    rows = _rows(path)
    lines: dict[str, int] = {}
    cases = []
    for line, row in rows:
        case = _case(path, line, row)
        if case.name in lines:
            raise DataError(
                f"{path}, line {line}: a case of its own name is expected, "
                "which the column `name` may give. Received: "
                f"{case.name!r}, as in line {lines[case.name]}"
            )
        lines[case.name] = line
        cases.append(case)
    require(path, cases, "at least one case is", "none")
    return VolumeDataset(name or path.stem, tuple(cases), classes)


def write_case_list(
    dataset: VolumeDataset, csv_path: str | os.PathLike[str]
) -> None:
    """Writes a list that `read_case_list` reads, whole or not at all.

    Args:
        dataset: Cases with labels.
        csv_path: File to write. Paths below its folder become relative.

    Raises:
        ValueError: If a case has no label.
    """
    path = Path(csv_path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for case in dataset.cases:
        if case.label is None:
            raise ValueError(
                "`dataset` is expected to have labels. "
                f"Received: none for {case.name!r}"
            )
        paths = [
            _relative(one, path.parent) for one in (case.image, case.label)
        ]
        writer.writerow([*paths, case.name])
    write_text(path, text.getvalue())


def _relative(path: Path, folder: Path) -> str:
    path, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    return str(
        path.relative_to(folder) if path.is_relative_to(folder) else path
    )


def _checked(classes: Sequence[str]) -> tuple[str, ...]:
    names = (classes,) if isinstance(classes, str) else tuple(classes)
    fits = (
        len(names) >= 2
        and len(set(names)) == len(names)
        and all(isinstance(one, str) and one for one in names)
    )
    expected = "to be two names or more, background first, each its own"
    expect("classes", classes, fits, expected)
    return names


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Reads line numbers and, by column, the values of each line."""
    require(path, path.is_file(), "a CSV file is", "no file")
    with naming(path, "CSV in UTF-8 is", ValueError):
        text = read_text(path, _MOST_BYTES).removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        columns = [column.strip() for column in next(reader, [])]
        image, label, name = map(columns.count, _COLUMNS)
        require(
            f"{path}, line 1",
            image == label == 1 and name <= 1,
            "the columns `image` and `label`, and perhaps `name`, are",
            columns[:9],
        )
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            place = f"{path}, line {reader.line_num}"
            fits = len(values) == len(columns)
            require(place, fits, f"{len(columns)} values are", len(values))
            known = {
                column: value.strip()
                for column, value in zip(columns, values, strict=True)
                if column in _COLUMNS
            }
            rows.append((reader.line_num, known))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: CSV is expected. "
            f"Received: {error}"
        ) from None
    return rows


def _case(path: Path, line: int, row: dict[str, str]) -> Case:
    place = f"{path}, line {line}"
    found = {}
    for role in ("image", "label"):
        require(place, row[role], f"the path of the {role} is", "nothing")
        file = path.parent / row[role]
        try:
            # A DICOM series is a folder of slices.
            present = file.is_file() or (role == "image" and file.is_dir())
        except (OSError, ValueError) as error:
            # The path is too long, or holds a zero byte.
            raise DataError(
                f"{place}: the path of the {role} is expected. "
                f"Received: {row[role][:80]!r}: {type(error).__name__}"
            ) from None
        kind = "file or folder" if role == "image" else "file"
        require(place, present, f"the {role} {file} is", f"no such {kind}")
        found[role] = file
    name = row.get("name") or name_of(found["image"])
    expected = "a name that a folder may have is"
    require(place, is_folder_name(name), expected, repr(name))
    return Case(name, found["image"], found["label"])
