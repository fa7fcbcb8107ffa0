"""The surroundings of a failure, taken before teardown: what the objects involved said, and what the components logged meanwhile."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from harness.engine.events import ObjectState
from harness.engine.redaction import redact
from harness.kube.cluster import Cluster
from harness.outcome import Fault
from harness.platforms.platform import Platform

LOG_LIMIT: Final = 16_384
"""Characters of a component's log that a report carries: the last ones of what concerns the check."""
READ_LIMIT: Final = 4_194_304
"""Bytes of the interval that are looked through: beside hundreds of checks, most lines are of others."""
EVENTS: Final = 10
"""Latest events of one object that a report carries."""
_ORDINARY: Final = (" INFO ", " DEBUG ", "[info]", "[debug]")
"""What marks a line as one of daily life: it is kept only where it names something of the check; all others are trouble."""
_KINDS: Final = (
    ("maas.opendatahub.io/v1alpha1", "MaaSModelRef"),
    ("maas.opendatahub.io/v1alpha1", "MaaSAuthPolicy"),
    ("maas.opendatahub.io/v1alpha1", "MaaSSubscription"),
    ("serving.kserve.io/v1alpha1", "LLMInferenceService"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("kuadrant.io/v1", "AuthPolicy"),
    ("kuadrant.io/v1alpha1", "TokenRateLimitPolicy"),
)
_PROMISING: Final = frozenset(
    {
        "Ready",
        "Accepted",
        "Programmed",
        "Enforced",
        "ResolvedRefs",
        "RuntimeReady",
        "GovernanceAttached",
        "HTTPRoutesReady",
    }
)
"""Conditions that an object in order has at True; others, such as ConflictingAuthPolicy, are good news at False."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where each component's log ended when a check began, in bytes."""

    offsets: Mapping[str, int]

    @classmethod
    def now(cls, platform: Platform) -> "LogPosition":
        """Note the present ends; a log that does not exist yet ends at 0."""
        return cls({name: _size(path) for name, path in platform.logs.items()})

    def since(self, platform: Platform, named: Collection[str]) -> dict[str, str]:
        """What was logged since and names one of these (request ids, objects) or tells of trouble, per component.

        Masked and cut to the last `LOG_LIMIT` characters; components without such a line are left out.
        """
        slices = {name: _slice(path, self.offsets.get(name, 0)) for name, path in platform.logs.items()}
        kept = {name: _concerning(text, named)[-LOG_LIMIT:] for name, text in slices.items()}
        return {name: text for name, text in kept.items() if text}


def object_states(platform: Platform, since: str) -> tuple[tuple[ObjectState, ...], tuple[str, ...]]:
    """Objects of the platform that are not well or younger than `since` (RFC 3339, UTC), and what could not be read.

    Which objects a check touched is known to the API server best: those it made are young, those it broke are not well.
    """
    if platform.kubeconfig is None:
        return (), ("objects: no kubeconfig",)
    states: list[ObjectState] = []
    unavailable: list[str] = []
    try:
        cluster = connected(platform.kubeconfig)
    except Fault as fault:
        return (), (f"objects: {fault}",)
    said = _events(cluster, unavailable)
    for api_version, kind in _KINDS:
        try:
            found = cluster.objects(api_version, kind)
        except Fault as fault:
            unavailable.append(f"{kind}: {fault}")
            continue
        states += [_state(item, said) for item in found if _is_young(item, since) or not _is_well(item)]
    return tuple(states), tuple(unavailable)


def _events(cluster: Cluster, unavailable: list[str]) -> Mapping[str, list[str]]:
    """What was said of each object, by its uid, the latest last."""
    try:
        found = cluster.objects("v1", "Event")
    except Fault as fault:
        unavailable.append(f"Event: {fault}")
        return {}
    said: dict[str, list[str]] = {}
    for event in sorted(found, key=_last_seen):
        line = f"{event.get('type')} {event.get('reason')} (x{event.get('count') or 1}): {event.get('message')}"
        said.setdefault(str((event.get("involvedObject") or {}).get("uid")), []).append(redact(line))
    return said


def _last_seen(event: Mapping[str, Any]) -> str:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event.get("metadata", {}).get("creationTimestamp"))
    return next((str(at) for at in times if at), "")


@cache
def connected(kubeconfig: Path) -> Cluster:
    """One connection a process: discovery costs more than all the lists."""
    return Cluster.connect(kubeconfig)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _slice(path: Path, offset: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(offset, _size(path) - READ_LIMIT))
            return file.read(READ_LIMIT).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _concerning(text: str, named: Collection[str]) -> str:
    """The lines that speak of the check, or of trouble; masked."""
    lines = [
        line
        for line in text.splitlines(keepends=True)
        if not any(mark in line for mark in _ORDINARY) or any(name in line for name in named)
    ]
    return redact("".join(lines))


def _is_young(item: Mapping[str, Any], since: str) -> bool:
    return str(item.get("metadata", {}).get("creationTimestamp", "")) >= since


def _is_well(item: Mapping[str, Any]) -> bool:
    return all(entry.get("status") == "True" for entry in _conditions(item) if entry.get("type") in _PROMISING)


def _conditions(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = item.get("status") or {}
    parents = [condition for parent in status.get("parents") or [] for condition in parent.get("conditions") or []]
    return [*(status.get("conditions") or []), *parents]


def _state(item: Mapping[str, Any], said: Mapping[str, list[str]]) -> ObjectState:
    metadata = item.get("metadata", {})
    return ObjectState(
        kind=str(item.get("kind")),
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        phase=(item.get("status") or {}).get("phase"),
        conditions=tuple(redact(_line(entry)) for entry in _conditions(item)),
        events=tuple(said.get(str(metadata.get("uid")), ())[-EVENTS:]),
    )


def _line(condition: Mapping[str, Any]) -> str:
    why = ": ".join(str(condition[name]) for name in ("reason", "message") if condition.get(name))
    return f"{condition.get('type')}={condition.get('status')} {why}".rstrip()
