"""Checks Something-Something V1 and writes its lists.

    python datasets/something_something_v1/prepare.py --folder DATA

expects the unpacked frames in DATA/20bn-something-something-v1, and the CSV
files in DATA or in a folder below it. It makes DATA/train.txt,
DATA/validation.txt, DATA/classes.txt and DATA/left_out.csv.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from something_something import check_and_pack

if __name__ == "__main__":
    check_and_pack(1, description=__doc__)
