"""The trainings of a run with config/tied.yaml as the table that is shipped, tied_runs.csv.

python -m lm_saturation.tied.shipped results/tied-embeddings src/lm_saturation/resources/tied_runs.csv
"""

import sys
from pathlib import Path

import pandas as pd

from lm_saturation.io.tables import read_frames, write_csv
from lm_saturation.tied.comparison import run_rows


def finished_runs(results: Path) -> pd.DataFrame:
    """Rows of `tied_runs` of the trainings that a run has finished."""
    training, rates = (
        read_frames(table, sorted(results.glob(f"tied/*/*/*/{table}.parquet")))
        for table in ("tied_training", "tied_rates")
    )
    return pd.DataFrame(list(run_rows(training, rates)))


if __name__ == "__main__":
    write_csv("tied_runs", sys.argv[2], finished_runs(Path(sys.argv[1])))
