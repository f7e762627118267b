"""The searches of runs as the tables that are shipped, saturation_search.csv and saturation_search_curves.csv.

python -m lm_saturation.miniature.shipped src/lm_saturation/resources results/causes ...
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from lm_saturation.io.tables import read_frames, write_csv

TABLES = ("saturation_search", "saturation_search_curves")


def write_shipped(folder: Path, runs: Sequence[Path]) -> None:
    """Write all trainings of the searches of these runs to the two tables in `folder`."""
    for table in TABLES:
        files = [file for run in runs for file in sorted(run.glob(f"causes/*/*/*/*/{table}.parquet"))]
        write_csv(table, folder / f"{table}.csv", read_frames(table, files))


if __name__ == "__main__":
    write_shipped(Path(sys.argv[1]), [Path(run) for run in sys.argv[2:]])
