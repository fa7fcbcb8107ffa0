"""The seam for tokenizers: what the server needs of one, whatever it is made of."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Protocol


class Tokenizer(Hashable, Protocol):
    """Text to token ids and back. Implementations must be deterministic; ids are non-negative and below `vocabulary`."""

    name: str
    vocabulary: int
    eos: int

    def count(self, text: str) -> int:
        """Number of tokens of `text`; equals `len(encode(text))`."""

    def split(self, text: str) -> list[str]:
        """The text of each token; joined they are `text`."""

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without special tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`. Raises ValueError for an id outside the vocabulary."""

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The text that each id adds to the text before it; joined they are `decode(ids)`."""

    def special(self, text: str) -> int:
        """The id that stands for one of the chat template's special tokens."""
