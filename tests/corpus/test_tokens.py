import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from lm_saturation.errors import InputError
from lm_saturation.text.corpus import cut_pieces, write_corpus
from lm_saturation.text.encoding import safely_cut
from lm_saturation.text.make_tokenizers import train_tokenizer
from lm_saturation.text.sources.tokenizers import LocalTokenizer, TrainedTokenizer
from lm_saturation.text.token_files import open_tokens
from lm_saturation.text.tokenizers import continuing, load_tokenizer, vocabulary_size

PYTHIA = Path(__file__).resolve().parents[3] / "shared" / "data" / "pythia-tokenizer.json"
TEXTS = ["The cat sat on the mat.\nThe cat sat.", "Zwölf Boxkämpfer jagen Viktor.", "the end"]


@pytest.fixture
def corpus(tmp_path):
    write_corpus("c", [[text] for text in TEXTS], tmp_path / "c.parquet")
    return tmp_path / "c.parquet"


def tokens_of(run_script, corpus, tokenizer, tmp_path, max_tokens=None, shard=0, shards=1):
    run_script(
        "corpus/tokens.py",
        input={"corpus": corpus, "tokenizer": tokenizer},
        output={"record": tmp_path / "t.json"},
        params={"max_tokens": max_tokens, "shards": shards},
        wildcards={"corpus": "c", "tokenizer": "t", "shard": str(shard)},
    )
    return open_tokens(tmp_path / "t.json")


def run_tokenizer(run_script, tmp_path, source, corpora=()):
    run_script(
        "corpus/tokenizer.py",
        input={"corpora": list(corpora), "local": source.input_files()},
        output={"tokenizer": tmp_path / "tokenizer.json", "record": tmp_path / "tokenizer.record.json"},
        params={"source": source},
        wildcards={"tokenizer": "t"},
    )
    return json.loads((tmp_path / "tokenizer.record.json").read_text())


def documents_of(tokens):
    return [tokens.ids[start:end].tolist() for start, end in zip([0, *tokens.ends], tokens.ends, strict=False)]


def test_trained_tokenizer_round_trip(run_script, corpus, tmp_path):
    source = TrainedTokenizer(source="train", vocabulary_size=280, corpora=["c"])
    record = run_tokenizer(run_script, tmp_path, source, corpora=[str(corpus)])
    assert (record["tokenizer"], record["vocabulary_size"]) == ("t", 280)
    tokens = tokens_of(run_script, corpus, tmp_path / "tokenizer.json", tmp_path)
    assert tokens.vocabulary_size == 280
    assert tokens.ids.dtype.itemsize == 2
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [tokenizer.decode(ids) for ids in documents_of(tokens)] == TEXTS


@pytest.mark.parametrize("maximum", [1, 9, 10, 11, 10**6])
def test_maximum_tokens_cut_exactly(run_script, corpus, tmp_path, maximum):
    train_tokenizer("byte-bpe", 280, [str(corpus)]).save(str(tmp_path / "tokenizer.json"))
    uncut = tokens_of(run_script, corpus, tmp_path / "tokenizer.json", tmp_path).ids.tolist()
    tokens = tokens_of(run_script, corpus, tmp_path / "tokenizer.json", tmp_path, max_tokens=maximum)
    assert tokens.ids.tolist() == uncut[:maximum]
    assert tokens.ends[-1] == len(tokens.ids)
    assert len(set(tokens.ends.tolist())) == len(tokens.ends)  # no empty document where it was cut
    warned = "asked for 1000000 tokens; the text gave" in (tmp_path / "script.log").read_text()
    assert warned == (maximum > len(uncut))


def test_maximum_tokens_are_shared_by_the_shards(run_script, corpus, tmp_path):
    train_tokenizer("byte-bpe", 280, [str(corpus)]).save(str(tmp_path / "tokenizer.json"))
    shards = [tokens_of(run_script, corpus, tmp_path / "tokenizer.json", tmp_path, 8, shard, 3) for shard in range(3)]
    assert [len(tokens.ids) for tokens in shards] == [3, 3, 2]
    assert [tokens.record["shard"] for tokens in shards] == [0, 1, 2]


def test_an_empty_shard_has_no_tokens(run_script, corpus, tmp_path):
    train_tokenizer("byte-bpe", 280, [str(corpus)]).save(str(tmp_path / "tokenizer.json"))
    write_corpus("c", [], tmp_path / "empty.parquet", may_be_empty=True)
    tokens = tokens_of(run_script, tmp_path / "empty.parquet", tmp_path / "tokenizer.json", tmp_path)
    assert (len(tokens.ids), len(tokens.ends)) == (0, 0)


