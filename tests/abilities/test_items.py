"""Tasks made of text: what an item is, and that guessing by frequency is right in one of four."""

from collections import Counter

import numpy as np
import pytest

from lm_saturation.abilities.items import CHOICES, make_items
from lm_saturation.errors import InputError

WORDS = ["the", "model", "reads", "tokens", "loss", "rank", "head", "Größe", "weights", "entropy"]


def some_texts(number=20, sentences=30, seed=0):
    """Texts of sentences of words whose frequencies are far from equal."""
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, len(WORDS) + 1)
    sentence = lambda: " ".join(random.choice(WORDS, random.integers(4, 12), p=share / share.sum()))  # noqa: E731
    return [". ".join(sentence() for _ in range(sentences)) + "." for _ in range(number)]


@pytest.mark.parametrize("kind", ["cloze", "next_sentence"])
def test_an_item_goes_on_as_the_text_does(kind):
    texts = some_texts()
    for item in make_items(kind, texts, 50, 80, seed=1):
        assert len(item["context"]) <= 80
        assert len(set(item["choices"])) == CHOICES
        assert any(item["context"] + item["choices"][item["correct"]] in text for text in texts)
        assert not item["context"].endswith(" ")
        assert all(choice[0].isspace() for choice in item["choices"])


@pytest.mark.parametrize(("kind", "longest"), [("cloze", 99), ("next_sentence", 99), ("next_sentence", 45)])
def test_frequency_alone_is_right_in_one_of_four(kind, longest):
    texts = some_texts()
    items = make_items(kind, texts, 6000, 80, seed=2, fits=lambda choice: len(choice) <= longest)
    assert max(len(choice) for item in items for choice in item["choices"]) <= longest
    counts = Counter(choice for item in items for choice in item["choices"])
    right = [np.argmax([counts[choice] for choice in item["choices"]]) == item["correct"] for item in items]
    assert abs(np.mean(right) - 1 / CHOICES) < 3 * np.sqrt(0.25 * 0.75 / len(items))
    places = Counter(item["correct"] for item in items)
    assert min(places.values()) > 0.22 * len(items)


def test_the_same_seed_makes_the_same_items_and_another_others():
    texts = some_texts()
    assert make_items("cloze", texts, 20, 80, seed=3) == make_items("cloze", texts, 20, 80, seed=3)
    assert make_items("cloze", texts, 20, 80, seed=3) != make_items("cloze", texts, 20, 80, seed=4)


@pytest.mark.parametrize("texts", [[], ["short"], ["word " * 200], ["\n" * 500], ["one\ntwo\n" * 100]])
def test_text_without_choices_is_named(texts):
    for kind in ("cloze", "next_sentence"):
        with pytest.raises(InputError, match=f"task {kind}: the held-out text has"):
            make_items(kind, texts, 5, 80, seed=0)


def test_choices_that_are_all_too_long_are_named():
    with pytest.raises(InputError, match="task cloze: the held-out text has too few different choices short enough"):
        make_items("cloze", some_texts(), 5, 80, seed=0, fits=lambda choice: not choice)


def test_a_line_of_program_text_keeps_its_indentation():
    lines = [f"    if value_{number} > limit_{number}:\n        return value_{number} + offset" for number in range(50)]
    items = make_items("next_sentence", ["\n".join(lines)], 30, 200, seed=0)
    assert {choice[:5] for item in items for choice in item["choices"]} <= {"\n    "}
    assert any(choice.startswith("\n        return") for item in items for choice in item["choices"])
