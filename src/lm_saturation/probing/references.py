"""What published models have, from the tables in resources/: the places that readings are given.

A reference is a group of published numbers of one kind. Where there is none for a number, none is made up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lm_saturation.errors import InputError
from lm_saturation.evidence.paper_saturation import WIDTHS
from lm_saturation.evidence.pythia_seeds import seed_runs
from lm_saturation.evidence.trained_here import COSTS, READINGS
from lm_saturation.io.tables import read_frames

RESOURCES = Path(__file__).parents[1] / "resources"
PAPER = "arXiv 2404.07647"
TRAININGS = "GPTs trained in bfloat16, 16M to 221M, peak learning rates 0.0003 to 0.3 (arXiv 2601.02031)"
SIGNED = {"logit_offset": "by its size, "}  # numbers whose size alone is compared
SMALL = 20  # numbers, from which on their percentiles are given


@dataclass(frozen=True)
class Reference:
    """Published numbers of one kind: what they are of, in words, and the numbers (n,) in rising order."""

    what: str
    values: NDArray[np.float64]
    by_width: dict[int, tuple[str, float]] = field(default_factory=dict)  # d: the model of that width and its number
    more: str = ""  # what else is known, in words

    def place(self, value: float, width: int | None) -> str:
        """Where a value lies among the numbers, in words; also the number of the model of nearest `width`, if any."""
        count, below = len(self.values), int((self.values < value).sum())
        if count == 1:
            return f"{self.what}: {short(float(self.values[0]))}{self.more}"
        where = f"above {below} of {count}"
        if count >= SMALL:
            percentile = 100 * (below + (self.values == value).sum() / 2) / count
            where = f"percentile {percentile:.0f} of {count}"
        text = f"{where} {self.what} ({short(self.values[0])} to {short(self.values[-1])}{self.more})"
        if width and self.by_width:
            nearest = min(self.by_width, key=lambda known: abs(np.log(known / width)))
            name, number = self.by_width[nearest]
            text += f"; {name} (d = {nearest}): {short(number)}"
        return text


References = dict[str, list[Reference]]  # by column


def short(value: float) -> str:
    """A number in about three digits; a thousand and more as whole numbers."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def places(column: str, value: float, width: int | None = None, beside: References | None = None) -> list[str]:
    """Where a value of a column lies among the published ones and those of `beside`, a line for each reference."""
    if not np.isfinite(value):
        return []
    found = [*references().get(column, []), *(beside or {}).get(column, [])]
    prefix, value = SIGNED.get(column, ""), abs(value) if column in SIGNED else value
    return [prefix + reference.place(value, width) for reference in found]


def trained_models(results: str | Path) -> References:
    """The models that a run trained or measured, at their last steps, from its tables of checkpoints below a folder.

    Raises InputError if there are none.
    """
    files = sorted(Path(results).glob("**/checkpoint_metrics.parquet"))
    if not files:
        raise InputError(f"{results}: no checkpoint_metrics.parquet below it; allowed: the results folder of a run")
    table = read_frames("checkpoint_metrics", files).sort_values("step", kind="stable")
    last = table.groupby(["suite", "model"], sort=False).tail(1).set_index(["suite", "model"])
    costs = {name: last[rounded].astype(float) - last[exact] for name, (rounded, exact) in COSTS.items()}
    last = last.assign(logit_offset=last.logit_offset.abs(), **costs)
    found = {}
    for column in dict.fromkeys([*references(), *COSTS, "logit_offset_size"]).keys() & set(last.columns):
        known = last[last[column].notna()]
        values = known[column].astype(float)
        rows = zip(known.index, known.hidden_size, values, strict=True)
        widths = {int(width): ("/".join(name), value) for name, width, value in rows}
        if len(known):
            found[column] = [Reference(f"models below {results}", np.sort(values.to_numpy()), widths)]
    return found


@cache
def references() -> References:
    """The references of each reading that has any, by its column."""
    found: References = {}
    for column, reference in [*_of_figures(), *_of_seeds(), *_of_trainings(), *_of_smollm2(), *_of_trained_here()]:
        found.setdefault(column, []).append(reference)
    return found


def _reference(what: str, values: Any, widths: pd.Series | None = None) -> Reference:
    numbers = np.sort(np.asarray(values, float))
    by_width = {WIDTHS[name]: (name, float(value)) for name, value in widths.items()} if widths is not None else {}
    return Reference(what, numbers, by_width)


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(RESOURCES / name)


def _last(curves: pd.DataFrame, column: str, by: str = "step") -> pd.Series:
    """The last number of each model."""
    return curves.sort_values(by).groupby("model")[column].last()


