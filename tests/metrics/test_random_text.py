"""Random text of the corpus's unigram and bigram laws, against plain loops and entropies; the loss on it."""

import hashlib
import math
import os
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lm_saturation import model_metrics
from lm_saturation.errors import InputError
from lm_saturation.metrics.measure import measure
from lm_saturation.metrics.random_text import (
    RandomText,
    corpus_pairs,
    draw_bigram,
    draw_random_text,
    draw_unigram,
)
from tests.conftest import ROOT
from tests.metrics.models import ROWS, tiny_model, tiny_task

LAST = 7  # a token that nothing follows


def corpus(documents=60, seed=0):
    """Some documents of tokens with a skewed law, ending with LAST."""
    random = np.random.default_rng(seed)
    texts = [np.append(random.geometric(0.3, random.integers(0, 30)) % LAST, LAST) for _ in range(documents)]
    return SimpleNamespace(ids=np.concatenate(texts), ends=np.cumsum([len(text) for text in texts]))


def looped_pairs(text):
    pairs, begin = [], 0
    for end in text.ends:
        pairs += pairwise(text.ids[begin:end].tolist())
        begin = end
    return pairs


def test_pairs_lie_within_documents():
    texts = [corpus(seed=0), SimpleNamespace(ids=np.empty(0, int), ends=np.array([0])), corpus(seed=1)]
    found = list(zip(*(part.tolist() for part in corpus_pairs(texts)), strict=True))
    assert found == [pair for text in texts for pair in looped_pairs(text)]
    assert all(before != LAST for before, _ in found)


def test_pairs_of_a_large_corpus_are_of_evenly_spaced_runs():
    texts = [corpus(3000, seed=0), corpus(1000, seed=1)]
    tokens, following = corpus_pairs(texts, most=4000, pieces=40)
    total = sum(len(text.ids) for text in texts)
    assert total > 10 * 4000
    assert 0.8 * 4000 < len(tokens) <= 4000  # pairs across documents, and the last token of a run, are missing
    known = {pair for text in texts for pair in looped_pairs(text)}
    assert set(zip(tokens.tolist(), following.tolist(), strict=True)) <= known
    shares = np.bincount(tokens, minlength=LAST) / len(tokens)
    exact = np.bincount([before for text in texts for before, _ in looped_pairs(text)], minlength=LAST)
    np.testing.assert_allclose(shares, exact / exact.sum(), atol=0.05)


def test_bigram_text_equals_a_loop():
    text = corpus()
    counts, pairs, shape = np.bincount(text.ids, minlength=ROWS), corpus_pairs([text]), (9, 40)
    successors = {}
    for before, after in looped_pairs(text):
        successors.setdefault(before, []).append(after)
    tokens = [token for token in range(ROWS) for _ in range(counts[token])]
    random, rows = np.random.default_rng(5), []
    rows.append([tokens[place] for place in random.integers(0, len(tokens), shape[0])])
    for _ in range(1, shape[1]):
        afresh = random.integers(0, len(tokens), shape[0])
        choice = random.integers(0, [len(successors.get(before, [0])) for before in rows[-1]])
        rows.append(
            [
                successors[before][at] if before in successors else tokens[place]
                for before, at, place in zip(rows[-1], choice, afresh, strict=True)
            ]
        )
    np.testing.assert_array_equal(draw_bigram(counts, pairs, shape, np.random.default_rng(5)).T, rows)


def test_drawn_frequencies_are_those_of_the_laws():
    text = corpus()
    counts, pairs = np.bincount(text.ids, minlength=ROWS), corpus_pairs([text])
    number = 200_000
    unigram = draw_unigram(counts, number, np.random.default_rng(0))
    law = counts / counts.sum()
    found = np.bincount(unigram, minlength=ROWS) / number
    assert (np.abs(found - law) <= 5 * np.sqrt(law / number)).all()
    drawn = draw_bigram(counts, pairs, (2000, 100), np.random.default_rng(0))
    before, after = drawn[:, :-1].ravel(), drawn[:, 1:].ravel()
    table = np.zeros((ROWS, ROWS))
    np.add.at(table, pairs, 1)
    table[table.sum(1) == 0] = counts  # nothing follows: the unigram law
    table /= table.sum(1, keepdims=True)
    for token in np.unique(before):
        following = after[before == token]
        found = np.bincount(following, minlength=ROWS) / len(following)
        error = np.sqrt(np.maximum(table[token], 1e-9) / len(following))
        assert (np.abs(found - table[token]) <= 5 * error).all(), token


