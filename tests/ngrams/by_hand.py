"""Kneser–Ney with dictionaries, as the papers write it, and KenLM's own tools: what the model is tested against."""

import os
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kenlm-0.3.0" / "bin"  # of .ci/lmplz
BOS, EOS = "<s>", "</s>"


def kenlm_tool(name):
    """The path of one of KenLM's programs; where it is missing, the test is skipped."""
    if path := shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}{CACHE}"):
        return path
    return pytest.skip(f"KenLM's {name} is not installed: run .ci/lmplz")


def lmplz(documents, folder):
    """The entries of lmplz's model of some documents."""
    text = "".join(" ".join(map(str, document)) + "\n" for document in documents)
    options = ["-o", "5", "--skip_symbols", "--discount_fallback", "-S", "200M", "-T", str(folder / "lmplz")]
    done = subprocess.run([kenlm_tool("lmplz"), *options], input=text.encode(), capture_output=True, check=True)
    (folder / "lmplz.arpa").write_bytes(done.stdout)
    return read_arpa(folder / "lmplz.arpa")


def queried(arpa, document):
    """What KenLM's query says of each token of a document and of its end: log10 of its probability, is it unknown."""
    command = [kenlm_tool("query"), "-v", "word", str(arpa)]
    line = " ".join(map(str, document)) + "\n"
    done = subprocess.run(command, input=line, capture_output=True, text=True, check=True)
    found = re.findall(r"(\S+)=(\d+) \d (-[\d.e+-]+|0)", done.stdout)
    assert [word for word, _, _ in found] == [*map(str, document), EOS]
    return [(float(log10), number == "0") for _, number, log10 in found]


def read_arpa(path):
    """{words: (log10 of the probability, that of the back-off or None)}, checked against the head of the file."""
    entries, head, order = {}, {}, 0
    for line in Path(path).read_text().splitlines():
        if line.startswith("ngram "):
            head[int(line[6])] = int(line[8:])
        elif line.endswith("-grams:"):
            order = int(line[1])
        elif order and line and line != "\\end\\":
            number, words, *rest = line.split("\t")
            assert words.count(" ") == order - 1
            assert tuple(words.split(" ")) not in entries
            entries[tuple(words.split(" "))] = float(number), float(rest[0]) if rest else None
    assert Counter(map(len, entries)) == {order: number for order, number in head.items() if number}
    return entries


class PlainKneserNey:
    def __init__(self, documents):
        padded = [[BOS, *document, EOS] for document in documents]
        raw, left = Counter(), defaultdict(set)
        for document in padded:
            for end in range(1, len(document) + 1):
                for begin in range(max(0, end - 5), end):
                    gram = tuple(document[begin:end])
                    raw[gram] += 1
                    if begin:
                        left[gram].add(document[begin - 1])
        self.count = {
            gram: count if len(gram) == 5 or gram[0] == BOS else len(left[gram])
            for gram, count in raw.items()
            if gram != (BOS,)
        }
        self.types = {gram[0] for gram in self.count if len(gram) == 1}
        self.discount = [None, *(self.estimate_discount(order, raw, padded) for order in range(1, 6))]
        self.children = defaultdict(dict)
        for gram, count in self.count.items():
            self.children[gram[:-1]][gram[-1]] = count

    def estimate_discount(self, order, raw, padded):
        rank = {BOS: 1, EOS: 2}
        for document in padded:
            for token in document:
                rank.setdefault(token, len(rank) + 1)
        words = [document[:end] for document in padded for end in range(2, len(document) + 1)]
        last = max(words, key=lambda words: [rank[token] for token in words[:-6:-1]])[-order:]
        counts = {gram: count for gram, count in self.count.items() if len(gram) == order}
        if tuple(last) in counts:  # as lmplz has it
            counts[tuple(last)] = raw[tuple(last)]
        t = Counter(counts.values())
        if not (t[1] and t[2] and t[3]):
            return [0, 0.5, 1, 1.5]
        y = t[1] / (t[1] + 2 * t[2])
        estimates = [0, 1 - 2 * y * t[2] / t[1], 2 - 3 * y * t[3] / t[2], 3 - 4 * y * t[4] / t[3]]
        return estimates if all(0 <= estimates[k] <= k for k in (1, 2, 3)) else [0, 0.5, 1, 1.5]

    def probability(self, context, word):
        context = tuple(context)
        known = len(context) <= 4 and all(token in self.types or token == BOS for token in context)
        below = self.probability(context[1:], word) if context else 1 / (len(self.types) + 1)
        if not known or context not in self.children:
            return below
        discount, children = self.discount[len(context) + 1], self.children[context]
        removed = sum(discount[min(count, 3)] for count in children.values())
        count = children.get(word, 0)
        return (count - discount[min(count, 3)] + removed * below) / sum(children.values())
