"""The rows of the tables of stage causes: gaps by dimension, of text and of synthetic languages."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import diags_array

from lm_saturation.config.causes import LanguageOptions, SearchOptions, SoftmaxRankOptions
from lm_saturation.io.logs import log
from lm_saturation.ngrams.kneser_ney import KneserNey
from lm_saturation.ngrams.spectrum import smallest_dimension, w_error
from lm_saturation.ngrams.w_error_thresholds import HALF
from lm_saturation.softmax_rank.construction import constructed_gaps
from lm_saturation.softmax_rank.laws import NextTokenLaws, laws_of_entries
from lm_saturation.softmax_rank.logit_language import logit_language, logit_rank
from lm_saturation.softmax_rank.optimum import Optimum, optima
from lm_saturation.softmax_rank.smoothed_laws import smoothed_laws

SEARCHED = ["start", "spread_nats", "iterations", "gradient_norm", "last_gain_nats", "converged"]


def searched_rows(entries: pa.Table, options: SoftmaxRankOptions, keys: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of the table `softmax_rank`: the frequent contexts of one W, by search, with each bound and without one.

    None where no context is frequent enough, which the log says.
    """
    if not options.dimensions:
        return
    laws = laws_of_entries(entries, options.min_count, options.contexts)
    if laws is None:
        log.warning("%s: no context is seen %d times; nothing is searched", _name(keys), options.min_count)
        return
    yield from _rows_of_laws(laws, options, {**keys, "estimate": "frequency"}, laws.counted / _ngrams(entries))


def smoothed_search_rows(
    model: KneserNey, counts: pa.Table, entries: pa.Table, options: SoftmaxRankOptions, keys: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The same with the laws of a Kneser–Ney model; `counts` is the sample that the entries of W were made of."""
    laws = smoothed_laws(model, counts, entries, options.min_count, options.contexts)
    if laws is not None:
        yield from _rows_of_laws(laws, options, {**keys, "estimate": "kneser_ney"}, laws.counted / _ngrams(entries))


def _rows_of_laws(
    laws: NextTokenLaws, options: SoftmaxRankOptions, keys: Mapping[str, Any], ngram_share: float
) -> Iterator[dict[str, Any]]:
    errors = count_weighted_w_error(laws)
    kept = {**_size(laws), "ngram_share": ngram_share}
    tighter: dict[int, Optimum] = {}
    for bound in (*sorted(options.norm_products), None):
        log.info("%s: %d contexts, %d types, norms within %s", _name(keys), *laws.shape, bound)
        for found in optima(laws, options.dimensions, options, bound, dict(tighter)):
            tighter[found.dimension] = found
            row = {**keys, **kept, "method": "search", "weighting": "count", "min_count": options.min_count}
            yield row | {
                "norm_bound": bound,
                "w_error": _at(errors, found.dimension),
                "halving_dimension": smallest_dimension(errors, HALF),
                **search_columns(found),
            }


def constructed_rows(entries: pa.Table, keys: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of the table `softmax_rank`: all contexts of one W, by construction, rows weighted alike and by count."""
    laws = laws_of_entries(entries, 1, len(entries))
    if laws is None:
        return
    for weighting, weighted in (("unit", laws.weighted_alike()), ("count", laws)):
        found = constructed_gaps(weighted)
        for dimension, gap in zip(found.dimension, found.gap_nats, strict=True):
            row = {**keys, **_size(weighted), "method": "construction", "weighting": weighting, "min_count": 1}
            yield row | {
                "estimate": "frequency",
                "ngram_share": 1.0,
                "norm_bound": None,
                "w_error": None,
                "halving_dimension": None,
                "dimension": int(dimension),
                "gap_nats": float(gap),
                "norm_product": None,
                **dict.fromkeys(SEARCHED),
            }


def language_rows(options: LanguageOptions, search: SearchOptions) -> Iterator[dict[str, Any]]:
    """Rows of the table `softmax_rank_languages`: the gap of each dimension on a language of each logit rank."""
    for rank in options.ranks:
        laws = logit_language(options.contexts, options.vocabulary_size, rank, search.seed)
        true = logit_rank(laws)
        for found in optima(laws, options.dimensions, search):
            yield {**_size(laws), "rank": true, "seed": search.seed, **search_columns(found)}


def search_columns(found: Optimum) -> dict[str, Any]:
    """What both tables say of a search; a gap of rounding errors is 0."""
    return {
        "dimension": found.dimension,
        "gap_nats": max(0.0, found.gap_nats),
        "norm_product": found.norm_product,
        **{name: getattr(found, name) for name in SEARCHED},
        "converged": int(found.converged),
    }


def count_weighted_w_error(laws: NextTokenLaws) -> NDArray[np.float64]:
    """(min(C, V),) W-error at d = 1, 2, ... of the same rows, scaled by the root of how often their context comes."""
    rows = diags_array(laws.context_share**-0.5) @ laws.joint
    return w_error(np.linalg.svd(rows.toarray(), compute_uv=False))


def _size(laws: NextTokenLaws) -> dict[str, Any]:
    contexts, types = laws.shape
    one_hot = int((laws.support == 1).sum())
    sizes = {"contexts": contexts, "types": types, "one_hot_contexts": one_hot}
    return sizes | {"entropy_nats": laws.entropy_nats, "unigram_gap_nats": laws.unigram_gap_nats}


def _ngrams(entries: pa.Table) -> float:
    return float((entries["probability"].to_numpy() * entries["row_count"].to_numpy()).sum())


def _at(errors: NDArray[np.float64], dimension: int) -> float:
    return float(errors[dimension - 1]) if dimension <= len(errors) else 0.0


def _name(keys: Mapping[str, Any]) -> str:
    return f"{keys['order']}-grams of {keys['corpus']} in {keys['tokenizer']}"
