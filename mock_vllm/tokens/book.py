"""The book: one long fixed text from which every plain answer is a passage.

An answer of `n` tokens is the passage of `n` tokens that starts at page `(crc32(prompt) + 7919 * seed) mod 8192`, so it
costs a slice and not a generation, and anybody can compute it (`passage`, `start_page`). The prompt of a conversation is its
contents joined by newlines. Words are drawn from `WORDS` by the generator x -> (1103515245 x + 12345) mod 2**31 (started at
2024); every seventh word is followed by `.` and every eleventh by `,`.
"""

import functools
import itertools
import json
import zlib
from dataclasses import dataclass
from typing import Final

from mock_vllm.tokens.tokenizer import Tokenizer

LENGTH: Final = 8192
SEED_STRIDE: Final = 7919
_VOCABULARY: Final = """
the of and to in is you that it he was for on are as with his they I at be this have from or one had by word but not what all
were we when your can said use each she how if will up out them then many some so her make like him into time has look two
more go see no way my than who its now long down day did get come made may part over new take only work know year live me
back give most very good man say help low line turn much mean move same boy old too any tell set three want air well also
play end put home read hand port add even land here must big high such act why ask men kind off need try us us far sea draw
left late run press own
"""
WORDS: Final = tuple(_VOCABULARY.split())


@dataclass(frozen=True, slots=True)
class Book:
    """`pieces[i]` is the text of token `i`, `encoded[i]` the same as a JSON string, `offsets[i]` where it starts in `text`.

    `json` is the text as the inside of a JSON string, `json_offsets[i]` where token `i` starts in it.
    """

    text: str
    pieces: list[str]
    encoded: list[bytes]
    offsets: list[int]
    json: bytes
    json_offsets: list[int]


@dataclass(frozen=True, slots=True)
class Passage:
    """Tokens of an answer: text, and per token its text and its text as a JSON string."""

    text: str
    pieces: list[str]
    encoded: list[bytes]


def _sentence_text() -> str:
    state, words = 2024, []
    count = 0
    while count < LENGTH:
        state = (1103515245 * state + 12345) % 2**31
        word = WORDS[(state >> 8) % len(WORDS)]
        words.append(word if len(word) <= 4 else word[:4])
        count += 1
        if len(words) % 7 == 0:
            words[-1] += "."
            count += 1
        elif len(words) % 11 == 0:
            words[-1] += ","
            count += 1
    return " " + " ".join(words)


@functools.cache
def open_book(tokenizer: Tokenizer) -> Book:
    """The book as this tokenizer reads it; the same for every process with that tokenizer."""
    pieces = tokenizer.split(_sentence_text())
    offsets = [0, *itertools.accumulate(map(len, pieces))]
    encoded = [json.dumps(piece, ensure_ascii=False).encode("utf-8") for piece in pieces]
    inner = [one[1:-1] for one in encoded]
    return Book("".join(pieces), pieces, encoded, offsets, b"".join(inner), [0, *itertools.accumulate(map(len, inner))])


def start_page(book: Book, prompt: bytes, seed: int) -> int:
    """Where the answer to `prompt` starts."""
    return (zlib.crc32(prompt) + seed * SEED_STRIDE) % len(book.pieces)


def passage(book: Book, start: int, length: int) -> Passage:
    """`length` tokens from `start` on; behind the last token the book begins again."""
    end = start + length
    if end <= len(book.pieces):
        return Passage(
            book.text[book.offsets[start] : book.offsets[end]], book.pieces[start:end], book.encoded[start:end]
        )
    times = end // len(book.pieces) + 1
    pieces = (book.pieces * times)[start:end]
    return Passage("".join(pieces), pieces, (book.encoded * times)[start:end])
