"""Tables of suites with known answers, as the scripts of stage metrics would write them."""

import numpy as np
import pandas as pd

from lm_saturation.io.tables import arrow_schema, table_columns, write_tables
from tests.conftest import RESOURCES

FACTS = {
    "parameters": 14_067_712,
    "non_embedding_parameters": 1_189_888,
    "layers": 2,
    "hidden_size": 128,
    "head_rows": 512,
    "vocabulary_size": 500,
    "tied": 0,
    "dtype": "float32",
    "sample_sha256": "0" * 64,
    "sample_tokens": 1000,
    "cross_entropy_error": 0.01,
    "bits_per_byte": 1.0,
    "anisotropy": 0.2,
    "anisotropy_centred": 0.01,
    "hidden_mean_share": 0.3,
    "hidden_effective_rank": 50.0,
    "hidden_effective_rank_centred": 60.0,
    "hidden_norm": 10.0,
    "head_norm": 30.0,
    "head_mean_share": 0.1,
    "head_effective_rank": 90.0,
    "head_effective_rank_centred": 100.0,
    "singular_entropy": 0.4,
    "singular_entropy_centred": 0.3,
    "singular_entropy_padded": 0.4,
    "singular_entropy_sigma": 0.1,
    "singular_entropy_sigma_centred": 0.1,
    "logit_offset": 5.0,
    "logit_offset_size": 5.0,
    "logit_spread": 2.0,
}


def checkpoint_metrics(suite, model, steps, loss, **columns):
    """A checkpoint_metrics frame; `columns` holds scalars or one value a step."""
    rules = table_columns("checkpoint_metrics").items()
    empty = {name: None if rule.get("nullable") else rule.get("minimum", 0) for name, rule in rules}
    rounded = {name: loss for name in empty if name.startswith("loss_")}
    given = {"suite": suite, "model": model, "step": steps, "cross_entropy_nats": loss} | rounded
    frame = pd.DataFrame({**empty, **FACTS, **given, **columns}, index=range(len(steps)))
    assert list(frame) == list(empty)
    return frame


def sequence_losses(metrics, sequences=50, noise=0.0, seed=0):
    """Losses of sequences, one a document, whose mean is that of `metrics`; `noise` differs from step to step."""
    random = np.random.default_rng(seed)
    offsets = random.normal(0, 0.05, sequences)
    parts = []
    for row in metrics.itertuples():
        shifts = offsets - offsets.mean() + random.normal(0, noise, sequences)
        names = {"suite": row.suite, "model": row.model, "step": row.step, "tokens": 20}
        losses = row.cross_entropy_nats + shifts
        parts.append(
            pd.DataFrame(
                {**names, "sequence": np.arange(sequences), "document": np.arange(sequences), "loss_nats": losses}
            )
        )
    return pd.concat(parts)[list(table_columns("sequence_losses"))]


def layer_metrics(metrics, last=None):
    """Layers 0 to 2 of every checkpoint; the last after the norm has the anisotropy of checkpoint_metrics."""
    rows = []
    for row in metrics.itertuples():
        for layer, state, value in ((0, "residual", 0.05), (1, "residual", 0.3), (2, "residual", 0.4)):
            rows.append((row.suite, row.model, row.step, layer, layer / 2, state, value))
        rows.append((row.suite, row.model, row.step, 2, 1.0, "after_norm", row.anisotropy))
    names = ["suite", "model", "step", "layer", "depth", "state", "anisotropy"]
    return pd.DataFrame(rows, columns=names).assign(anisotropy_centred=0.0, mean_share=0.2, mean_norm=3.0)


def head_spectrum(metrics, width=20):
    """Singular values that fall as a power law, the first scaled by the singular entropy."""
    parts = []
    for row in metrics.itertuples():
        values = np.arange(1.0, width + 1) ** -0.3
        values[0] += row.singular_entropy
        names = {"suite": row.suite, "model": row.model, "step": row.step, "rank": np.arange(1, width + 1)}
        kinds = dict.fromkeys(("singular_value", "singular_value_centred", "singular_value_padded"), values)
        parts.append(pd.DataFrame({**names, **kinds}))
    return pd.concat(parts)


def write(table, path, frame):
    """Write a frame as the table of that name; NaN becomes an empty value."""
    schema = arrow_schema(table)
    columns = {name: frame[name].astype(object).where(frame[name].notna(), None).to_list() for name in schema.names}
    write_tables(table, path, [columns])
    return str(path)


def write_suite(folder, metrics, noise=0.0):
    """Write the four tables of every model of a metrics frame; their paths by table."""
    paths = {}
    for (suite, model), one in metrics.groupby(["suite", "model"], sort=False):
        tables = {
            "checkpoint_metrics": one,
            "layer_metrics": layer_metrics(one),
            "head_spectrum": head_spectrum(one),
            "sequence_losses": sequence_losses(one, noise=noise),
        }
        for table, frame in tables.items():
            path = folder / suite / model / "0" / f"{table}.parquet"
            paths.setdefault(table, []).append(write(table, path, frame))
    return paths


PYTHIA = {  # parameters, layers, hidden size
    "14m": (14_067_712, 6, 128),
    "31m": (30_494_720, 6, 256),
    "70m": (70_426_624, 6, 512),
    "160m": (162_322_944, 12, 768),
    "410m": (405_334_016, 24, 1024),
}
PYTHIA_NAMES = {f"pythia/{model}": f"pythia-{model}" for model in PYTHIA}


def published_pythia():
    """checkpoint_metrics of the paper's five models, from its own curves, every 1000 steps where each is known."""
    files = {name: pd.read_csv(RESOURCES / f"figure_{name}_published.csv") for name in ("1a", "3", "5")}
    steps = np.arange(5000, 144_000, 1000)
    parts = []
    for model, (parameters, layers, width) in PYTHIA.items():
        curves = {name: frame[frame.model == f"pythia-{model}"].set_index("step") for name, frame in files.items()}

        def at(name, column, curves=curves):
            known = curves[name][column].dropna()
            return np.interp(steps, known.index, known)

        parts.append(
            checkpoint_metrics(
                "pythia",
                model,
                steps,
                at("1a", "loss_nats"),
                tokens=steps * 2_097_152,
                parameters=parameters,
                layers=layers,
                hidden_size=width,
                cross_entropy_error=0.014,
                anisotropy=at("3", "anisotropy"),
                word_perplexity=at("3", "word_perplexity"),
                singular_entropy=at("5", "singular_entropy"),
            )
        )
    return pd.concat(parts, ignore_index=True)
