"""The trainings of a run with config/tied.yaml as the tables that are shipped, tied_runs.csv and tied_rates.csv.

python -m lm_saturation.tied.shipped src/lm_saturation/resources results/tied-embeddings
"""

import sys
from pathlib import Path

import pandas as pd

from lm_saturation.io.tables import read_csv, read_frames, write_csv
from lm_saturation.tied.comparison import SETTING, run_rows

KEYS = {"tied_runs": [*SETTING, "remedy", "seed"], "tied_rates": [*SETTING, "remedy", "seed", "learning_rate"]}


def write_shipped(folder: Path, run: Path) -> None:
    """Put what a run has trained into the two tables in `folder`; of equal keys, the run's rows replace those there.

    Steps are counted to the loss of the run's plain models, in a setting that has none to that of the shipped ones.
    """
    old = {table: read_csv(table, folder / f"{table}.csv") for table in KEYS}
    training, rates = (
        read_frames(table, sorted(run.glob(f"tied/*/*/*/{table}.parquet"))) for table in ("tied_training", "tied_rates")
    )
    known = old["tied_runs"].drop_duplicates(SETTING).set_index(SETTING).threshold_nats.to_dict()
    new = {"tied_runs": pd.DataFrame(list(run_rows(training, rates, known))), "tied_rates": rates}
    for table, keys in KEYS.items():
        rows = pd.concat([old[table], new[table]]).drop_duplicates(keys, keep="last").sort_values(keys)
        write_csv(table, folder / f"{table}.csv", rows)


if __name__ == "__main__":
    write_shipped(Path(sys.argv[1]), Path(sys.argv[2]))
