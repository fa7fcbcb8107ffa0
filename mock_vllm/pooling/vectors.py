"""Vectors of texts: deterministic, of length one, and closer for texts that share tokens.

A token's vector is read from SHAKE-128 of its text without case and leading space (two bytes a dimension, centred); a text's
vector is the sum of its tokens' vectors, normalised. Equal texts have cosine 1.
"""

import array
import functools
import hashlib
import math
from collections.abc import Iterable, Sequence

Vector = list[float]


@functools.lru_cache(maxsize=4096)
def _token(text: str, dimensions: int) -> tuple[float, ...]:
    data = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    return tuple((int.from_bytes(data[at : at + 2], "little") - 32767.5) / 32768 for at in range(0, 2 * dimensions, 2))


def embed(pieces: Iterable[str], dimensions: int) -> Vector:
    """The vector of a text, given the texts of its tokens."""
    words = [piece.strip().lower() for piece in pieces]
    tokens = [_token(word, dimensions) for word in words if word] or [_token("", dimensions)]
    summed = [math.fsum(column) for column in zip(*tokens, strict=True)]
    length = math.sqrt(math.fsum(value * value for value in summed)) or 1.0
    return [value / length for value in summed]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Closeness of two vectors of length one, from 0 (unrelated or opposed) to 1."""
    return min(max(math.fsum(a * b for a, b in zip(one, other, strict=True)), 0.0), 1.0)


def packed(vector: Vector) -> bytes:
    """The vector as 32-bit floats, least significant byte first."""
    return array.array("f", vector).tobytes()
