"""Trainings in half precision, from the results of a run (`config/half-precision.yaml`), as they are shipped.

python -m lm_saturation.evidence.half_precision results/half-precision > src/lm_saturation/resources/half_precision.csv
"""

import sys
from pathlib import Path

import pandas as pd

from lm_saturation.io.tables import read_frames


def shipped_rows(results: Path) -> pd.DataFrame:
    """The rows of `offset_training` of every model of a run."""
    return read_frames("offset_training", sorted(map(str, results.glob("causes/*/*/offset_training.parquet"))))


if __name__ == "__main__":
    shipped_rows(Path(sys.argv[1])).to_csv(sys.stdout, index=False, float_format="%.6g", lineterminator="\n")
