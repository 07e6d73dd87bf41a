"""Writes the manifest of a prepared data set."""

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_cakes._errors import require
from keras_cakes._files import write_text
from keras_cakes.data.volumes.lists.msd import VolumeDataset
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.preparing.prepared import CASES
from keras_cakes.data.volumes.preparing.prepared import MANIFEST
from keras_cakes.data.volumes.preparing.prepared import VERSION
from keras_cakes.data.volumes.preparing.prepared import read_record


def write_manifest(
    dataset: VolumeDataset,
    preparation: Preparation,
    folder: Path,
    skipped: Mapping[str, str],
) -> None:
    """Writes settings, checksums and the errors of skipped cases."""
    names = [c.name for c in dataset.cases if c.name not in skipped]
    require(folder, names, "at least one case that can be prepared is", skipped)
    records = {name: read_record(folder / CASES / name) for name in names}
    settings = preparation.settings()
    document = {
        "version": VERSION,
        "name": dataset.name,
        "classes": list(dataset.classes),
        "preparation": settings,
        "settings_sha256": hashlib.sha256(
            json.dumps(settings, sort_keys=True).encode()
        ).hexdigest(),
        "cases": {
            name: {
                file: known["sha256"] for file, known in record["files"].items()
            }
            for name, record in records.items()
        },
        "skipped": {
            c.name: skipped[c.name] for c in dataset.cases if c.name in skipped
        },
        "statistics": _foreground_statistics(list(records.values())),
    }
    write_text(folder / MANIFEST, json.dumps(document, indent=1))


def _foreground_statistics(
    records: Sequence[dict[str, Any]],
) -> dict[str, list[float]]:
    """Computes mean and deviation over the foreground of all cases."""
    parts = [r["foreground"] for r in records if "foreground" in r]
    voxels = sum(part["voxels"] for part in parts)
    if not voxels:
        # Without foreground, all voxels of each case count.
        means = np.array([record["mean"] for record in records])
        deviations = np.array([record["deviation"] for record in records])
        return {
            "mean": means.mean(axis=0).tolist(),
            "deviation": deviations.mean(axis=0).tolist(),
        }
    mean = np.sum([part["sum"] for part in parts], axis=0) / voxels
    squares = np.sum([part["squares"] for part in parts], axis=0) / voxels
    deviation = np.sqrt(np.maximum(squares - mean**2, 0))
    deviation[deviation == 0] = 1.0
    return {"mean": mean.tolist(), "deviation": deviation.tolist()}
