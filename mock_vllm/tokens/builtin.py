"""The built-in tokenizer: a rule that a person can apply by hand, reversible, without a vocabulary file.

Rule: read the text from left to right; each token is the first of these that fits

1. an optional single space and 1 to 4 characters of `A-Z a-z 0-9 _` (a longer word is cut into pieces of four),
2. an optional single space and one other character that is not white space (punctuation, every non-ASCII character),
3. one white-space character.

So `Hello, world` is `Hell|o|,| worl|d`: 5 tokens, and `tokens(a) + tokens(b)` is `tokens(a + b)` whenever `b` starts with white space.
A token's id is computed from its text (no table), is below 2**26 and leads back to the text, so `detokenize(tokenize(x)) == x`.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Final

PATTERN: Final = re.compile(r" ?[A-Za-z0-9_]{1,4}| ?[^A-Za-z0-9_\s]|\s")
ALPHABET: Final = "_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FIRST_CHARACTER: Final = 256
FIRST_WORD: Final = 1 << 22
SPECIAL: Final = (
    "<|pad|>",
    "<|bos|>",
    "<|eos|>",
    "<|end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|tool|>",
    "<|image|>",
    "<|tools|>",
    "<|developer|>",
)
BASE: Final = len(ALPHABET)
_DIGIT: Final = {character: number for number, character in enumerate(ALPHABET)}
_OFFSETS: Final = (0, BASE, BASE + BASE**2, BASE + BASE**2 + BASE**3)
VOCABULARY: Final = FIRST_WORD + 2 * (BASE + BASE**2 + BASE**3 + BASE**4)


def token_id(piece: str) -> int:
    """The id of one token's text: specials below 256, then characters, then word pieces; odd ids carry a leading space."""
    if piece in _SPECIAL_IDS:
        return _SPECIAL_IDS[piece]
    spaced = len(piece) > 1 and piece[0] == " "
    core = piece[1:] if spaced else piece
    if core[0] not in _DIGIT:
        return FIRST_CHARACTER + 2 * ord(core) + spaced
    number = 0
    for character in core:
        number = number * BASE + _DIGIT[character]
    return FIRST_WORD + 2 * (_OFFSETS[len(core) - 1] + number) + spaced


def token_text(number: int) -> str:
    """The text of one id, the inverse of `token_id`; an unused id reads as an empty string. Raises ValueError beyond the vocabulary."""
    if not 0 <= number < VOCABULARY:
        raise ValueError(f"token id {number} is outside the vocabulary of {VOCABULARY}")
    if number < FIRST_CHARACTER:
        return SPECIAL[number] if number < len(SPECIAL) else ""
    if number < FIRST_WORD:
        code, spaced = divmod(number - FIRST_CHARACTER, 2)
        return "" if code > sys.maxunicode or chr(code) in _DIGIT else (" " if spaced else "") + chr(code)
    value, spaced = divmod(number - FIRST_WORD, 2)
    length = next(size for size in (4, 3, 2, 1) if value >= _OFFSETS[size - 1])
    value -= _OFFSETS[length - 1]
    letters = []
    for _ in range(length):
        value, digit = divmod(value, BASE)
        letters.append(ALPHABET[digit])
    return (" " if spaced else "") + "".join(reversed(letters))


_SPECIAL_IDS: Final = {text: number for number, text in enumerate(SPECIAL)}


def _kind(code: int) -> str:
    character = chr(code)
    if character in _DIGIT:
        return "w"
    return " " if character == " " else "n" if character.isspace() else "."


_KINDS: Final = bytes(ord(_kind(code)) for code in range(256))


def count_ascii(text: bytes) -> int:
    """Number of tokens of an ASCII text: the rule in bulk, several times faster than applying it token by token.

    Characters become their class (w word, space, n other white space, `.` the rest). Every character is a token, except that words are
    cut in fours (what is left of them has one, two or three characters and is one token) and that a space belongs to a token behind it.
    """
    kinds = text.translate(_KINDS)
    words = kinds.replace(b"wwww", b"W").replace(b"www", b"W").replace(b"ww", b"W")
    return len(words) - kinds.count(b" w") - kinds.count(b" .")


class BuiltinTokenizer:
    """The rule of this module as a `Tokenizer`."""

    name = "builtin"
    vocabulary = VOCABULARY
    eos = _SPECIAL_IDS["<|eos|>"]

    def count(self, text: str) -> int:
        """Number of tokens of `text`."""
        return count_ascii(text.encode()) if text.isascii() else len(PATTERN.findall(text))

    def split(self, text: str) -> list[str]:
        """The text of each token, in order; joined they are `text`."""
        return PATTERN.findall(text)

    def encode(self, text: str) -> list[int]:
        """The id of each token of `text`."""
        return [token_id(piece) for piece in PATTERN.findall(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids. Raises ValueError for an id outside the vocabulary."""
        return "".join(map(token_text, ids))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The text that each id adds."""
        return [token_text(number) for number in ids]

    def special(self, text: str) -> int:
        """The id of a special token such as `<|user|>`; one that is not known is `<|pad|>`."""
        return _SPECIAL_IDS.get(text, 0)
