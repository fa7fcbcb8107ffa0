"""Whom the limiter is asked about, as one text: the authorizer writes it, Envoy hands it on, the limiter reads it.

One entry for everything, because Envoy pays microseconds for each entry of each descriptor and hardly anything for an entry's length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

FIELD: Final = "caller"
"""The key of the authorizer's metadata that holds the text."""
NOBODY: Final = '{"identity":{},"path":"","labels":{}}'
"""What Envoy sends where the authorizer was not asked: no limit knows such a caller, and none that addresses the route lets it pass."""
MEMO_SIZE: Final = 65_536


@dataclass(frozen=True, slots=True)
class Caller:
    """`identity` and `path`: what conditions and counters of limits may name. `labels`: what series of the metrics may be labelled with."""

    identity: Mapping[str, str]
    path: str
    labels: Mapping[str, str]

    def text(self) -> str:
        """The JSON that `read` understands."""
        return msgspec.json.encode(self).decode()


@lru_cache(maxsize=MEMO_SIZE)
def read(text: str) -> Caller:
    """The caller of a text. Raises ValueError where it is none. Remembered: a caller's requests all say the same."""
    return msgspec.json.decode(text, type=Caller)