def sentencepiece(**changes):
    """A tokenizer built as Llama-2's is: a space put before, spaces as a letter, merges over the uncut text."""
    vocabulary = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "c", "."]
    merges = [("▁", "a"), ("▁", "b"), ("a", "b"), ("▁", "▁"), ("▁a", "b"), ("ab", "c"), ("▁▁", "▁▁"), ("c", ".")]
    vocabulary += ["".join(pair) for pair in merges]
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    for part, value in changes.items():
        setattr(tokenizer, part, value)
    return tokenizer


METASPACE = {"normalizer": None, "pre_tokenizer": pre_tokenizers.Metaspace(prepend_scheme="first", split=False)}
PREFIXING = {
    "prepended by the normalizer": sentencepiece(),
    "prepended alone": sentencepiece(normalizer=normalizers.Prepend("▁")),
    "prepended by the pre-tokenizer": sentencepiece(**METASPACE),
    "byte-level with a space before": sentencepiece(normalizer=None, pre_tokenizer=pre_tokenizers.ByteLevel()),
    "nothing before": sentencepiece(normalizer=normalizers.Replace(" ", "▁")),
}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["ab", "abc.", " ", "  ", "\n", "\n\n", "\nä", "b\nab", " a"]), min_size=9, max_size=40),
    st.integers(5, 20),
    st.sampled_from(sorted(PREFIXING)),
)
def test_a_document_in_pieces_has_the_tokens_of_the_uncut_text(parts, longest, kind):
    text = "b abc\na ".join(["ab", *parts])  # so that a safe place is never far
    tokenizer = PREFIXING[kind]
    continuing_tokenizer = continuing(tokenizer)
    first, *rest = cut_pieces([text], longest)
    assert rest
    ids = tokenizer.encode(first).ids + [token for piece in rest for token in continuing_tokenizer.encode(piece).ids]
    assert ids == tokenizer.encode(text).ids


O200K = Regex(  # of GPT-4o, openai/tiktoken
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["ab", "Ab", ".", "/", " ", "\n", "\n/", ";\n//", "\r\n", "1", "'s", "ä"]), max_size=40),
    st.integers(13, 30),
)
def test_no_cut_is_inside_what_o200k_keeps_together(parts, longest):
    text = "b abc\na ".join(["ab", *parts])
    pieces = list(cut_pieces([text], longest))
    split = pre_tokenizers.Split(O200K, "isolated")
    whole = [word for word, _ in split.pre_tokenize_str(text)]
    assert [word for piece in pieces for word, _ in split.pre_tokenize_str(piece)] == whole


def joining(*merges, **parts):
    """A tokenizer of characters that makes one token of each of these pairs of strings, whatever stands between."""
    characters = sorted(set("ab c.\n/1;") | set("".join(left + right for left, right in merges)))
    names = dict.fromkeys([*characters, *(left + right for left, right in merges)])
    tokenizer = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, list(merges)))
    for part, value in parts.items():
        setattr(tokenizer, part, value)
    return tokenizer


JOINING = {
    "over a line end": joining(("\n", "a"), ("b", "\n")),
    "over a space": joining((" ", "a"), ("b", " a")),
    "over both": joining(("\n", "a"), (" ", "a"), ("b", " a"), ("c", " ")),
    "stripped": joining(normalizer=normalizers.Strip()),
    "o200k": joining((";", "\n"), (";\n", "/"), pre_tokenizer=pre_tokenizers.Split(O200K, "isolated")),
}


@pytest.mark.parametrize("kind", JOINING)
def test_cuts_are_moved_to_where_the_tokenizer_makes_no_token_across(kind):
    """Wherever they lie; the pieces still are the text."""
    tokenizer, text = JOINING[kind], "ab a c;\nab;\n//a. b\n" * 200
    for cut in range(1900, 1921):
        (first, *_), *others = safely_cut([[(0, 0, text[:cut]), (0, 1, text[cut:])]], tokenizer)
        pieces = [piece for _, _, piece in [first, *(row for rows in others for row in rows)]]
        assert "".join(pieces) == text
        assert len(pieces[0]) - cut in range(20)
        assert [token for piece in pieces for token in tokenizer.encode(piece).ids] == tokenizer.encode(text).ids


def test_a_cut_without_a_safe_place_is_logged_and_the_end_of_a_document_is_joined(caplog):
    tokenizer = joining(("1", "1"), ("11", "1"))  # three digits a token, and nothing else to cut at
    long = [(0, 0, "1" * 4001), (0, 1, "1" * 200_000)]
    with caplog.at_level("WARNING", "saturation"):
        assert [row for rows in safely_cut([long], tokenizer) for row in rows] == long
    assert "document 0, after piece 0: found no place where the tokenizer makes no token across" in caplog.text
    short = [(0, 0, "1" * 4001), (0, 1, "1" * 200)]
    rows = [row for rows in safely_cut([[short[0]], [short[1], (1, 0, "a")]], tokenizer) for row in rows]
    assert rows == [(0, 0, "1" * 4201), (0, 1, ""), (1, 0, "a")]


