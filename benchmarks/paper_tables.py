"""The costs in the paper's tables: printed, counted, difference.

    python benchmarks/paper_tables.py

Exits with 1 if a count is not the known one. The same as `keras-cakes
tables`.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_cakes.cli import main

if __name__ == "__main__":
    sys.exit(main(["tables"]))
