"""What one measured HTTP exchange was: the client's book of tokens and the evidence of every verdict.

`None` is never 0 here: a response without `usage` has `usage=None`, because "unknown" and "free" are different findings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the response states them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent. `headers` holds no credential: the value of a secret header is its mask."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and all that came back; times are seconds on a monotonic clock since the request was sent."""

    request_id: str
    request: Request
    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    events: tuple[str, ...]
    usage: Usage | None
    ttft_s: float | None
    duration_s: float
    error: str | None = None
    text_at: tuple[float, ...] = ()
    """When each chunk that carried text arrived; empty for answers in one piece."""
    client: str = "http"
    """Who made it: `http` is ourselves, else the official client of that name."""
    raised: str | None = None
    """The error that the official client raised, by its class; None when it was content, and for `http`."""

    @property
    def itl_s(self) -> tuple[float, ...]:
        """Inter-token latencies: the gaps between chunks that carried text."""
        return tuple(later - earlier for earlier, later in pairwise(self.text_at))

    def header(self, name: str) -> str | None:
        """The last value of a header, as most readers take it; None when absent."""
        values = self.header_values(name)
        return values[-1] if values else None

    def header_values(self, name: str) -> tuple[str, ...]:
        """Every value of a header in order of arrival: a gateway may send one twice."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        import orjson

        return orjson.loads(self.body)
