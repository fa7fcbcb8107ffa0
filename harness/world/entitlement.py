"""What an identity may list, worked out from the platform's own objects: the oracle for listings that are not empty by construction.

A platform may hold subscriptions that are open to everybody; a check that expected "nothing" or "exactly mine" would then
judge the installer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.kube.cluster import Cluster
from harness.world.governance import MAAS
from harness.world.identity import EVERYBODY, Person

_SERVING = frozenset({"Active", "Degraded"})


@dataclass(frozen=True, slots=True)
class Entitlements:
    """Model ids: `models` are subscribed to and allowed, `withheld` are subscribed to and not allowed."""

    models: frozenset[str]
    withheld: frozenset[str]


def entitlements_of(cluster: Cluster, identity: Person, namespace: str) -> Entitlements:
    """Read subscriptions, policies and models, and apply the two gates: both must name the identity and the model."""
    subscribed = _models_for(identity, _serving(cluster, "MaaSSubscription", namespace), "owner")
    allowed = _models_for(identity, _serving(cluster, "MaaSAuthPolicy", namespace), "subjects")
    listed = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): str(item["status"].get("resolvedModelAlias", ""))
        for item in cluster.objects(MAAS, "MaaSModelRef")
        if (item.get("status") or {}).get("phase") == "Ready"
    }
    granted = {listed[ref] for ref in subscribed & allowed if ref in listed}
    return Entitlements(
        frozenset(granted), frozenset({listed[ref] for ref in subscribed - allowed if ref in listed} - granted)
    )


def open_models(cluster: Cluster, namespace: str) -> frozenset[tuple[str, str]]:
    """Models (namespace, name) that some subscription opens to every ServiceAccount."""
    return frozenset(
        (ref["namespace"], ref["name"])
        for item in _serving(cluster, "MaaSSubscription", namespace)
        if {group["name"] for group in item["spec"]["owner"].get("groups") or ()} & EVERYBODY
        for ref in item["spec"]["modelRefs"]
    )


def _serving(cluster: Cluster, kind: str, namespace: str) -> list[Mapping[str, Any]]:
    return [
        item
        for item in cluster.objects(MAAS, kind, namespace=namespace)
        if (item.get("status") or {}).get("phase") in _SERVING and "deletionTimestamp" not in item["metadata"]
    ]


def _models_for(identity: Person, objects: Iterable[Mapping[str, Any]], people: str) -> set[tuple[str, str]]:
    return {
        (ref["namespace"], ref["name"])
        for item in objects
        if _includes(item["spec"].get(people) or {}, identity)
        for ref in item["spec"]["modelRefs"]
    }


def _includes(people: Mapping[str, Any], identity: Person) -> bool:
    groups = {group["name"] for group in people.get("groups") or ()}
    return identity.username in (people.get("users") or ()) or bool(groups & set(identity.groups))
