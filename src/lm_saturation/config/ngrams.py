"""Options of stage ngrams: which n-grams are counted, and how W's spectrum is found."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from lm_saturation.options import AnyNames, Device, Different, JobOptions, Names, Section, Seeds, allowed, option

SampleSize = Annotated[Annotated[int, Field(ge=1)] | Literal["all"], allowed("a whole number from 1, or all")]
Order = Annotated[int, Field(ge=2, le=5)]


class NgramSample(NamedTuple):
    """A sample of n-grams, in the words of paths."""

    corpus: str
    tokenizer: str
    order: str
    sample_size: str


class MatrixVariant(NamedTuple):
    """How the rows of W are weighted, and the smallest count of the contexts that are kept."""

    weighting: Literal["unit", "count"]
    min_count: int


class SpectrumOptions(Section):
    """How singular values are found, or W-error is bounded."""

    exact_limit: int = option(
        16000, "token types in the largest eigenproblem that is solved; beyond it W-error is bracketed", ge=1
    )
    tolerance: Annotated[float, Field(ge=0, le=1), allowed("a number from 0 to 1")] = option(
        0.01, "width of a bracket of W-error above which an estimate within it is computed; 0 to 1"
    )
    device: Device = option("cpu", "device of eigenproblems: cpu or cuda")


class ControlOptions(Section):
    """The controls of figure 7."""

    tokenizers: Names = option(
        ["bpe-4k"], "tokenizers; with a small vocabulary the exact spectrum of a full corpus is cheap"
    )
    sample_sizes: Annotated[list[SampleSize], Different("sample sizes")] = option(
        [10000, 100000, "all"], "n-grams in a matrix, each from 1, or all"
    )
    orders: Annotated[list[Order], Different("whole numbers from 2 to 5", 0)] = option(
        [2, 3, 4, 5], "tokens in an n-gram, 2 to 5, at the sample size of figure 7"
    )


class NgramsConfig(SpectrumOptions, JobOptions):
    """The rank of language, figure 7."""

    order: Order = option(5, "tokens in an n-gram, 2 to 5; the paper uses 5")
    cross_documents: bool = option(False, "whether n-grams cross document boundaries; true or false")
    corpora: AnyNames = option(["python-docs", "python-source"], "corpora, one curve of figure 7 each; [] for none")
    tokenizers: Names = option(["bpe-32k", "bpe-50k"], "tokenizers, one panel of figure 7 each")
    sample_size: SampleSize = option(100000, "n-grams in a matrix of figure 7, from 1, or all; about 1e5 in the paper")
    seeds: Seeds = option([0, 1, 2, 3, 4], "seeds of the samples, one sample each; intervals are over them")
    min_counts: Annotated[list[Annotated[int, Field(ge=2)]], Different("whole numbers from 2", 0)] = option(
        [10], "controls: minimum count of the contexts kept; from 2"
    )
    shards: int = option(
        1, "parts that a corpus is read, tokenised and counted in, one job each; 1 to 10000", ge=1, le=10000
    )
    threads: int = option(1, "threads of a job; the last digits of an eigensolve depend on it, counts do not", ge=1)
    memory_mb: int = option(
        4000,
        "maximum memory of a counting job, MB, from 1000; larger shards are counted in several passes",
        ge=1000,
    )
    controls: ControlOptions = option(
        ControlOptions(), "is the rank of language a fact of language or of the sample size?"
    )

    def figure_samples(self) -> list[NgramSample]:
        """The samples of figure 7."""
        return self._samples(self.tokenizers, [(self.order, self.sample_size)])

    def smoothed_samples(self) -> list[NgramSample]:
        """Those of its controls whose rows are smoothed too."""
        return self._samples(self.controls.tokenizers, [(self.order, self.sample_size)])

    def context_samples(self) -> list[NgramSample]:
        """Those of its controls that differ in the length of contexts, at the sample size of figure 7."""
        return self._samples(
            self.controls.tokenizers, [(order, self.sample_size) for order in (self.order, *self.controls.orders)]
        )

    def control_samples(self) -> list[NgramSample]:
        """The samples of the controls of figure 7."""
        sizes = [(self.order, size) for size in (self.sample_size, *self.controls.sample_sizes)]
        return self._samples(
            self.controls.tokenizers, [*sizes, *((order, self.sample_size) for order in self.controls.orders)]
        )

    def _samples(self, tokenizers: list[str], samples: list[tuple[int, int | str]]) -> list[NgramSample]:
        return [
            NgramSample(corpus, tokenizer, str(order), str(size))
            for corpus in self.corpora
            for tokenizer in tokenizers
            for order, size in dict.fromkeys(samples)
        ]

    def sample_seeds(self, order: str, sample_size: str) -> list[int]:
        """The seeds to draw a sample with: all of them for n-grams as in figure 7, one for others."""
        replicated = (order, sample_size) == (str(self.order), str(self.sample_size)) and sample_size != "all"
        return self.seeds if replicated else self.seeds[:1]

    def matrix_variants(self, order: str) -> list[MatrixVariant]:
        """Each W: the paper's first, the controls only for n-grams as in figure 7."""
        controls = [MatrixVariant("count", 1), *(MatrixVariant("unit", count) for count in self.min_counts)]
        return [MatrixVariant("unit", 1), *(controls if order == str(self.order) else [])]

    def partitions(self, sample_size: str) -> list[str]:
        """The partitions that counts lie in: as many as shards if all of a corpus is counted, one for a sample."""
        return [str(number) for number in range(self.shards if sample_size == "all" else 1)]
