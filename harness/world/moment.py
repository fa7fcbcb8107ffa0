"""Times that answers state: RFC 3339 in UTC, or the platform is to blame."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from harness.client.exchange import Exchange
from harness.engine.failure import NotConformant

_RFC3339_UTC: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def expect_moment(
    document: Mapping[str, Any], member: str, *, exchange: Exchange | None = None, requirement: str | None = None
) -> datetime:
    """The time that a member of an answer states. Raises NotConformant for a member that is missing, or says no time in UTC."""
    text = document.get(member)
    try:
        if isinstance(text, str) and _RFC3339_UTC.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass  # a month or an hour that there is not
    raise NotConformant(
        expected=f"{member} as RFC 3339 in UTC", observed=repr(text), exchange=exchange, requirement=requirement
    )


def expect_lifetime(
    document: Mapping[str, Any], *, exchange: Exchange | None = None, requirement: str | None = None
) -> timedelta:
    """From `createdAt` to `expiresAt` of a new key. Raises NotConformant unless both are times in UTC."""
    born, dies = (
        expect_moment(document, member, exchange=exchange, requirement=requirement)
        for member in ("createdAt", "expiresAt")
    )
    return dies - born
