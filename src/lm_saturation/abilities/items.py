"""Two sets of multiple-choice items made of any text, for evaluation where no benchmark can be had.

cloze          which of four words ends this passage? The other three are words from elsewhere in the text.
next_sentence  which of four sentences (in program text: lines) continues this passage?

The place of the correct choice and those of the three others are four independent draws from the same text, and a draw
in which two choices are the same, or one is too long for the model, is rejected altogether. So the four are
exchangeable: a model that knows how frequent words or sentences are, but does not read the passage, is right in one of
four.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lm_saturation.errors import InputError

CHOICES = 4
MINIMUM_CONTEXT = 60  # characters before a place
WORD = re.compile(r"(?<=\S )[^\W\d_]{3,}(?!\w)")  # three letters or more, one space after what is before
SENTENCE = re.compile(r"\S.*?(?:[.!?](?=\s)|$)", re.MULTILINE)  # to a full stop or the end of a line
SENTENCE_LENGTHS = range(15, 121)  # characters
MAXIMUM_DRAWS = 1000  # for an item; after them, the text is taken to hold too few different choices

Place = tuple[int, int, int]  # text, begin, end


def make_items(
    kind: str, texts: Sequence[str], number: int, context: int, seed: int, fits: Callable[[str], bool] = bool
) -> list[dict[str, Any]]:
    """`number` items of a kind, `cloze` or `next_sentence`: context, four choices, and which is `correct`.

    A context has at most `context` characters; it and the correct choice, concatenated, are text as it stands. `fits`
    says whether a choice, with the space before it, is short enough for the model. Raises InputError if the texts hold
    too little to choose from.
    """
    places = list(_places(WORD if kind == "cloze" else SENTENCE, texts))
    places = [place for place in places if kind == "cloze" or place[2] - place[1] in SENTENCE_LENGTHS]
    if len(places) < CHOICES:
        raise InputError(
            f"task {kind}: the held-out text has {len(places)} places to make items of, at least {CHOICES} are needed"
        )
    random = np.random.default_rng([seed, kind == "cloze"])
    return [_item(places, texts, context, random, kind, fits) for _ in range(number)]


def _places(pattern: re.Pattern[str], texts: Sequence[str]) -> Iterator[Place]:
    for number, text in enumerate(texts):
        for match in pattern.finditer(text):
            if match.start() >= MINIMUM_CONTEXT:
                yield number, *match.span()


def _item(
    places: Sequence[Place],
    texts: Sequence[str],
    context: int,
    random: np.random.Generator,
    kind: str,
    fits: Callable[[str], bool],
) -> dict[str, Any]:
    """An item made of four random places; the first of them is that of the correct choice."""
    for _ in range(MAXIMUM_DRAWS):
        drawn = [places[place] for place in random.integers(len(places), size=CHOICES)]
        choices = [texts[number][begin:end] for number, begin, end in drawn]
        spaces = [_split(texts[number][:begin])[1] for number, begin, _ in drawn]
        # any choice after any space: which of the four places is the correct one must not matter
        if len(set(choices)) == CHOICES and all(fits(space + choice) for space in set(spaces) for choice in choices):
            break
    else:
        raise InputError(
            f"task {kind}: the held-out text has too few different choices short enough for the model, an item needs "
            f"{CHOICES}"
        )
    number, begin, _ = drawn[0]
    passage, space = _split(texts[number][:begin])
    order = random.permutation(CHOICES)
    return {
        "context": _last_words(passage, context),
        "choices": [space + choices[choice] for choice in order],
        "correct": int(np.flatnonzero(order == 0)[0]),
    }


def _split(before: str) -> tuple[str, str]:
    """What stands before a place: the passage, and the space at its end."""
    passage = before.rstrip()
    return passage, before[len(passage) :]


def _last_words(passage: str, length: int) -> str:
    """The end of a passage, at most `length` characters, from the beginning of a word."""
    if len(passage) <= length:
        return passage
    return re.sub(r"^\S*\s+", "", passage[-length:], count=1)
