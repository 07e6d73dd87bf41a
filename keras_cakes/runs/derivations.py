"""Ties a derived configuration to the settings it was derived with."""

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_cakes._errors import RunError
from keras_cakes.models.rewriting.specification import PRIORITIES
from keras_cakes.runs.files import write_json
from keras_cakes.runs.folder import RunFolder
from keras_cakes.runs.folder import differences
from keras_cakes.runs.records import read_record
from keras_cakes.runs.settings import RunSettings

# Settings that only the step `derive` reads.
DERIVING = ("budget", "channel_multiple", "rule", "score")
CONFIGURATION = "configuration.json"
DERIVATION = "derivation.json"


def searches_behind(variant: str) -> tuple[str, ...]:
    """Names the searches that a variant needs.

    The random variant matches the cost of the performance-priority one.
    """
    if variant == "random":
        return ("performance",)
    return (variant,) if variant in PRIORITIES else ()


def deriving_settings(
    priority: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Picks the settings that a configuration is derived with.

    Args:
        priority: Priority of the search.
        settings: Settings of the run; a missing one has its default.
    """
    values = {
        name: settings.get(name, getattr(RunSettings, name))
        for name in DERIVING
    }
    if priority == "cost":
        # Paths of this search cannot be sampled.
        values["score"] = "path_weights"
    if values["score"] == "sampled":
        values["rule"] = "layer"
    return values


def check_derivations(
    folder: RunFolder, known: Mapping[str, Any], variants: Sequence[str]
) -> None:
    """Refuses a start whose networks were derived with other settings.

    A configuration without networks binds nothing: `derive` replaces it.

    Args:
        folder: The run folder.
        known: Settings of the last start. Configurations of earlier versions
            were derived with these.
        variants: Every network that the run may hold.

    Raises:
        RunError: If a network depends on a configuration of other settings;
            the message names the folders to remove.
    """
    for priority in PRIORITIES:
        search = folder / "search" / priority
        if not (search / CONFIGURATION).is_file():
            continue
        file = search / DERIVATION
        if not file.is_file():
            write_json(file, deriving_settings(priority, known))
        changed = differences(
            read_record(file), deriving_settings(priority, folder.settings)
        )
        networks = [
            str(folder / "networks" / variant)
            for variant in variants
            if priority in searches_behind(variant)
            and (folder / "networks" / variant / CONFIGURATION).is_file()
        ]
        if changed and networks:
            raise RunError(
                f"{file}: the settings that networks of the run were derived "
                f"with are expected; remove {' and '.join(networks)} to derive "
                "anew, or use another folder. Received: " + "; ".join(changed)
            )


def keep_derivation(folder: Path, settings: Mapping[str, Any]) -> None:
    """Writes the settings of the configuration that comes next.

    Args:
        folder: Folder of the search. A configuration in it is removed.
        settings: Settings from `deriving_settings`.
    """
    (folder / CONFIGURATION).unlink(missing_ok=True)
    write_json(folder / DERIVATION, settings)


def is_derived(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Tells whether a search has a configuration of these settings."""
    files = (folder / CONFIGURATION, folder / DERIVATION)
    return all(file.is_file() for file in files) and (
        read_record(files[1]) == settings
    )
