"""Labels that owners put on keys, and the names of keys: what is accepted."""

import re
from collections.abc import Mapping

from .errors import RequestError

MOST_LABELS = 50
LONGEST_LABEL = 128
LONGEST_VALUE = 1024
LONGEST_NAME = 128

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_LABEL = re.compile(rf"(?:{_PART}/)?{_PART}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_GROUP = re.compile(r"[a-zA-Z0-9:._-]+")


def checked_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    """The labels. Raises RequestError 400 that names the limit."""
    found = dict(labels or {})
    if len(found) > MOST_LABELS:
        raise RequestError(400, f"labels: at most {MOST_LABELS} entries are allowed, came {len(found)}")
    for label, value in found.items():
        if len(label) > LONGEST_LABEL or not _LABEL.fullmatch(label):
            raise RequestError(
                400,
                f"labels: a key has at most {LONGEST_LABEL} characters in the form [prefix/]name of letters, digits, '.', '_' and '-'",
            )
        if not 1 <= len(value) <= LONGEST_VALUE or _CONTROL.search(value):
            raise RequestError(400, f"labels: a value has 1 to {LONGEST_VALUE} characters and no control characters")
    return found


def checked_name(name: str | None, *, ephemeral: bool, nanoseconds: int) -> str:
    """The trimmed name of a key; an ephemeral one without a name gets one from the time. Raises RequestError 400."""
    if not name:
        if ephemeral:
            return f"ephemeral-{nanoseconds}"
        raise RequestError(400, "name is required for non-ephemeral keys")
    if _CONTROL.search(name):
        raise RequestError(400, "key name contains invalid control characters")
    trimmed = name.strip()
    if not trimmed:
        raise RequestError(400, "key name cannot be whitespace only")
    if len(trimmed) > LONGEST_NAME:
        raise RequestError(400, f"key name cannot exceed {LONGEST_NAME} characters")
    return trimmed


def storable_group(group: str) -> bool:
    """Whether a group name may be stored with a key: nothing that could break out of a header or a policy expression."""
    return bool(_GROUP.fullmatch(group))
