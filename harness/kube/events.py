"""Events: what controllers told about an object, for people who ask what happened to it."""

from dataclasses import dataclass

from harness.kube.cluster import Cluster
from harness.kube.manifest import Ref


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of news about an object; repetitions of it count up instead of adding events."""

    severity: str
    reason: str
    message: str


def events_about(cluster: Cluster, ref: Ref) -> tuple[Event, ...]:
    """The events that name this object, of whichever of the two event APIs they came from."""
    return tuple(
        Event(str(one.get("type", "")), str(one.get("reason", "")), str(one.get("message", "")))
        for one in cluster.objects("v1", "Event", namespace=ref.namespace)
        if (one.get("involvedObject") or {}).get("kind") == ref.kind
        and (one.get("involvedObject") or {}).get("name") == ref.name
    )
