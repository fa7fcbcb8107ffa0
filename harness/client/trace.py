"""Names for one request that survive the way through a gateway.

X-Request-Id is the first; W3C trace context is there for gateways that rewrite it.
"""

import secrets
from dataclasses import dataclass

REQUEST_ID = "X-Request-Id"
TRACEPARENT = "traceparent"


@dataclass(frozen=True, slots=True)
class Trace:
    """The identity of one attempt; every attempt has its own, for a retry is a request of its own too."""

    request_id: str
    traceparent: str


def new_trace() -> Trace:
    """Random ids: a UUID-shaped request id that every gateway accepts, and a sampled version-00 traceparent."""
    number = secrets.token_hex(16)
    request_id = "-".join((number[:8], number[8:12], number[12:16], number[16:20], number[20:]))
    return Trace(request_id, f"00-{number}-{secrets.token_hex(8)}-01")


def trace_id(traceparent: str | None) -> str | None:
    """The 32 hex digits that all hops share; None when the header is absent or of another form."""
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None
