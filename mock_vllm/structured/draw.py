"""Deterministic choices: the same seed and the same path of questions give the same values."""

import zlib
from typing import Final, TypeVar

T = TypeVar("T")
WORDS: Final = (
    "alpha",
    "bravo",
    "delta",
    "echo",
    "golf",
    "hotel",
    "india",
    "kilo",
    "lima",
    "mike",
    "oscar",
    "papa",
    "tango",
    "zulu",
)


class Draw:
    """A stream of numbers from a seed."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = zlib.crc32(str(seed).encode())

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        self._state = (6364136223846793005 * self._state + 1442695040888963407) % 2**64
        return (self._state >> 33) % limit

    def among(self, items: "list[T] | tuple[T, ...]") -> T:
        """One of `items`."""
        return items[self.below(len(items))]

    def word(self) -> str:
        """A word."""
        return self.among(WORDS)
