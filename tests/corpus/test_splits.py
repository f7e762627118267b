"""Documents held out: a seeded choice, large enough for intervals where the corpus allows it."""

import numpy as np
import pytest

from lm_saturation.config.metrics import HeldOut
from lm_saturation.errors import InputError
from lm_saturation.text.splits import split_documents
from lm_saturation.text.token_files import open_tokens, write_tokens


def holds_out(share, minimum=1, seed=0):
    return HeldOut(share=share, minimum_documents=minimum, seed=seed)


def test_every_document_is_on_one_side_and_the_choice_is_seeded(tmp_path):
    documents = [np.full(3, number, np.uint16) for number in range(50)]
    write_tokens(tmp_path / "t.json", documents, 50, {"corpus": "c", "tokenizer": "t"})
    tokens = [open_tokens(tmp_path / "t.json")]
    sides = split_documents(tokens, holds_out(0.1))
    assert sides.held_out.sum() == 5
    assert set(sides.train.ids) | set(sides.test.ids) == set(range(50))
    assert not set(sides.train.ids) & set(sides.test.ids)
    assert sides.test.ends.tolist() == [3, 6, 9, 12, 15]
    assert (split_documents(tokens, holds_out(0.1)).held_out == sides.held_out).all()
    assert (split_documents(tokens, holds_out(0.1, seed=1)).held_out != sides.held_out).any()
    assert [split_documents(tokens, holds_out(share)).held_out.sum() for share in (0.001, 0.5, 0.999)] == [1, 25, 49]


@pytest.mark.parametrize(
    ("documents", "share", "minimum", "held_out"),
    [
        (730, 0.05, 220, 220),  # python-source: the share would be 36
        (10_281, 0.05, 220, 514),  # python-docs: the share is enough
        (60, 0.05, 220, 20),  # at most a third, to reach the minimum
        (60, 0.5, 220, 30),  # more, if the share says so
        (2, 0.05, 220, 1),
        (3, 0.05, 220, 1),
    ],
)
def test_enough_documents_are_held_out_where_there_are_enough(tmp_path, documents, share, minimum, held_out):
    arrays = [np.full(1 + number % 3, number) for number in range(documents)]
    write_tokens(tmp_path / "t.json", arrays, documents, {"corpus": "c", "tokenizer": "t"})
    split = split_documents([open_tokens(tmp_path / "t.json")], holds_out(share, minimum))
    assert split.held_out.sum() == len(split.test.ends) == held_out
    assert set(split.test.ids) == set(np.flatnonzero(split.held_out))
    more = split_documents([open_tokens(tmp_path / "t.json")], holds_out(share, 1))
    assert not (more.held_out & ~split.held_out).any()  # a larger minimum only adds documents


@pytest.mark.parametrize("documents", [[], [[]], [[1]], [[], []], [[1, 2], []]])
def test_too_little_text_to_hold_any_out(tmp_path, documents):
    arrays = [np.array(document, np.uint16) for document in documents]
    write_tokens(tmp_path / "t.json", arrays, 5, {"corpus": "c", "tokenizer": "t"})
    with pytest.raises(InputError, match=r"corpus c: . tokens to train on and . held out"):
        split_documents([open_tokens(tmp_path / "t.json")], HeldOut())
