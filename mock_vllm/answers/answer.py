"""An answer: its tokens and why it ends, decided before the first token is sent."""

import json
from dataclasses import dataclass, field


@dataclass(slots=True)
class Answer:
    """`pieces[i]` is the text token `i` adds, `encoded[i]` the same as JSON; joined, the pieces are `text`.

    `finish_reason` is `stop`, `length` or `tool_calls`; `stop_reason` the stop string or stop token id that ended it.
    `ids` are the token ids, empty until somebody asks for them.
    """

    text: str
    pieces: list[str]
    encoded: list[bytes]
    finish_reason: str
    stop_reason: int | str | None = None
    ids: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.pieces)


def from_pieces(pieces: list[str], finish_reason: str, stop_reason: int | str | None = None) -> Answer:
    """An answer of given tokens."""
    encoded = [json.dumps(piece, ensure_ascii=False).encode("utf-8", "surrogatepass") for piece in pieces]
    return Answer("".join(pieces), pieces, encoded, finish_reason, stop_reason)
