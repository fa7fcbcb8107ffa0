"""Who may do what: role based access control over the stored roles and bindings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.identity import MASTERS, User
from harness.simulator.kubeapi.selectors import labels_match, of_label_selector

_GROUP = "rbac.authorization.k8s.io"
_EVERYONE_READS = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/apis", "/openapi")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is to be authorized: a verb on a resource, or on a path that is no resource."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and which binding said so."""

    allowed: bool
    reason: str = ""


def authorize(cluster: Cluster, user: User, asked: Attributes) -> Decision:
    """Decide as the RBAC authorizer does: anything that no rule grants is refused."""
    if MASTERS in user.groups:
        return Decision(True)
    if asked.path and asked.verb in {"get", "head"} and _public(asked.path):
        return Decision(True)
    if _self_review(asked):
        return Decision(
            True,
            'RBAC: allowed by ClusterRoleBinding "system:basic-user" of ClusterRole "system:basic-user" to Group "system:authenticated"',
        )
    for rule, why in rules_for(cluster, user, asked.namespace):
        if grants(rule, asked):
            return Decision(True, why)
    return Decision(False)


def _public(path: str) -> bool:
    return path in _EVERYONE_READS or any(path == each or path.startswith(f"{each}/") for each in _DISCOVERY)


def _self_review(asked: Attributes) -> bool:
    own = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
    return (
        asked.verb == "create"
        and asked.group in {"authorization.k8s.io", "authentication.k8s.io"}
        and asked.resource in own
    )


def rules_for(cluster: Cluster, user: User, namespace: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Every rule that reaches the user, with the words that explain it."""
    for entry in cluster.store.objects((_GROUP, "clusterrolebindings")):
        yield from _bound(cluster, entry.decode(), user, "")
    if namespace:
        for entry in cluster.store.objects((_GROUP, "rolebindings"), namespace):
            yield from _bound(cluster, entry.decode(), user, namespace)


def _bound(
    cluster: Cluster, binding: dict[str, Any], user: User, namespace: str
) -> Iterator[tuple[dict[str, Any], str]]:
    subject = next((s for s in binding.get("subjects") or () if _is_subject(s, user, namespace)), None)
    if subject is None:
        return
    reference = binding["roleRef"]
    name = binding["metadata"]["name"]
    shown = f'{binding["kind"]} "{name}/{namespace}"' if namespace else f'{binding["kind"]} "{name}"'
    who = f'{subject["kind"]} "{subject["name"]}' + (f'/{subject["namespace"]}"' if subject.get("namespace") else '"')
    why = f'RBAC: allowed by {shown} of {reference["kind"]} "{reference["name"]}" to {who}'
    for rule in role_rules(cluster, reference["kind"], reference["name"], namespace):
        yield rule, why


def _is_subject(subject: dict[str, Any], user: User, namespace: str) -> bool:
    match subject.get("kind"):
        case "User":
            return bool(subject.get("name") == user.name)
        case "Group":
            return subject.get("name") in user.groups
        case "ServiceAccount":
            return user.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{subject.get('name')}"
        case _:
            return False


def role_rules(cluster: Cluster, kind: str, name: str, namespace: str) -> list[dict[str, Any]]:
    """The rules of a role; none where it does not exist."""
    place = ("clusterroles", "") if kind == "ClusterRole" else ("roles", namespace)
    entry = cluster.store.get((_GROUP, place[0]), place[1], name)
    return list(entry.decode().get("rules") or ()) if entry is not None else []


def grants(rule: dict[str, Any], asked: Attributes) -> bool:
    """Whether one rule covers the attributes."""
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and asked.verb not in verbs:
        return False
    if asked.path:
        return any(
            u in {"*", asked.path} or (u.endswith("*") and asked.path.startswith(u[:-1]))
            for u in rule.get("nonResourceURLs") or ()
        )
    groups, names = rule.get("apiGroups") or (), rule.get("resourceNames") or ()
    if "*" not in groups and asked.group not in groups:
        return False
    if names and asked.name not in names:
        return False
    whole = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    wanted = {"*", whole} | ({f"*/{asked.subresource}"} if asked.subresource else set())
    return any(each in wanted for each in rule.get("resources") or ())


def aggregate(cluster: Cluster) -> None:
    """Fill every ClusterRole that aggregates others with their rules."""
    roles = [entry.decode() for entry in cluster.store.objects((_GROUP, "clusterroles"))]
    for role in roles:
        selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors")
        if selectors is None:
            continue
        rules: list[Any] = []
        for other in roles:
            if other is not role and any(
                labels_match(of_label_selector(s), other["metadata"].get("labels") or {}) for s in selectors
            ):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
        if rules != (role.get("rules") or []):
            role["rules"] = rules
            cluster.store.put((_GROUP, "clusterroles"), role)


def follow(cluster: Cluster) -> None:
    """Keep aggregated roles up to date with every change of a ClusterRole."""
    busy = False

    def changed(bucket: tuple[str, str], _change: object) -> None:
        nonlocal busy
        if bucket != (_GROUP, "clusterroles") or busy:
            return
        busy = True
        try:
            aggregate(cluster)
        finally:
            busy = False

    cluster.store.listen(changed)
