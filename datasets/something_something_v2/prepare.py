"""Checks Something-Something V2 and writes its lists.

    python datasets/something_something_v2/prepare.py --folder DATA

expects the unpacked videos in DATA/20bn-something-something-v2, and the JSON
files in DATA or in a folder below it. It makes DATA/train.csv,
DATA/validation.csv, DATA/classes.txt and DATA/left_out.csv.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from something_something import check_and_pack

if __name__ == "__main__":
    check_and_pack(2, description=__doc__)
