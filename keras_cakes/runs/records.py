"""Keeps in a run folder what later steps must not read from elsewhere."""

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
from keras_cakes.runs.settings import SYNTHETIC

DATA = "data.json"
PREDICTION = "prediction.json"
VERSION = 1

_AGAIN = "start the step `train` again with the data there"

Parsed = TypeVar("Parsed")


def summarize_cases(cases: Iterable[Sequence[Any]]) -> str:
    """Counts cases and hashes how they are described.

    Args:
        cases: For each its name and other values that JSON can hold.
    """
    described = [list(case) for case in cases]
    digest = hashlib.sha256(json.dumps(described).encode()).hexdigest()
    return f"{len(described)} of SHA-256 {digest[:16]}"


def keep_data(
    folder: RunFolder,
    known: Mapping[str, Any] | None,
    places: Sequence[str],
    record: Mapping[str, Any],
    compared: str,
) -> None:
    """Compares the data with those that a run was started with.

    Args:
        folder: The run folder; `data.json` in it holds the record.
        known: Settings that its results were made with, where it has any.
        places: Names of settings that say where the data lie.
        record: Record of the data that are there now.
        compared: Names what the record is made of.

    Raises:
        RunError: If the data are others, or have moved and no record tells
            whether they are the same.
    """
    file = folder / DATA
    held = read_record(file) if file.is_file() else None
    if known is not None:
        old = {place: known.get(place) for place in places}
        new = {place: folder.settings[place] for place in places}
        moved = differences(old, new)
        if moved and {old["data"], new["data"]} & set(SYNTHETIC):
            compare_settings(folder / "settings.json", old, new)
        if moved and held is None:
            raise RunError(
                f"{file}: a record of the run's data is expected, to compare "
                "those in another place with; a step that is started with the "
                "data in the old place writes it. Received: no such file, and "
                + "; ".join(moved)
            )
        if held is not None and held != record:
            raise RunError(
                f"{file}: the data that the run was started with are "
                f"expected, compared by {compared}; use another folder for "
                "others. Received: " + "; ".join(differences(held, record))
            )
    if held != record:
        write_json(file, record)


def keep_prediction(folder: Path, record: Mapping[str, Any]) -> None:
    """Writes what prediction needs, before the first network trains.

    Args:
        folder: The run folder.
        record: What prediction needs, as plain JSON values.

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
    parse: Callable[[Mapping[str, Any]], Parsed],
    make: Callable[[], Mapping[str, Any]],
) -> Parsed:
    """Reads what prediction needs from the run folder.

    Folders of earlier versions do not hold it: it is then made once, from
    the data that the run's settings name.

    Args:
        folder: The run folder.
        network: The network that predicts.
        parse: Turns the record into what prediction uses.
        make: Makes the record from the data.

    Raises:
        RunError: If the record is missing and cannot be made, damaged, or of
            another network.
    """
    file = folder / PREDICTION
    if not file.is_file():
        try:
            record = make()
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
