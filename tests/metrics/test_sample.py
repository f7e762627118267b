"""The held-out sample: its places, its hash, and the bytes of its text."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from scripts.common.jobs import InputError
from scripts.metrics.sample import draw_sample, first_token, token_sizes

PYTHIA = Path(__file__).resolve().parents[3] / "shared" / "data" / "pythia-tokenizer.json"
TEXT = "def größe(x):\n\treturn x  # 你好, the quick brown fox 🦊 jumps — over the lazy dog\n" * 5


def draw(documents, tokens=40, length=5, seed=0, first=None):
    return draw_sample(documents, tokens, length, seed, np.ones(1000, np.int64), first)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(2, 7), st.integers(1, 30), st.integers(0, 99))
def test_sequences_lie_in_the_text_and_never_overlap(sizes, length, tokens, seed):
    ids = np.arange(sum(sizes))
    documents = np.split(ids, np.cumsum(sizes)[:-1])
    if len(ids) < -(-tokens // (length - 1)) * length:
        with pytest.raises(InputError, match=f"only {len(ids)} tokens"):
            draw(documents, tokens, length, seed)
        return
    sample = draw(documents, tokens, length, seed)
    whole = np.hstack([sample.inputs, sample.targets[:, -1:]])
    assert (np.diff(whole) == 1).all()  # ids are their own places
    assert len(np.unique(whole)) == whole.size
    assert tokens <= sample.targets.size < tokens + length - 1
    np.testing.assert_array_equal(whole[:, 1:], sample.targets)


def test_the_same_seed_gives_the_same_sample_whatever_the_shards():
    ids = np.arange(500)
    one, other = draw([ids]), draw([ids[:123].astype(np.uint16), ids[123:]])
    assert one.sha256 == other.sha256
    np.testing.assert_array_equal(one.inputs, other.inputs)
    assert draw([ids], seed=1).sha256 != one.sha256
    whole = np.hstack([one.inputs, one.targets[:, -1:]]).astype("<u4")
    assert one.sha256 == hashlib.sha256(whole.tobytes()).hexdigest()


def test_every_place_is_drawn_alike():
    drawn = np.bincount(np.concatenate([draw([np.arange(20)], 4, 5, seed).targets[0] for seed in range(4000)]))
    begins = drawn[1:17] * 1.0  # each of 16 places of one sequence; a token lies in up to four targets
    expected = np.convolve(np.full(16, 250.0), np.ones(4))[:16]
    assert (np.abs(begins - expected) < 6 * np.sqrt(expected)).all()


def test_a_first_token_is_context_only():
    plain, prefixed = draw([np.arange(500)]), draw([np.arange(500)], first=7)
    assert (prefixed.inputs[:, 0] == 7).all()
    assert (plain.skip, prefixed.skip) == (0, 1)
    assert plain.sha256 == prefixed.sha256
    np.testing.assert_array_equal(prefixed.inputs[:, 1:], plain.inputs)
    np.testing.assert_array_equal(prefixed.targets, plain.targets)


def test_size_is_that_of_the_targets():
    sizes = np.arange(1000)
    sample = draw_sample([np.arange(500)], 40, 5, 0, sizes, None)
    assert sample.size == sizes[sample.targets].sum()


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.add_tokens([AddedToken("  ", normalized=False), AddedToken("lazy dog", normalized=False)])
    return tokenizer


def sentencepiece_like():
    pieces = {f"<0x{byte:02X}>": byte for byte in range(256)}
    for character in "▁" + "".join(sorted(set("defreturnthequickbownxjumpsvlazyg(:)#,\nö"))):
        pieces.setdefault(character, len(pieces))
    tokenizer = Tokenizer(models.BPE(pieces, [], byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


@pytest.mark.parametrize(
    "make",
    [
        byte_level,
        sentencepiece_like,
        pytest.param(
            lambda: Tokenizer.from_file(str(PYTHIA)),
            marks=pytest.mark.skipif(not PYTHIA.is_file(), reason="Pythia's tokenizer.json is not at ../shared/data"),
        ),
    ],
    ids=["byte-level", "sentencepiece", "pythia"],
)
def test_token_sizes_are_the_bytes_that_decoding_gives(make):
    tokenizer = make()
    ids = tokenizer.encode(TEXT, add_special_tokens=False).ids
    assert tokenizer.decode(ids) == TEXT
    sizes = token_sizes(tokenizer, max(ids) + 1 + tokenizer.get_vocab_size())
    assert sizes[ids].sum() == len(TEXT.encode())


def test_first_token_must_be_known():
    tokenizer = byte_level()
    assert first_token(tokenizer, "lazy dog") == tokenizer.token_to_id("lazy dog")
    assert first_token(tokenizer, None) is None
    with pytest.raises(InputError, match="first_token: the tokenizer has no token '<bos>'"):
        first_token(tokenizer, "<bos>")
