"""Writes the phantom in the layout of the Medical Segmentation Decathlon."""

import argparse
from pathlib import Path

from keras_cakes.data.phantom import write_msd

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_msd(options.folder, options.cases, seed=options.seed)
