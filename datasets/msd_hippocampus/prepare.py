"""Fetches MSD Task04 Hippocampus and checks it.

    python datasets/msd_hippocampus/prepare.py --folder DATA

makes DATA/Task04_Hippocampus. A run that was interrupted goes on where it
was. The five folds follow from the names of the cases.
"""

import argparse
from pathlib import Path

from keras_cakes.data import DataError
from keras_cakes.data import download
from keras_cakes.data import read_fold
from keras_cakes.data import read_msd
from keras_cakes.data import unpack

TASK = "Task04_Hippocampus"
URL = f"https://msd-for-monai.s3-us-west-2.amazonaws.com/{TASK}.tar"
# As MONAI publishes it in `monai/apps/datasets.py`.
MD5 = "9d24dba78a72977dbd1d2e110310f31b"


def prepare(
    folder: Path, url: str, sha256: str | None, md5: str | None
) -> None:
    """Makes the data set below `folder`, or checks the one that is there."""
    data = folder / TASK
    if not data.is_dir():
        archive = folder / f"{TASK}.tar"
        found = download(url, archive, sha256=sha256, md5=md5)
        print(f"{archive}: sha256={found}")
        unpack(archive, data, root=TASK)
        print(f"{archive} is no longer needed.")
    dataset = read_msd(data)
    for fold in range(5):
        training, validation = read_fold(data, dataset, fold=fold)
        print(
            f"{data}, fold {fold}: {len(training)} cases train, "
            f"{len(validation)} validate."
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--url", default=URL, help="another address")
    parser.add_argument("--sha256", help="checksum of the archive, if known")
    parser.add_argument("--md5", default=MD5, help="default: %(default)s")
    options = parser.parse_args()
    try:
        prepare(options.folder, options.url, options.sha256, options.md5)
    except DataError as error:
        parser.exit(1, f"{error}\n")
