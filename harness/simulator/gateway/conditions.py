"""Conditions as Kubernetes keeps them: a transition time that changes with the status alone."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition without its time."""

    type: str
    status: bool
    reason: str
    message: str = ""


def merged(old: Iterable[dict[str, Any]], new: Iterable[Condition], generation: int) -> list[dict[str, Any]]:
    """`new` in the place of what was, keeping the transition times of conditions whose status stays."""
    before = {item.get("type"): item for item in old}
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = []
    for item in new:
        status = "True" if item.status else "False"
        known = before.get(item.type)
        same = known is not None and known.get("status") == status
        found.append(
            {
                "type": item.type,
                "status": status,
                "reason": item.reason,
                "message": item.message,
                "observedGeneration": generation,
                "lastTransitionTime": known["lastTransitionTime"] if same and known else now,
            }
        )
    return found
