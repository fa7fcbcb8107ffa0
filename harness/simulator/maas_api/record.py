"""A stored API key, without the key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

MICROSECONDS = 1_000_000


class Status(StrEnum):
    """What a key is good for."""

    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """Instants are microseconds since 1970. `status` is what was stored; `effective_status` is what holds now."""

    id: str
    key_hash: str = field(repr=False)
    tenant: str
    username: str
    groups: tuple[str, ...]
    subscription: str
    name: str
    description: str
    ephemeral: bool
    status: Status
    created_at: int
    expires_at: int | None
    last_used_at: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def effective_status(self, now: int) -> Status:
        """Expired once its time has passed, unless it was revoked before."""
        if self.status is Status.ACTIVE and self.expires_at is not None and self.expires_at <= now:
            return Status.EXPIRED
        return self.status


def rfc3339(instant: int) -> str:
    """An instant as UTC text, with a fraction only where there is one."""
    seconds, micro = divmod(instant, MICROSECONDS)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{micro:06d}".rstrip("0") + "Z" if micro else f"{text}Z"
