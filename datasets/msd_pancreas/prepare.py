"""Fetches MSD Task07 Pancreas, checks it and writes the split of the protocol.

    python datasets/msd_pancreas/prepare.py --folder DATA

makes DATA/Task07_Pancreas. A run that was interrupted goes on where it was.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from msd import fetch_and_check

from keras_cakes._files import write_text
from keras_cakes.data import DataError
from keras_cakes.data import read_fold
from keras_cakes.data import read_msd

TASK = "Task07_Pancreas"
MD5 = "4f7080cfca169fa8066d17ce6eb061e4"
SPLITS = Path(__file__).with_name("splits.json")


def check(data: Path) -> None:
    """Refuses other cases than the split's, and writes the split."""
    dataset = read_msd(data)
    splits = SPLITS.read_text(encoding="utf-8")
    names = {case.name for case in dataset.cases}
    known = set(json.loads(splits)["cases"])
    if names != known:
        raise DataError(
            f"{data}: the {len(known)} cases of {SPLITS} are expected. "
            f"Received: {len(names)}, without {sorted(known - names)[:5]}, "
            f"with {sorted(names - known)[:5]}"
        )
    write_text(data / SPLITS.name, splits)
    training, validation = read_fold(data, dataset, fold=0)
    print(f"{data}: {len(training)} cases train, {len(validation)} validate.")


if __name__ == "__main__":
    fetch_and_check(TASK, MD5, check, description=__doc__)
