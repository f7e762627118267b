"""The search of a run as the tables that are shipped, saturation_search.csv and saturation_search_curves.csv.

python -m lm_saturation.miniature.shipped results/causes src/lm_saturation/resources
"""

import sys
from pathlib import Path

from lm_saturation.io.tables import read_frames, write_csv

TABLES = ("saturation_search", "saturation_search_curves")


def write_shipped(results: Path, folder: Path) -> None:
    """Write all trainings of the search of a run to the two tables in `folder`."""
    for table in TABLES:
        files = sorted(results.glob(f"causes/*/*/*/*/{table}.parquet"))
        write_csv(table, folder / f"{table}.csv", read_frames(table, files))


if __name__ == "__main__":
    write_shipped(Path(sys.argv[1]), Path(sys.argv[2]))
