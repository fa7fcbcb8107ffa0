"""Which passage of the book answers a prompt, how long it is and why it ends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mock_vllm.answers.answer import Answer, from_pieces
from mock_vllm.answers.stops import apply_stops
from mock_vllm.tokens.book import Book, passage, start_page
from mock_vllm.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says about its answer; `limit` is max_tokens, `room` what the context leaves."""

    limit: int | None
    room: int
    natural: int
    exact: bool = True
    seed: int = 0
    min_tokens: int = 0
    ignore_eos: bool = False
    stops: tuple[str, ...] = ()
    stop_ids: frozenset[int] = frozenset()
    include_stop: bool = False
    bad_words: tuple[str, ...] = ()
    banned_ids: frozenset[int] = frozenset()
    only_ids: tuple[int, ...] = ()

    @property
    def most(self) -> int:
        """The number of tokens that cannot be exceeded."""
        return self.room if self.limit is None else min(self.limit, self.room)

    @property
    def plain(self) -> bool:
        """Whether the answer is a passage as it stands."""
        return not (self.stops or self.stop_ids or self.bad_words or self.banned_ids or self.only_ids)

    def length(self) -> tuple[int, str]:
        """Tokens of a free answer and its finish reason: `natural` tokens unless the request says otherwise.

        With `exact`, an answer whose request sets max_tokens has exactly so many; otherwise it ends by itself when it is shorter.
        """
        if self.ignore_eos or (self.exact and self.limit is not None):
            return self.most, "length"
        own = max(self.natural, self.min_tokens)
        return (own, "stop") if own < self.most else (self.most, "length")


def text_answer(book: Book, tokenizer: Tokenizer, prompt: bytes, wish: Wish) -> Answer:
    """A free answer to `prompt`."""
    length, reason = wish.length()
    page = start_page(book, prompt, wish.seed)
    if wish.plain:
        found = passage(book, page, length)
        return Answer(found.text, found.pieces, found.encoded, reason)
    tokens = list(_chosen(book, tokenizer, page, length, wish))
    ids = [tokenizer.encode(token)[0] for token in tokens] if wish.stop_ids else []
    stopped = apply_stops(tokens, ids, wish.stops, wish.stop_ids, include=wish.include_stop, min_tokens=wish.min_tokens)
    if stopped.reason is not None:
        reason = "stop"
    return from_pieces(stopped.pieces, reason, stopped.reason, tokens[: len(stopped.pieces)])


def fixed_answer(tokens: Sequence[str], wish: Wish) -> Answer:
    """An answer whose text is given: cut at the limit, otherwise ended by itself."""
    cut = len(tokens) > wish.most
    return from_pieces(list(tokens[: wish.most]), "length" if cut else "stop")


def _chosen(book: Book, tokenizer: Tokenizer, page: int, length: int, wish: Wish) -> Iterator[str]:
    """Tokens from `page` on that no bad word and no bias forbids; when everything is forbidden, the book as it is."""
    source = tokenizer.pieces(wish.only_ids) if wish.only_ids else book.pieces
    banned = set(tokenizer.pieces(wish.banned_ids)) if wish.banned_ids else set()
    bad = [word.lower() for word in wish.bad_words]
    width = max(map(len, bad), default=0)
    tail, at = "", page
    for _ in range(length):
        for step in range(len(source)):
            token = source[(at + step) % len(source)]
            together = (tail + token).lower()
            if token not in banned and not any(word in together for word in bad):
                at += step
                break
        else:
            token = source[at % len(source)]
        at += 1
        tail = (tail + token)[-width:] if width else ""
        yield token
