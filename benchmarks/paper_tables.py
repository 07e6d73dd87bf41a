"""Prints the costs of the paper's tables: printed, counted, difference.

    python benchmarks/paper_tables.py

Exits with 1 if a count differs from the known one. `keras-cakes tables` does
the same.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_cakes.runs.commands.main import main

if __name__ == "__main__":
    sys.exit(main(["tables"]))
