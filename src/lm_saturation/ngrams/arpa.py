"""Writing a model in ARPA format, which KenLM, SRILM and others read. The words are token ids in decimal."""

from pathlib import Path
from typing import Any, BinaryIO

import numba
import numpy as np
from numpy.typing import NDArray

from lm_saturation.io.atomic import atomic_write
from lm_saturation.ngrams.kneser_ney import KneserNey

CHUNK = 1 << 18  # lines formatted at a time
LONGEST = 96  # bytes, at most, of a line: two numbers, five ids of up to ten digits, seven separators
SCALE = 1_000_000  # decimals written of a log10


def write_arpa(model: KneserNey, path: str | Path) -> None:
    """Write the model, n-grams in lexicographic order of their ids; log10 with six decimals."""
    with atomic_write(path) as partial, partial.open("wb") as file:
        file.write(b"\\data\\\n")
        file.writelines(b"ngram %d=%d\n" % numbered for numbered in enumerate(model.entries, 1))
        for order in range(1, len(model.levels)):
            file.write(b"\n\\%d-grams:\n" % order)
            if order == 1:
                file.write(b"%.6f\t<unk>\t0\n" % np.log10(model.unknown))
            _write_level(model, order, file)
        file.write(b"\n\\end\\\n")


def _write_level(model: KneserNey, order: int, file: BinaryIO) -> None:
    words = tuple(level.word for level in model.levels)
    firsts = tuple(level.first for level in model.levels)
    level = model.levels[order]
    buffer = np.empty(CHUNK * LONGEST, np.uint8)
    for start in range(0, len(level.word), CHUNK):
        stop = min(start + CHUNK, len(level.word))
        path = _ancestors(firsts, order, start)
        used = _format(words, firsts, path, level.probability, level.backoff, model.bos, start, stop, buffer)
        file.write(buffer[:used].data)


def _ancestors(firsts: tuple[NDArray[np.int64], ...], order: int, entry: int) -> NDArray[Any]:
    """(order,) the places of an n-gram's beginnings of 0 to order - 1 tokens, each in the level of its order."""
    path = np.zeros(order, np.int64)
    for above in range(order - 1, -1, -1):
        entry = int(np.searchsorted(firsts[above], entry, side="right")) - 1
        path[above] = entry
    return path


@numba.njit(cache=True)
def _format(words, firsts, path, probability, backoff, bos, start, stop, buffer):
    """Write the lines of the n-grams start:stop into `buffer`; return the bytes used. `path` moves on with them."""
    order = len(path)
    prefix = np.empty(LONGEST, np.uint8)
    filled = -1  # bytes of `prefix`: the words before the last
    used = 0
    for entry in range(start, stop):
        node = entry
        for above in range(order - 1, -1, -1):
            if firsts[above][path[above] + 1] > node:
                break
            filled = -1
            while firsts[above][path[above] + 1] <= node:
                path[above] += 1
            node = path[above]
        if filled < 0:
            filled = 0
            for depth in range(1, order):
                filled = _put_word(prefix, filled, words[depth][path[depth]], bos)
                prefix[filled] = 32  # a space
                filled += 1
        used = _put_log(buffer, used, probability[entry])
        buffer[used] = 9  # a tab
        used += 1
        for position in range(filled):
            buffer[used + position] = prefix[position]
        used = _put_word(buffer, used + filled, words[order][entry], bos)
        if len(backoff):
            buffer[used] = 9
            used = _put_log(buffer, used + 1, backoff[entry])
        buffer[used] = 10  # a new line
        used += 1
    return used


@numba.njit(cache=True)
def _put_log(buffer, used, value):
    """log10 of a value of at most 1, as in -1.234567; that of 0 is -99, as usual in ARPA."""
    scaled = int(np.round(-np.log10(value) * SCALE)) if value > 0 else 99 * SCALE
    if scaled <= 0:
        buffer[used] = 48
        return used + 1
    buffer[used] = 45  # a minus
    used = _put_digits(buffer, used + 1, scaled // SCALE, 1)
    buffer[used] = 46  # a point
    return _put_digits(buffer, used + 1, scaled % SCALE, 6)


@numba.njit(cache=True)
def _put_word(buffer, used, word, bos):
    if word < bos:
        return _put_digits(buffer, used, word, 1)
    buffer[used] = 60
    used += 1
    if word > bos:
        buffer[used] = 47
        used += 1
    buffer[used] = 115
    buffer[used + 1] = 62
    return used + 2  # <s> or </s>


@numba.njit(cache=True)
def _put_digits(buffer, used, number, minimum):
    """A number in decimal, of at least `minimum` digits."""
    digits = minimum
    number = np.uint32(number)
    rest = number
    for _ in range(minimum):
        rest //= np.uint32(10)
    while rest:
        digits += 1
        rest //= np.uint32(10)
    for place in range(used + digits - 1, used - 1, -1):
        buffer[place] = 48 + number % np.uint32(10)
        number //= np.uint32(10)
    return used + digits
