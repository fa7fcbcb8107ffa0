"""What a search for keys asks of the store, already checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .record import Status

SORT_FIELDS = ("created_at", "expires_at", "last_used_at", "name")


@dataclass(frozen=True, slots=True)
class KeySearch:
    """Empty members do not restrict. `now` (microseconds) decides which keys count as expired."""

    tenant: str
    now: int
    username: str = ""
    subscription: str = ""
    statuses: frozenset[Status] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    include_ephemeral: bool = False
    sort_by: str = "created_at"
    descending: bool = True
    limit: int = 50
    offset: int = 0