def _of_figures() -> Iterator[tuple[str, Reference]]:
    """Of the paper's figures 2, 4 and 5."""
    last = _last(_read("figure_2_published.csv"), "anisotropy", by="layer")
    pythia = last[last.index.isin(list(WIDTHS))]
    yield "anisotropy", _reference(f"published models at their end ({PAPER}, Fig 2)", last, pythia)
    entropies = _read("figure_5_published.csv")
    ends = _last(entropies, "singular_entropy")
    yield "singular_entropy", _reference(f"Pythias, 14M to 1.4B, at their end ({PAPER}, Fig 5)", ends, ends)
    yield "singular_entropy", _reference("checkpoints of their trainings", entropies.singular_entropy)
    spectra = _read("figure_4_published.csv")
    seconds = spectra[spectra["rank"] == 2]
    ends = _last(seconds, "singular_value_share")
    yield "singular_ratio", _reference(f"Pythias, 14M to 410M, at their end ({PAPER}, Fig 4)", ends, ends)
    yield "singular_ratio", _reference("checkpoints of their trainings", seconds.singular_value_share)


def _of_seeds() -> Iterator[tuple[str, Reference]]:
    """Of 42 published trainings of Pythia."""
    runs = seed_runs(_read("pythia_seeds.csv.xz"))
    what = "trainings of Pythia, 14M to 12B"
    yield "loss_on_unigram_text", _reference(f"{what}, at their end, on The Pile's law", runs.unigram_final)
    yield "unigram_increase", _reference(what, runs.unigram_increase)
    saturated = runs.increase_low > 0
    yield "unigram_increase", _reference("of them that saturate for certain", runs.unigram_increase[saturated])
    yield "unigram_increase", _reference("of them that do not for certain", runs.unigram_increase[~saturated])


def _of_trainings() -> Iterator[tuple[str, Reference]]:
    """Of trainings at seven peak learning rates each."""
    trainings = _read("output_embeddings.csv")
    pair = ["size_millions", "peak_learning_rate"]
    baseline, without = (trainings[trainings.method == method].set_index(pair) for method in ("baseline", "muloss"))
    lost = baseline.test_loss_nats - without.test_loss_nats
    yield "logit_offset", _reference(TRAININGS, baseline.logits_mean_mean.abs())
    yield "logit_spread", _reference(TRAININGS, baseline.logits_mean_std)
    share = (baseline.head_mean_row_norm / baseline.head_average_row_norm) ** 2
    yield "head_mean_share", _reference(f"{TRAININGS}, where it is at most", share)
    yield "bfloat16_cost", _reference(f"{TRAININGS}, by what they lost against the same with μ-loss", lost)


def _of_smollm2() -> Iterator[tuple[str, Reference]]:
    """Of SmolLM2-135M-Instruct, measured here on the documentation of Python."""
    table = _read("real_weights.csv")
    values = table[table["rank"].isna()].set_index("quantity").value
    ours = {name: float(values[name]) for name in SMOLLM2}
    ours["logit_offset"] = abs(float(values.logit_offset))
    ours["bfloat16_cost"] = float(values.loss_bfloat16 - values.loss_float32)
    for name, value in ours.items():
        yield name, _reference("SmolLM2-135M-Instruct", [value])


def _of_trained_here() -> Iterator[tuple[str, Reference]]:
    """Of the small models of the default run: those trained as usual, and one with a planted loss increase."""
    table = _read("trained_here.csv")
    table = table.assign(logit_offset=table.logit_offset.abs(), seen=(table.tokens / table.parameters).round())
    ends = table[table.loss_increase.notna()]
    usual, controls = ends[ends.control.isna()], ends.set_index("control")
    for increased, what in ((False, "no loss increase"), (True, "loss increase")):
        some = usual[(usual.loss_increase_low > 0) == increased]
        if len(some):
            yield from _of_usual(some, table.merge(some[["suite", "model"]]), what)
    planted, without = controls.loc["positive"], controls.loc["negative"]
    what = f"trained here, d = {planted.hidden_size}, {planted.seen:.0f} tokens/parameter, planted loss increase"
    for name in TRAINED_HERE:
        more = f"; without: {short(without[name])}"
        yield name, Reference(what, np.array([planted[name]]), more=more)


def _of_usual(ends: pd.DataFrame, courses: pd.DataFrame, label: str) -> Iterator[tuple[str, Reference]]:
    """Of models trained here, at their `ends`, and over their `courses`."""
    what = f"models trained here, d = {ends.hidden_size.min()} to {ends.hidden_size.max()}, {label}"
    for name in TRAINED_HERE:
        widths = {
            int(row.hidden_size): (f"{row.suite}/{row.model}, {row.seen:.0f} tokens/parameter", float(row[name]))
            for _, row in ends.iterrows()
        }
        steps = courses[name].dropna()
        over = f"; in training {short(steps.min())} to {short(steps.max())}"
        yield name, Reference(what, np.sort(ends[name]), widths, over if len(steps) > len(ends) else "")


TRAINED_HERE = [*READINGS, "loss_increase", "unigram_increase"]
SMOLLM2 = (
    "bits_per_byte", "anisotropy", "anisotropy_centred", "singular_entropy", "singular_entropy_centred",
    "head_mean_share", "logit_spread", "loss_on_unigram_text",
)  # fmt: skip
