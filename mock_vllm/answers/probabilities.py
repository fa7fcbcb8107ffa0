"""Log probabilities that add up: the chosen token has 0.5 to 0.95, its alternatives share half of what is left, and so on.

A token's probability depends on its text, its position and the seed, so equal requests get equal numbers.
"""

import math
import zlib
from dataclasses import dataclass
from typing import Any

from mock_vllm.tokens.book import Book
from mock_vllm.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Guess:
    """A token that could stand at a position."""

    token: str
    number: int
    logprob: float


class Probabilities:
    """Log probabilities for the tokens of one answer or prompt."""

    def __init__(self, book: Book, tokenizer: Tokenizer, seed: int, *, as_ids: bool = False) -> None:
        self._book = book
        self._tokenizer = tokenizer
        self._seed = seed
        self._as_ids = as_ids

    def guesses(self, token: str, position: int, count: int) -> list[Guess]:
        """The chosen token and `count` tokens in all at this position, most likely first; always at least the chosen one."""
        mixed = zlib.crc32(f"{position}\0{self._seed}\0{token}".encode("utf-8", "surrogatepass"))
        chosen = 0.5 + 0.45 * (mixed % 4096) / 4096
        found = [self._guess(token, chosen)]
        left, seen, step = 1.0 - chosen, {token}, mixed
        while len(found) < count:
            other = self._book.pieces[step % len(self._book.pieces)]
            step += 1
            if other in seen:
                continue
            seen.add(other)
            left /= 2
            found.append(self._guess(other, left))
        return found

    def _guess(self, token: str, probability: float) -> Guess:
        ids = self._tokenizer.encode(token)
        number = ids[0] if ids else self._tokenizer.eos
        return Guess(f"token_id:{number}" if self._as_ids else token, number, math.log(probability))

    def chat(self, token: str, position: int, top: int) -> dict[str, Any]:
        """One entry of a chat choice's logprobs.content."""
        guesses = self.guesses(token, position, max(top, 1))
        return {**_entry(guesses[0]), "top_logprobs": [_entry(guess) for guess in guesses[:top]]}

    def completion(self, tokens: list[str], begin: int, top: int, offset: int, unknown: int = 0) -> dict[str, Any]:
        """logprobs of a text completion for `tokens`, which start at position `begin` and character `offset`.

        The first `unknown` tokens have no probability (the beginning of an echoed prompt).
        """
        found: dict[str, Any] = {"text_offset": [], "token_logprobs": [], "tokens": [], "top_logprobs": []}
        for place, token in enumerate(tokens):
            guesses = self.guesses(token, begin + place, max(top, 1))
            hidden = place < unknown
            found["text_offset"].append(offset)
            found["tokens"].append(guesses[0].token)
            found["token_logprobs"].append(None if hidden else guesses[0].logprob)
            found["top_logprobs"].append(None if hidden else {guess.token: guess.logprob for guess in guesses})
            offset += len(token)
        return found

    def prompt(self, tokens: list[str], top: int) -> list[dict[str, Any] | None]:
        """prompt_logprobs: nothing for the first token, then by token id."""
        found: list[dict[str, Any] | None] = []
        for position, token in enumerate(tokens):
            if position == 0:
                found.append(None)
                continue
            guesses = self.guesses(token, position, max(top, 1))
            found.append(
                {
                    str(guess.number): {"logprob": guess.logprob, "rank": rank, "decoded_token": guess.token}
                    for rank, guess in enumerate(guesses, 1)
                }
            )
        return found


def _entry(guess: Guess) -> dict[str, Any]:
    return {"token": guess.token, "logprob": guess.logprob, "bytes": list(guess.token.encode("utf-8", "surrogatepass"))}
