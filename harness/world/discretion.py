"""What no error may tell, whatever it is about: keys, and how the platform is made inside (MAAS-SEC-012)."""

import re
from typing import Final

from harness.client.exchange import Exchange

_KEY: Final = re.compile(r"sk-oai-[0-9A-Za-z]{8,}_[0-9A-Za-z]{16,}")
INTERNALS: Final = (
    "traceback (most recent call last)",
    'file "/',
    "goroutine ",
    "panic:",
    "stack trace",
    "sqlalchemy",
    "sqlite",
    "psycopg",
    "sqlstate",
    "select * from",
)
"""Words of stack traces and of databases, in lower case; no sentence that is meant for a caller has them."""


def indiscretion(exchange: Exchange) -> str | None:
    """What an answer gives away; None when it keeps to itself."""
    text = exchange.body.decode("utf-8", errors="replace")
    if _KEY.search(text):
        return "it carries key material"
    told = [word.strip() for word in INTERNALS if word in text.lower()]
    return f"it speaks of {', '.join(told)}" if told else None
