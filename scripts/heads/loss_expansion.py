"""Rule `loss_expansion`: Lemma 5.1 in numbers, on random problems and at their optima."""

from typing import TYPE_CHECKING

from lm_saturation.heads.loss_expansion import expansion_rows, order_rows
from lm_saturation.io.tables import write_rows
from lm_saturation.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


if __name__ == "__main__":
    with job(snakemake):
        changes = expansion_rows()
        write_rows("loss_expansion", snakemake.output.changes, changes)
        write_rows("loss_expansion_orders", snakemake.output.orders, order_rows(changes))
