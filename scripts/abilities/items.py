"""Two sets of multiple-choice items made of any text, for evaluation where no benchmark can be had.

cloze          which of four words ends this passage? Three of them are words of other places.
next_sentence  which of four sentences (in program text: lines) goes on with this passage?

The place of the right choice and those of the three others are four independent draws from the same text, and a draw
in which two choices are the same is rejected as a whole. So the four are exchangeable: who knows how frequent words
or sentences are, but does not read the passage, is right in one of four.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from scripts.common.jobs import InputError

CHOICES = 4
LEAST_CONTEXT = 60  # characters before a place
WORD = re.compile(r"(?<=\S )[^\W\d_]{3,}(?!\w)")  # three letters or more, one space after what is before
SENTENCE = re.compile(r"\S.*?(?:[.!?](?=\s)|$)", re.MULTILINE)  # to a full stop or the end of a line
SENTENCE_LENGTHS = range(15, 121)  # characters
TRIES = 1000  # draws for an item, after which the text is taken to hold too few different choices

Place = tuple[int, int, int]  # text, begin, end


def make_items(kind: str, texts: Sequence[str], number: int, context: int, seed: int) -> list[dict[str, Any]]:
    """`number` items of a kind, `cloze` or `next_sentence`: context, four choices, and which is `correct`.

    A context has at most `context` characters; it and a choice, one after the other, are text as it stands. Raises
    InputError if the texts hold too little to choose from.
    """
    places = list(_places(WORD if kind == "cloze" else SENTENCE, texts))
    places = [place for place in places if kind == "cloze" or place[2] - place[1] in SENTENCE_LENGTHS]
    if len(places) < CHOICES:
        raise InputError(
            f"task {kind}: the held-out text has {len(places)} places to ask for, at least {CHOICES} needed"
        )
    random = np.random.default_rng([seed, kind == "cloze"])
    return [_item(places, texts, context, random, kind) for _ in range(number)]


def _places(pattern: re.Pattern[str], texts: Sequence[str]) -> Iterator[Place]:
    for number, text in enumerate(texts):
        for found in pattern.finditer(text):
            if found.start() >= LEAST_CONTEXT:
                yield number, *found.span()


def _item(
    places: Sequence[Place], texts: Sequence[str], context: int, random: np.random.Generator, kind: str
) -> dict[str, Any]:
    for _ in range(TRIES):
        drawn = [places[at] for at in random.integers(len(places), size=CHOICES)]
        choices = [texts[number][begin:end] for number, begin, end in drawn]
        if len(set(choices)) == CHOICES:
            break
    else:
        raise InputError(f"task {kind}: the held-out text has too few different choices, {CHOICES} an item are needed")
    number, begin, _ = drawn[0]
    before = texts[number][:begin]
    passage = before.rstrip()
    gap = before[len(passage) :]
    order = random.permutation(CHOICES)
    return {
        "context": _last(passage, context),
        "choices": [gap + choices[at] for at in order],
        "correct": int(np.flatnonzero(order == 0)[0]),
    }


def _last(passage: str, length: int) -> str:
    """The last characters of a passage, from the beginning of a word."""
    if len(passage) <= length:
        return passage
    return re.sub(r"^\S*\s+", "", passage[-length:], count=1)
