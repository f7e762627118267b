"""A published model from its GGUF file: the same losses as transformers, and nearly those of llama.cpp.

The margin for llama.cpp was stated before it was run: it multiplies blocks of 4 and 8 bits with activations that it
rounds to 8 bits, so that a logit is off by some 1 % of the logits' spread, at random; on hundreds of tokens the mean
loss may move by 0.02 nats and by no more. Its tokens must be the same. Found: 0.0007 nats, and logits off by 3 %.
"""

import hashlib

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from lm_saturation import model_metrics
from lm_saturation.checkpoints.loading import load_model, quantisation_of
from lm_saturation.evidence.rounding import rounding_cost
from lm_saturation.text.make_tokenizers import read_tokenizer
from tests.conftest import RESOURCES
from tests.evidence.smollm2 import FILE, TEXT, needed

MARGIN = 0.02  # nats/token

pytestmark = needed


@pytest.fixture(scope="module")
def tokens():
    return read_tokenizer(FILE).encode(TEXT, add_special_tokens=False).ids


@pytest.fixture(scope="module")
def loss(tokens):
    found = model_metrics(load_model(FILE.parent, torch.float32), [tokens], random_text_tokens=0)
    return found.metrics["cross_entropy_nats"]


def test_it_is_the_file_whose_numbers_are_shipped():
    with FILE.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    assert digest in (RESOURCES / "README.md").read_text(encoding="utf-8")
    assert quantisation_of(FILE.parent) == "Q4_1 79 %, Q8_0 21 %"


def test_the_loss_is_that_of_transformers(tokens, loss):
    model = AutoModelForCausalLM.from_pretrained(FILE.parent, gguf_file=FILE.name, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0, :-1].double()  # its own sum of losses is in float32
    theirs = float(torch.nn.functional.cross_entropy(logits, torch.tensor(tokens[1:])))
    assert loss == pytest.approx(theirs, abs=1e-5)
    assert loss < 3.5  # nats/token: it knows English


@pytest.mark.parametrize("offset", [9, 50, 200, 800, 1500])
def test_its_logits_lose_by_rounding_about_what_gaussian_ones_do(tokens, offset):
    """Within a factor of 2.5: logits of real text have longer tails than Gaussian ones, and likelier next tokens."""
    with torch.no_grad():
        logits = load_model(FILE.parent, torch.float32)(torch.tensor([tokens])).logits[0].double()
    logits -= logits.mean(1, keepdim=True)
    exact, noisy = (values.log_softmax(1) for values in (logits, (logits + offset).bfloat16().double()))
    lost = float((exact.exp() * (exact - noisy)).sum(1).mean())
    predicted = rounding_cost(offset, float(logits.std(1).mean()), "bfloat16", logits.shape[1])
    assert 1 / 2.5 < predicted / lost < 2.5


def test_tokens_and_loss_are_those_of_llama_cpp(tokens, loss):
    llama_cpp = pytest.importorskip(
        "llama_cpp",
        reason="llama-cpp-python is not installed: pip install llama-cpp-python, which builds llama.cpp",
    )
    engine = llama_cpp.Llama(str(FILE), n_ctx=1024, logits_all=True, n_threads=1, verbose=False)
    assert engine.tokenize(TEXT.encode(), add_bos=False, special=False) == tokens
    engine.eval(tokens)
    logits = np.asarray(engine.scores[: len(tokens) - 1], np.float64)
    peak = logits.max(1)
    normaliser = peak + np.log(np.exp(logits - peak[:, None]).sum(1))
    theirs = float((normaliser - logits[np.arange(len(logits)), tokens[1:]]).mean())
    assert loss == pytest.approx(theirs, abs=MARGIN)
