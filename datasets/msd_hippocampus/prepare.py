"""Fetches MSD Task04 Hippocampus and checks it.

    python datasets/msd_hippocampus/prepare.py --folder DATA

makes DATA/Task04_Hippocampus. A run that was interrupted goes on where it
was. The five folds follow from the names of the cases.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from msd import fetch_and_check

from keras_cakes.data import read_fold
from keras_cakes.data import read_msd

TASK = "Task04_Hippocampus"
MD5 = "9d24dba78a72977dbd1d2e110310f31b"


def check(data: Path) -> None:
    """Reads the data set and shows its five folds."""
    dataset = read_msd(data)
    for fold in range(5):
        training, validation = read_fold(data, dataset, fold=fold)
        print(
            f"{data}, fold {fold}: {len(training)} cases train, "
            f"{len(validation)} validate."
        )


if __name__ == "__main__":
    fetch_and_check(TASK, MD5, check, description=__doc__)
