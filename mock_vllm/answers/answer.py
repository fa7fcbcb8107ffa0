"""An answer: its tokens and why it ends, decided before the first token is sent."""

import json
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool; `arguments` is JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens `begin` to `end` of an answer belong together; of a call the first token is its head, the others are its arguments."""

    kind: Literal["reasoning", "content", "call"]
    begin: int
    end: int
    call: Call | None = None


@dataclass(slots=True)
class Answer:
    """`pieces[i]` is the text token `i` adds for the client, `encoded[i]` the same as JSON; joined, the pieces are `text`.

    `raw[i]` is the text of the token itself: a token behind a stop string has a raw text and an empty piece.
    `finish_reason` is `stop`, `length` or `tool_calls`; `stop_reason` the stop string or stop token id that ended it.
    `parts` is None when everything is content.
    """

    text: str
    pieces: list[str]
    encoded: list[bytes]
    finish_reason: str
    stop_reason: int | str | None = None
    raw: list[str] | None = None
    parts: list[Part] | None = None

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.encoded)

    def lighten(self) -> None:
        """Keep nothing but what plain chunks are made of: a stream is in memory for as long as it lasts."""
        if self.parts is None:
            self.text, self.pieces, self.raw = "", [], None

    @property
    def tokens(self) -> list[str]:
        """The text of every token."""
        return self.raw if self.raw is not None else self.pieces

    def text_of(self, kind: str) -> str | None:
        """The joined text of all parts of a kind; None when there is none."""
        found = [part for part in self.parts or () if part.kind == kind]
        return "".join("".join(self.pieces[part.begin : part.end]) for part in found) if found else None


def encode_piece(piece: str) -> bytes:
    """A text as JSON; lone surrogates become escapes, since UTF-8 cannot hold them."""
    try:
        return json.dumps(piece, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(piece).encode("ascii")


def from_pieces(
    pieces: list[str], finish_reason: str, stop_reason: int | str | None = None, raw: list[str] | None = None
) -> Answer:
    """An answer of given tokens."""
    return Answer("".join(pieces), pieces, [encode_piece(piece) for piece in pieces], finish_reason, stop_reason, raw)
