"""Writes the phantom as files.

    python datasets/phantom/prepare.py FOLDER

writes volumes in the layout of the Medical Segmentation Decathlon,

    python datasets/phantom/prepare.py FOLDER --clips

clips as mp4 files, and videos.csv, which lists them.
"""

import argparse
from pathlib import Path

from keras_cakes.data import write_phantom_clips
from keras_cakes.data.volumes.synthetic.phantom import write_msd

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--clips", action="store_true", help="clips instead of volumes"
    )
    parser.add_argument(
        "--events",
        choices=("motion", "appearance", "both"),
        default="motion",
        help="what happens in clips",
    )
    options = parser.parse_args()
    if options.clips:
        write_phantom_clips(
            options.folder,
            options.cases,
            seed=options.seed,
            events=options.events,
        )
    else:
        write_msd(options.folder, options.cases, seed=options.seed)
