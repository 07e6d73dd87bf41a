"""Keeps records of the data in a run folder: `data.json`, `prediction.json`."""

import hashlib
import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import TypeVar

import keras

from keras_cakes._errors import RunError
from keras_cakes.runs.files import write_json
from keras_cakes.runs.folder import RunFolder
from keras_cakes.runs.folder import compare_settings
from keras_cakes.runs.folder import differences
from keras_cakes.runs.settings import Settings
from keras_cakes.runs.settings import read_settings
from keras_cakes.runs.task import Data
from keras_cakes.runs.task import Task

DATA = "data.json"
PREDICTION = "prediction.json"
VERSION = 1

_AGAIN = "start the step `train` again with the data there"

Parsed = TypeVar("Parsed")


def summarize_cases(cases: Iterable[Sequence[Any]]) -> str:
    """Counts cases and hashes their descriptions.

    Args:
        cases: Name and other JSON values of each case.
    """
    described = [list(case) for case in cases]
    digest = hashlib.sha256(json.dumps(described).encode()).hexdigest()
    return f"{len(described)} of SHA-256 {digest[:16]}"


def keep_data(
    folder: RunFolder,
    task: Task,
    *,
    known: Mapping[str, Any] | None,
    is_needed: bool,
) -> None:
    """Compares the data with those that the run was started with.

    The data are loaded, unless the step does not need them and `data.json`
    describes those in the same place.

    Args:
        folder: The run folder.
        task: Task of the run.
        known: Settings of the results in the folder; `None` without results.
        is_needed: Whether the step needs the data.

    Raises:
        RunError: If the data differ, or have moved and `data.json` is
            missing, so that they cannot be compared.
    """
    file = folder / DATA
    held = read_record(file) if file.is_file() else None
    if known is not None:
        old = {place: known.get(place) for place in task.settings.places}
        new = {place: folder.settings[place] for place in old}
        moved = differences(old, new)
        if moved and {old["data"], new["data"]} & {*task.settings.synthetic}:
            # Such data have no place to move from or to.
            compare_settings(folder / "settings.json", old, new)
        if moved and held is None:
            raise RunError(
                f"{file}: a record of the run's data is expected, to compare "
                "those in another place with; a step that is started with the "
                "data in the old place writes it. Received: no such file, and "
                + "; ".join(moved)
            )
        if held is not None and not moved and not is_needed:
            return
    record = task.data.record()
    if known is not None and held is not None and held != record:
        raise RunError(
            f"{file}: the data that the run was started with are "
            f"expected, compared by {task.data.compared}; use another folder "
            "for others. Received: " + "; ".join(differences(held, record))
        )
    if held != record:
        write_json(file, record)


def keep_prediction(folder: Path, record: Mapping[str, Any]) -> None:
    """Writes `prediction.json`, before the first network trains.

    Args:
        folder: The run folder.
        record: Record from `Data.prediction_record`.

    Raises:
        RunError: If the folder holds another record.
    """
    file = folder / PREDICTION
    record = json.loads(json.dumps({"version": VERSION, **record}))
    if not file.is_file():
        write_json(file, record)
        return
    known = read_record(file)
    if known != record:
        raise RunError(
            f"{file}: data prepared as those of the other networks of the run "
            "are expected; use another folder for others. Received: "
            + "; ".join(differences(known, record))
        )


def read_prediction(
    folder: Path,
    network: keras.Model,
    *,
    parse: Callable[[Mapping[str, Any]], Parsed],
    kind: type[Settings],
    load: Callable[[Settings], Data],
) -> Parsed:
    """Reads `prediction.json`, which says how to prepare a new case.

    Folders of earlier versions have no such file. It is then made once, from
    the data that the run's settings name.

    Args:
        folder: The run folder.
        network: The network that predicts.
        parse: Reads the values of the record.
        kind: Class of the run's settings.
        load: Loads the data of settings.

    Raises:
        RunError: If the record is missing and cannot be made, is damaged, or
            belongs to another network.
    """
    file = folder / PREDICTION
    if not file.is_file():
        try:
            settings = read_settings(kind, folder / "settings.json")
            record = load(settings).prediction_record(settings)
        except (OSError, ValueError) as error:
            raise RunError(
                f"{file}: how the training data were prepared is expected; "
                f"{_AGAIN}. Received: no such file, and data that cannot be "
                f"read: {error}"
            ) from error
        with RunFolder(folder, {}).lock():
            keep_prediction(folder, record)
    document = read_record(file)
    try:
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        found = len(document["classes"]), document["channels"]
        parsed = parse(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{file}: what prediction needs, version {VERSION}, is expected; "
            f"remove the file and {_AGAIN}. Received: "
            f"{type(error).__name__}: {error}"
        ) from error
    expected = network.output_shape[-1], network.input_shape[-1]
    if found != expected:
        raise RunError(
            f"{file}: the {expected[0]} classes and {expected[1]} channels of "
            f"the network are expected. Received: {found[0]} classes and "
            f"{found[1]} channels"
        )
    return parsed


def read_record(file: Path) -> dict[str, Any]:
    """Reads a JSON object from a run folder.

    Raises:
        RunError: If the file holds something else.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError(f"JSON of type {type(document).__name__}")
    except (OSError, RecursionError, ValueError) as error:
        raise RunError(
            f"{file}: a record of a run is expected; remove the file and "
            "start the step that wrote it again with the data there. "
            f"Received: {type(error).__name__}: {error}"
        ) from None
    return document
