"""Small problems with known answers, and a model on disk with text to read."""

import numpy as np
import torch
from tokenizers import Tokenizer, models

from lm_saturation.heads.states import HeadStates
from lm_saturation.text.token_files import write_tokens
from tests.metrics.models import tiny_model

VOCABULARY = 60


def sampled(head, states, seed=0):
    """Next tokens (n,) drawn from the softmax of a head (V, d) over hidden states (n, d)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.multinomial(torch.softmax(states @ head.T, 1), 1, generator=generator)[:, 0]


def problem(tokens=4000, size=20, width=8, rank=None, seed=0, scale=1.0):
    """Hidden states (n, d), next tokens (n,) and the head (V, d) of that rank they are drawn from, in float64."""
    rng = np.random.default_rng(seed)
    states = torch.from_numpy(rng.standard_normal((tokens, width)))
    left, right = rng.standard_normal((size, rank or width)), rng.standard_normal((rank or width, width))
    head = torch.from_numpy(left @ right * scale / np.sqrt(rank or width))
    return states, sampled(head, states, seed), head


def frozen_problem(tokens=600, size=20, width=8, seed=0, bias=False):
    """The same as HeadStates of sequences of 20 tokens; the pretrained head is near the true one."""
    states, next_tokens, head = problem(tokens, size, width, seed=seed)
    off = torch.from_numpy(np.random.default_rng(seed + 1).standard_normal(head.shape)) * 0.1
    offset = torch.from_numpy(np.random.default_rng(seed + 2).standard_normal(size)).float() if bias else None
    return HeadStates(states.float(), next_tokens.view(-1, 20), (head + off).float(), offset, 7, "0" * 64)


def write_model(folder, family="gpt_neox", documents=200, **changes):
    """A checkpoint of tests.metrics.models, two shards of text of its tokens, and a tokenizer of as many."""
    rng = np.random.default_rng(0)
    for step in (0, 5):
        tiny_model(family, seed=step, **changes).save_pretrained(folder / "span" / f"step{step}")
    texts = [rng.integers(VOCABULARY, size=rng.integers(20, 60)).astype(np.uint32) for _ in range(documents)]
    for number in range(2):
        write_tokens(folder / f"{number}.json", texts[number::2], VOCABULARY, {"corpus": "c", "tokenizer": "t"})
    words = {f"w{number}": number for number in range(VOCABULARY)}
    Tokenizer(models.WordLevel(words, "w0")).save(str(folder / "tokenizer.json"))
    return folder
