"""Fetches MSD Task07 Pancreas, checks it and writes the split of the protocol.

    python datasets/msd_pancreas/prepare.py --folder DATA

makes DATA/Task07_Pancreas. A run that was interrupted goes on where it was.
"""

import argparse
import json
from pathlib import Path

from keras_cakes._files import write_text
from keras_cakes.data import DataError
from keras_cakes.data import download
from keras_cakes.data import read_fold
from keras_cakes.data import read_msd
from keras_cakes.data import unpack

TASK = "Task07_Pancreas"
URL = f"https://msd-for-monai.s3-us-west-2.amazonaws.com/{TASK}.tar"
# As MONAI publishes it in `monai/apps/datasets.py`.
MD5 = "4f7080cfca169fa8066d17ce6eb061e4"
SPLITS = Path(__file__).with_name("splits.json")


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
