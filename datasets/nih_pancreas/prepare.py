"""Checks NIH Pancreas-CT, aligns its labels and writes list and folds.

    python datasets/nih_pancreas/prepare.py --folder DATA

expects the series and the labels, as fetched from The Cancer Imaging Archive
and unpacked, anywhere below DATA. It makes DATA/cases.csv,
DATA/splits.json and, for labels whose axes differ from their series,
DATA/aligned_labels.
"""

import json
import sys
from pathlib import Path

import keras

sys.path.insert(0, str(Path(__file__).parents[1]))

from command_line import folder_parser
from command_line import run

from keras_cakes._files import write_text
from keras_cakes.data import DataError
from keras_cakes.data import VolumeDataset
from keras_cakes.data import read_case_list
from keras_cakes.data import read_fold
from keras_cakes.data import read_nih_pancreas
from keras_cakes.data import write_case_list
from keras_cakes.data.volumes.lists.nih_pancreas import align_label

SPLITS = Path(__file__).with_name("splits.json")
WITHDRAWN = {"PANCREAS_0025", "PANCREAS_0070"}


def prepare(folder: Path, ignore_origin: bool) -> None:
    """Writes list and folds, and the labels that have to be aligned."""
    dataset = read_nih_pancreas(folder)
    splits = json.loads(SPLITS.read_text(encoding="utf-8"))
    names = {case.name for case in dataset.cases}
    known = set(splits["cases"])
    if not known - WITHDRAWN <= names <= known:
        raise DataError(
            f"{folder}: the {len(known)} cases of {SPLITS} are expected, "
            f"perhaps without {sorted(WITHDRAWN)}. Received: {len(names)}, "
            f"without {sorted(known - WITHDRAWN - names)[:5]}, "
            f"with {sorted(names - known)[:5]}"
        )
    cases = []
    progress = keras.utils.Progbar(len(dataset.cases), unit_name="case")
    for case in dataset.cases:
        path = folder / "aligned_labels" / f"{case.name}.nii.gz"
        cases.append(align_label(case, path, ignore_origin=ignore_origin))
        progress.add(1)
    moved = sum(
        new.label != old.label
        for new, old in zip(cases, dataset.cases, strict=True)
    )
    dataset = VolumeDataset(dataset.name, tuple(cases), dataset.classes)
    folds = {
        fold: [name for name in validation if name in names]
        for fold, validation in splits["folds"].items()
    }
    write_text(
        folder / SPLITS.name,
        json.dumps({"rule": splits["rule"], "folds": folds}, indent=1),
    )
    write_case_list(dataset, folder / "cases.csv")
    dataset = read_case_list(folder / "cases.csv", dataset.classes)
    print(f"{folder}: {len(names)} cases, {moved} labels aligned.")
    for fold in sorted(folds):
        training, validation = read_fold(folder, dataset, fold=int(fold))
        print(
            f"Fold {fold}: {len(training)} cases train, "
            f"{len(validation)} validate."
        )


if __name__ == "__main__":
    parser = folder_parser(__doc__)
    parser.add_argument(
        "--ignore-origin",
        action="store_true",
        help="lay a label upon its series although their headers say that "
        "they lie apart; look at the result before it is used",
    )
    run(parser, prepare)