def test_only_what_prefixes_is_changed():
    assert continuing(PREFIXING["nothing before"]) is PREFIXING["nothing before"]
    assert continuing(sentencepiece()).encode("abc").tokens == ["abc"]
    assert sentencepiece().encode("abc").tokens == ["▁ab", "c"]


def test_long_documents_of_a_prefixing_tokenizer(run_script, tmp_path):
    text = "abc. ab\nabc  a.\n\n" * 100_000
    sentencepiece().save(str(tmp_path / "tokenizer.json"))
    write_corpus("c", [["a"], [text], ["b c"]], tmp_path / "c.parquet")
    documents = documents_of(tokens_of(run_script, tmp_path / "c.parquet", tmp_path / "tokenizer.json", tmp_path))
    assert documents == [sentencepiece().encode(document).ids for document in ("a", text, "b c")]
    assert len(list(cut_pieces([text]))) > 1


def test_pieces_of_a_document_are_joined(run_script, tmp_path, monkeypatch):
    text = "\n".join(f"line {i} of the text" for i in range(500))
    write_corpus("c", [[text], ["other"]], tmp_path / "uncut.parquet")
    cut_at = text.index("\n", 4000) + 1
    monkeypatch.setattr(
        "lm_saturation.text.corpus.cut_pieces",
        lambda pieces: filter(None, ["".join(pieces)[:cut_at], "".join(pieces)[cut_at:]]),
    )
    write_corpus("c", [[text], ["other"]], tmp_path / "cut.parquet")
    train_tokenizer("byte-bpe", 300, [str(tmp_path / "uncut.parquet")]).save(str(tmp_path / "tokenizer.json"))
    uncut = documents_of(tokens_of(run_script, tmp_path / "uncut.parquet", tmp_path / "tokenizer.json", tmp_path))
    pieces = documents_of(tokens_of(run_script, tmp_path / "cut.parquet", tmp_path / "tokenizer.json", tmp_path))
    assert uncut == pieces
    assert len(uncut) == 2


def test_words(run_script, corpus, tmp_path):
    train_tokenizer("word", 4, [str(corpus)]).save(str(tmp_path / "tokenizer.json"))
    tokens = tokens_of(run_script, corpus, tmp_path / "tokenizer.json", tmp_path)
    assert tokens.vocabulary_size == 4
    vocabulary = load_tokenizer(tmp_path / "tokenizer.json").get_vocab()
    assert tokens.ids[:2].tolist() == [vocabulary["The"], vocabulary["cat"]]
    assert vocabulary["[UNK]"] in tokens.ids


def test_truncation_of_a_local_tokenizer_is_switched_off(corpus, tmp_path, run_script):
    tokenizer = train_tokenizer("byte-bpe", 280, [str(corpus)])
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=50)
    tokenizer.save(str(tmp_path / "mine.json"))
    run_tokenizer(run_script, tmp_path, LocalTokenizer(source="local", path=str(tmp_path / "mine.json")))
    tokens = tokens_of(run_script, corpus, tmp_path / "tokenizer.json", tmp_path)
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).decode(documents_of(tokens)[0]) == TEXTS[0]


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1.0", "model": 5}', "not json"])
def test_malformed_tokenizer_is_named(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match=r"tokenizer\.json: not a tokenizer\.json") as caught:
        load_tokenizer(tmp_path / "tokenizer.json")
    assert "\n" not in str(caught.value)


def test_ids_with_gaps_count_to_the_largest(corpus, tmp_path):
    tokenizer = train_tokenizer("word", 6, [str(corpus)])
    model = json.loads(tokenizer.to_str())
    model["model"]["vocab"]["far"] = 70000
    (tmp_path / "gaps.json").write_text(json.dumps(model))
    assert vocabulary_size(load_tokenizer(tmp_path / "gaps.json")) == 70001


@pytest.mark.skipif(not PYTHIA.is_file(), reason="Pythia's tokenizer.json is not at ../shared/data")
def test_english_with_pythias_tokenizer(run_script, corpus, tmp_path):
    tokens = tokens_of(run_script, corpus, PYTHIA, tmp_path)
    assert tokens.vocabulary_size == 50277
    reference = Tokenizer.from_file(str(PYTHIA))
    assert documents_of(tokens) == [reference.encode(text).ids for text in TEXTS]