def test_the_text_is_the_same_in_another_process_and_its_laws_do_not_share_their_numbers():
    code = """
import hashlib, numpy as np
from lm_saturation.metrics.random_text import draw_random_text
ids = np.random.default_rng(0).integers(0, 50, 1000)
text = draw_random_text(np.bincount(ids), (ids[:-1], ids[1:]), 300, 11, 4)
print(hashlib.sha256(text.unigram.tobytes() + text.bigram.tobytes()).hexdigest())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    ids = np.random.default_rng(0).integers(0, 50, 1000)
    text = draw_random_text(np.bincount(ids), (ids[:-1], ids[1:]), 300, 11, 4)
    assert hashlib.sha256(text.unigram.tobytes() + text.bigram.tobytes()).hexdigest() == run.stdout.strip()
    assert text.unigram.shape == text.bigram.shape == (30, 11)
    assert (text.unigram[:, 0] != text.bigram[:, 0]).any()
    other = draw_random_text(np.bincount(ids), (ids[:-1], ids[1:]), 300, 11, 5)
    assert (other.unigram != text.unigram).any()


@pytest.mark.parametrize(("tokens", "counts"), [(0, np.ones(5, int)), (100, np.zeros(5, int))])
def test_no_text(tokens, counts):
    assert draw_random_text(counts, (np.empty(0, int), np.empty(0, int)), tokens, 10, 0) is None


def test_without_text_the_columns_are_empty():
    metrics = measure(tiny_model(), tiny_task()).metrics
    assert metrics["loss_on_unigram_text"] is None
    assert metrics["loss_on_bigram_text"] is None


@pytest.mark.parametrize("family", ["gpt_neox", "opt", "gemma2", "bloom"])
@pytest.mark.parametrize("first", [None, 3])
def test_losses_are_those_of_transformers(family, first):
    random = np.random.default_rng(1)
    text = RandomText(random.integers(0, ROWS, (7, 12)), random.integers(0, ROWS, (7, 12)))
    model = tiny_model(family)
    metrics = measure(model, tiny_task(random_text=text, first=first)).metrics
    for name, ids in (("unigram", text.unigram), ("bigram", text.bigram)):
        read = torch.from_numpy(ids if first is None else np.hstack([np.full((7, 1), first), ids]))
        with torch.no_grad():
            logits = model(read).logits[:, (0 if first is None else 1) : -1].double()
        expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(ids[:, 1:]).flatten())
        assert metrics[f"loss_on_{name}_text"] == pytest.approx(float(expected), abs=1e-4)


def test_a_model_of_the_unigram_law_has_its_entropy():
    """A head without weights whose bias is log p: its loss on text of p is the entropy of p."""
    text = corpus()
    counts = np.bincount(text.ids, minlength=LAST + 1)
    law = counts / counts.sum()
    model = tiny_model("gptj", vocab_size=len(law))
    model.lm_head.weight.data.zero_()
    model.lm_head.bias.data = torch.from_numpy(np.log(law)).float()
    metrics = model_metrics(model, text.ids[:60].reshape(2, 30), token_counts=counts, random_text_tokens=20_000).metrics
    entropy = float(-(law * np.log(law)).sum())
    error = math.sqrt(float((law * np.log(law) ** 2).sum() - entropy**2) / 20_000)
    assert error < 0.01
    assert metrics["loss_on_unigram_text"] == pytest.approx(entropy, abs=4 * error)


def bigram_model(logarithms):
    """A model whose logits after token j are row j of `logarithms` (V, V): W LN(e_j), with layers that add nothing."""
    size = len(logarithms)
    model = tiny_model(
        "gptj", vocab_size=size, n_embd=size, hidden_size=size, n_head=1, num_attention_heads=1, n_layer=1, rotary_dim=4
    )
    for name, parameter in model.named_parameters():
        if ".h." in name or name.endswith("lm_head.bias"):
            parameter.data.zero_()
    model.transformer.wte.weight.data = torch.eye(size)
    model.transformer.ln_f.weight.data.fill_(1)
    model.transformer.ln_f.bias.data.fill_(1)  # else all states sum to 0, and no W would do
    states = model.transformer.ln_f(torch.eye(size)).detach().double()
    model.lm_head.weight.data = torch.linalg.solve(states, torch.from_numpy(logarithms)).T.float().contiguous()
    return model


def test_a_model_of_the_bigram_law_has_its_conditional_entropy():
    text = corpus()
    text.ids[text.ends - 1] = 0  # something follows every token
    ids = text.ids[: len(text.ids) // 8 * 8].reshape(8, -1)[:, :50]
    table = np.zeros((LAST + 1, LAST + 1))
    np.add.at(table, (ids[:, :-1].ravel(), ids[:, 1:].ravel()), 1)
    table[LAST] = 1
    law = table / table.sum(1, keepdims=True)
    model = bigram_model(np.log(np.maximum(law, 1e-6)))
    metrics = model_metrics(model, ids, random_text_tokens=20_000).metrics
    stationary = np.linalg.matrix_power(law, 500)[0]
    surprise = -np.log(np.where(law > 0, law, 1))
    entropy = float(stationary @ (law * surprise).sum(1))
    spread = math.sqrt(float(stationary @ (law * surprise**2).sum(1)) - entropy**2)
    assert metrics["loss_on_bigram_text"] == pytest.approx(entropy, abs=5 * spread / math.sqrt(20_000))
    assert metrics["loss_on_unigram_text"] > metrics["loss_on_bigram_text"] + 0.03  # three standard errors


def test_a_token_beyond_the_head_is_refused():
    text = RandomText(np.full((2, 5), ROWS), np.zeros((2, 5), int))
    with pytest.raises(InputError, match=f"the random text holds token {ROWS}, the LM head has {ROWS} rows"):
        measure(tiny_model(), tiny_task(random_text=text))
