"""The held-out sample: its places, its hash, and the bytes of its text."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from lm_saturation.errors import InputError
from lm_saturation.inference.evaluation_sample import draw_sample, token_sizes
from lm_saturation.inference.start_token import first_token
from lm_saturation.text.splits import Documents

PYTHIA = Path(__file__).resolve().parents[3] / "shared" / "data" / "pythia-tokenizer.json"
TEXT = "def größe(x):\n\treturn x  # 你好, the quick brown fox 🦊 jumps — over the lazy dog\n" * 5


def text_of(*documents):
    return Documents(np.concatenate(documents), np.cumsum([len(document) for document in documents]))


def draw(texts, tokens=40, length=5, seed=0, first=None):
    return draw_sample(texts, tokens, length, seed, np.ones(20_000, np.int64), first)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(2, 7), st.integers(1, 30), st.integers(0, 99))
def test_sequences_lie_in_the_text_and_never_overlap(sizes, length, tokens, seed):
    ids = np.arange(sum(sizes))
    documents = np.split(ids, np.cumsum(sizes)[:-1])
    shard = seed % (len(documents) + 1)
    texts = [text_of(*part) for part in (documents[:shard], documents[shard:]) if part]
    if len(ids) < -(-tokens // (length - 1)) * length:
        with pytest.raises(InputError, match=f"only {len(ids)} tokens"):
            draw(texts, tokens, length, seed)
        return
    sample = draw(texts, tokens, length, seed)
    whole = np.hstack([sample.inputs, sample.targets[:, -1:]])
    assert (np.diff(whole) == 1).all()  # ids are their own places
    assert len(np.unique(whole)) == whole.size
    assert tokens <= sample.targets.size < tokens + length - 1
    np.testing.assert_array_equal(whole[:, 1:], sample.targets)
    of_tokens = [number for number, document in enumerate(documents) for _ in document]
    assert sample.documents.tolist() == [[of_tokens[token] for token in row] for row in sample.targets.tolist()]


def by_document(sample):
    """How many sequences begin in each document."""
    return Counter(sample.documents[:, 0].tolist())


@pytest.mark.parametrize("seed", range(20))
def test_no_document_is_read_twice_before_all_are_read_once(seed):
    sizes = np.random.default_rng(seed).integers(50, 900, 30)
    texts = [text_of(*np.split(np.arange(sizes.sum()), np.cumsum(sizes)[:-1]))]
    for number, most in ((7, 1), (30, 1), (41, 2), (60, 2), (75, 3)):
        found = by_document(draw(texts, number * 9, 10, seed))
        assert found.total() == number
        assert len(found) == min(number, 30)
        assert max(found.values()) == most


def test_short_documents_are_read_together_and_none_is_left_out():
    """Documents of 3 tokens, four of which hold a sequence of 10: a sequence a group, of at least three documents."""
    texts = [text_of(*np.split(np.arange(240), 80))]
    for seed in range(10):
        sample = draw(texts, 20 * 9, 10, seed)
        assert (sample.documents[:, 0] // 4).tolist() == list(range(20))
        assert (sample.documents[:, -1] // 4).tolist() == list(range(20))
        assert len(np.unique(sample.documents)) >= 60


def test_of_many_documents_every_token_is_drawn_alike():
    sizes = np.random.default_rng(0).integers(20, 200, 50)
    texts = [text_of(*np.split(np.arange(sizes.sum()), np.cumsum(sizes)[:-1]))]
    counts = sum((by_document(draw(texts, 8 * 4, 5, seed)) for seed in range(2000)), Counter())
    found = np.array([counts[document] for document in range(50)])
    expected = 2000 * 8 * sizes / sizes.sum()
    assert (np.abs(found - expected) < 5 * np.sqrt(expected)).all()


def test_text_that_is_nearly_all_needed_is_read_across_documents():
    """Blocks of 9 tokens would hold one sequence of 5 each; all ten sequences fit 50 of 54 tokens."""
    texts = [text_of(*np.split(np.arange(54), 6))]
    sample = draw(texts, 40, 5)
    assert sample.targets.shape == (10, 4)
    assert len(np.unique(sample.targets)) == 40


def test_the_same_seed_gives_the_same_sample_whatever_the_shards():
    ids = np.arange(500)
    one, other = draw([text_of(ids[:123], ids[123:])]), draw([text_of(ids[:123].astype(np.uint16)), text_of(ids[123:])])
    assert one.sha256 == other.sha256
    np.testing.assert_array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.documents, other.documents)
    assert draw([text_of(ids)], seed=1).sha256 != one.sha256
    whole = np.hstack([one.inputs, one.targets[:, -1:]]).astype("<u4")
    assert one.sha256 == hashlib.sha256(whole.tobytes()).hexdigest()


def test_every_place_is_drawn_alike():
    drawn = np.bincount(np.concatenate([draw([text_of(np.arange(20))], 4, 5, seed).targets[0] for seed in range(4000)]))
    begins = drawn[1:17] * 1.0  # each of 16 places of one sequence; a token lies in up to four targets
    expected = np.convolve(np.full(16, 250.0), np.ones(4))[:16]
    assert (np.abs(begins - expected) < 6 * np.sqrt(expected)).all()


def test_a_first_token_is_context_only():
    plain, prefixed = draw([text_of(np.arange(500))]), draw([text_of(np.arange(500))], first=7)
    assert (prefixed.inputs[:, 0] == 7).all()
    assert (plain.skip, prefixed.skip) == (0, 1)
    assert plain.sha256 == prefixed.sha256
    np.testing.assert_array_equal(prefixed.inputs[:, 1:], plain.inputs)
    np.testing.assert_array_equal(prefixed.targets, plain.targets)


def test_size_is_that_of_the_targets():
    sizes = np.arange(1000)
    sample = draw_sample([text_of(np.arange(500))], 40, 5, 0, sizes, None)
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
