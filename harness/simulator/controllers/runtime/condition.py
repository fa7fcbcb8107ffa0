"""Conditions in the shape of `metav1.Condition`, whose transition time moves only when the status does."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.simulator.controllers.runtime.manifest import Manifest

Truth = Literal["True", "False", "Unknown"]


def truth(value: bool) -> Truth:
    """A condition's status from a boolean."""
    return "True" if value else "False"


@dataclass(frozen=True, slots=True)
class Condition:
    """A statement about an object; `observed` is the generation it speaks of, None where the kind's conditions carry none."""

    type: str
    status: Truth
    reason: str = ""
    message: str = ""
    observed: int | None = None
    severity: str = ""

    def written(self, before: Iterable[Manifest], now: str) -> Manifest:
        """The condition as it goes into `status.conditions`, keeping the transition time of an unchanged status."""
        old = find(before, self.type)
        since = old.get("lastTransitionTime") if old is not None and old.get("status") == self.status else None
        entry: Manifest = {"type": self.type, "status": self.status, "lastTransitionTime": since or now}
        if self.observed is not None:
            entry["observedGeneration"] = self.observed
            entry["reason"] = self.reason
            entry["message"] = self.message
            return entry
        optional = {"severity": self.severity, "reason": self.reason, "message": self.message}
        return entry | {name: text for name, text in optional.items() if text}


def find(conditions: Iterable[Manifest] | None, kind: str) -> Manifest | None:
    """The condition of that type, or None."""
    return next((entry for entry in conditions or () if entry.get("type") == kind), None)


def holds(conditions: Iterable[Manifest] | None, kind: str, generation: int = 0) -> bool:
    """Whether the condition is True and speaks of `generation` or a later one (an entry without a generation counts)."""
    entry = find(conditions, kind)
    if entry is None or entry.get("status") != "True":
        return False
    return int(entry.get("observedGeneration") or generation) >= generation


def update(before: Iterable[Manifest] | None, changed: Iterable[Condition], now: str) -> list[Manifest]:
    """`before` with the changed conditions replaced or added, sorted by type so that order never makes a difference."""
    entries = list(before or ())
    merged = {entry["type"]: entry for entry in entries}
    for condition in changed:
        merged[condition.type] = condition.written(entries, now)
    return [merged[kind] for kind in sorted(merged)]
