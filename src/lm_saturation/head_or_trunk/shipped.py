"""The trainings of a run as the table that is shipped: src/lm_saturation/resources/head_or_trunk.csv.

python -m lm_saturation.head_or_trunk.shipped results/causes src/lm_saturation/resources/head_or_trunk.csv
"""

import sys
from pathlib import Path

import pandas as pd

from lm_saturation.io.tables import read_frames, write_csv


def run_trainings(results: Path) -> pd.DataFrame:
    """All rows of `head_or_trunk` of a run: those that choose rates first, then by seed."""
    files = sorted(results.glob("causes/*/*/head_or_trunk_rates.parquet"))
    files += sorted(results.glob("causes/*/*/head_or_trunk/*.parquet"), key=lambda path: int(path.stem))
    return read_frames("head_or_trunk", files)


if __name__ == "__main__":
    write_csv("head_or_trunk", sys.argv[2], run_trainings(Path(sys.argv[1])))
