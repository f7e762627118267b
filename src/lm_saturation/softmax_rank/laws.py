"""Next-token laws of contexts, with how often each context comes: what a softmax is asked to express."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class NextTokenLaws:
    """Of C contexts over V token types: `joint` (C, V) holds n_c/N · P_c(v), without empty rows or columns.

    `counted` is N, of those contexts.
    """

    joint: csr_array
    counted: float = 1.0

    @classmethod
    def of_counts(cls, counts: csr_array) -> Self:
        """The laws of counts (contexts, tokens); empty rows and columns are left out.

        Raises ValueError if nothing was counted.
        """
        counts = csr_array(counts, dtype=np.float64)
        counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
        if not counts.nnz:
            raise ValueError("the contexts have no counts")
        total = float(counts.sum())
        return cls(csr_array(counts / total), total)

    @property
    def shape(self) -> tuple[int, int]:
        """(C, V)."""
        return self.joint.shape

    @cached_property
    def quick_joint(self) -> csr_array | Numbers:
        """`joint`, in the form whose products with H and W are fast: dense where most entries are above 0."""
        contexts, types = self.shape
        return self.joint.toarray() if 2 * self.joint.nnz > contexts * types else self.joint

    @cached_property
    def context_share(self) -> Numbers:
        """(C,) n_c/N."""
        return np.asarray(self.joint.sum(axis=1))

    @cached_property
    def unigram(self) -> Numbers:
        """(V,) how often each type follows any of the contexts."""
        return np.asarray(self.joint.sum(axis=0))

    @cached_property
    def support(self) -> NDArray[np.int64]:
        """(C,) token types that follow each context."""
        return np.diff(self.joint.indptr).astype(np.int64)

    @cached_property
    def context_entropy(self) -> Numbers:
        """(C,) n_c/N · H(P_c), nats: what no model of these contexts can go below."""
        logs = self.joint.copy()
        logs.data = -self.joint.data * np.log(self.joint.data)
        share = self.context_share
        return np.asarray(logs.sum(axis=1)) + share * np.log(share)

    @cached_property
    def entropy_nats(self) -> float:
        """Σ n_c/N · H(P_c)."""
        return float(self.context_entropy.sum())

    @cached_property
    def unigram_gap_nats(self) -> float:
        """What the best law that knows no context costs above the entropy: mutual information of context and token."""
        return float(-(self.unigram * np.log(self.unigram)).sum() - self.entropy_nats)

    def weighted_alike(self) -> Self:
        """The same laws with every context as frequent as any other."""
        return type(self).of_counts(csr_array(diags_array(1 / self.context_share) @ self.joint))


def laws_of_entries(entries: pa.Table, min_count: int, most: int) -> NextTokenLaws | None:
    """The laws of the most frequent contexts of the table `ngram_matrix` that are seen often enough; None if none."""
    frequent, _ = frequent_rows(entries, min_count, most)
    if not len(frequent):
        return None
    row, row_count = entries["row"].to_numpy(), entries["row_count"].to_numpy()
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    count = np.rint(entries["probability"].to_numpy() * row_count)
    token = entries["next_token"].to_numpy().astype(np.int64)
    counts = csr_array((count, token, np.append(begins, len(row))), shape=(len(begins), int(token.max()) + 1))
    return NextTokenLaws.of_counts(counts[frequent])


def frequent_rows(entries: pa.Table, min_count: int, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places among the rows of W of the most frequent contexts that are seen often enough, rising; and their counts."""
    of_row = entries["row_count"].to_numpy()[np.flatnonzero(np.diff(entries["row"].to_numpy(), prepend=-1))]
    frequent = np.argsort(-of_row, kind="stable")[:most]
    frequent = np.sort(frequent[of_row[frequent] >= min_count])
    return frequent, of_row[frequent]
