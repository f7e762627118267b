"""Where a tokenizer comes from: one class per source, with its options and how the tokenizer is made."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from lm_saturation.errors import InputError
from lm_saturation.io.names import trackable, untracked_version
from lm_saturation.options import Names, Repository, Revision, Section, Text, option

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SENTENCEPIECE = ".model"  # the suffix of its files
TO_CONVERT = (
    "a model of SentencePiece; allowed: the tokenizer.json that transformers makes of it, "
    "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(OTHER)"
)

Made = tuple["Tokenizer", dict[str, Any]]  # and what its record says of where it comes from


class TokenizerSource(Section):
    """Where a tokenizer comes from."""

    fetched: ClassVar[bool] = False  # from the network: its jobs run where there is one

    source: str

    def check(self) -> None:
        """Raise InputError if the file that the options name is not there."""

    def training_corpora(self) -> list[str]:
        """The corpora that it is trained on."""
        return []

    def input_files(self) -> list[str]:
        """The files that it is read from."""
        return []

    def version(self) -> str | None:
        """A version of the file that it is read from, where that cannot be an input of jobs."""
        return None

    def make(self, tables: list[str]) -> Made:
        """The tokenizer; `tables` are those of its training corpora."""
        raise NotImplementedError


class TrainedTokenizer(TokenizerSource):
    """Trained on corpora of the run."""

    source: Literal["train"]
    algorithm: Literal["byte-bpe", "word"] = option("byte-bpe", "byte-bpe: byte-level BPE; word: words between spaces")
    vocabulary_size: Annotated[int, Field(ge=2, le=2**32)] = option(..., "tokens, at most; from 2")
    corpora: Names = option(..., "corpora that it is trained on")

    def training_corpora(self) -> list[str]:
        """The corpora that it is trained on."""
        return self.corpora

    def make(self, tables: list[str]) -> Made:
        """Train it."""
        from lm_saturation.text.make_tokenizers import train_tokenizer

        return train_tokenizer(self.algorithm, self.vocabulary_size, tables), {}


class LocalTokenizer(TokenizerSource):
    """A tokenizer.json on disk, or the tokenizer in a GGUF file."""

    source: Literal["local"]
    path: Text = option(..., "a tokenizer.json, or a .gguf file")

    def check(self) -> None:
        """Raise InputError if there is no such file."""
        if Path(self.path).expanduser().is_dir():
            raise InputError(f".path is {self.path!r}, a folder; allowed: the tokenizer.json or .gguf file in it")
        if self.path.endswith(SENTENCEPIECE):
            raise InputError(f".path is {self.path!r}, {TO_CONVERT}")
        if not Path(self.path).expanduser().is_file():
            raise InputError(f".path is {self.path!r}; there is no such file")

    def input_files(self) -> list[str]:
        """The file, if it can be an input of jobs."""
        return [file for file in [str(Path(self.path).expanduser())] if trackable(file)]

    def version(self) -> str | None:
        """A version of the file, if it cannot."""
        return untracked_version([str(Path(self.path).expanduser())])

    def make(self, tables: list[str]) -> Made:  # noqa: ARG002
        """Read it."""
        from lm_saturation.text.make_tokenizers import read_tokenizer

        return read_tokenizer(Path(self.path).expanduser()), {}


class HubTokenizer(TokenizerSource):
    """That of a model of the Hugging Face hub, at one commit."""

    fetched: ClassVar[bool] = True

    source: Literal["hub"]
    repository: Repository = option(..., "a model of the Hugging Face hub")
    revision: Revision = option(..., "commit; a branch or tag can move")
    file: Text = option(
        "tokenizer.json", "its tokenizer.json, made from its parts where the repository has none; or a .gguf file"
    )

    def make(self, tables: list[str]) -> Made:  # noqa: ARG002
        """Fetch it."""
        from lm_saturation.text.make_tokenizers import fetch_tokenizer

        return fetch_tokenizer(self.repository, self.revision, self.file)


TOKENIZER_SOURCES: tuple[type[TokenizerSource], ...] = (TrainedTokenizer, LocalTokenizer, HubTokenizer)
