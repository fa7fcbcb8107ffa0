"""Nobody grants what they do not hold: the check of roles and bindings against the writer's own rules."""

import itertools
from collections.abc import Iterator
from typing import Any

import orjson

from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.identity import MASTERS, User
from harness.simulator.kubeapi.rbac import Attributes, authorize, grants, role_rules, rules_for
from harness.simulator.kubeapi.requests import Write
from harness.simulator.kubeapi.status import forbidden

Json = dict[str, Any]
_GROUP = "rbac.authorization.k8s.io"
_ROLES = {"roles", "clusterroles"}
_BINDINGS = {"rolebindings", "clusterrolebindings"}


def check(cluster: Cluster, value: Json, old: Json | None, write: Write) -> None:
    """Raises ApiError 403 when a role or binding grants more than its writer holds, and neither `escalate` nor `bind` allows that."""
    resource, user = write.resource, write.user
    if resource.group != _GROUP or user is None or MASTERS in user.groups:
        return
    if resource.plural in _ROLES and (old is None or old.get("rules") != value.get("rules")):
        asked = Attributes("escalate", _GROUP, resource.plural, "", write.namespace, value["metadata"]["name"])
        granted = value.get("rules") or []
    elif resource.plural in _BINDINGS and (old is None or old.get("subjects") != value.get("subjects")):
        reference = value["roleRef"]
        plural = "clusterroles" if reference["kind"] == "ClusterRole" else "roles"
        asked = Attributes("bind", _GROUP, plural, "", write.namespace, reference["name"])
        granted = role_rules(cluster, reference["kind"], reference["name"], write.namespace)
    else:
        return
    missing = _missing(cluster, user, write.namespace, granted)
    if missing and not authorize(cluster, user, asked).allowed:
        groups = " ".join(f'"{group}"' for group in user.groups)
        listed = "\n".join(_shown(rule) for rule in missing)
        why = f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{listed}'
        raise forbidden(resource.plural, resource.group, value["metadata"]["name"], why)


def _missing(cluster: Cluster, user: User, namespace: str, granted: list[Json]) -> list[Json]:
    held = [rule for rule, _ in rules_for(cluster, user, namespace)]
    return [rule for rule in granted if not all(any(grants(own, each) for own in held) for each in _single(rule))]


def _single(rule: Json) -> Iterator[Attributes]:
    """Every single thing that a rule allows."""
    verbs = rule.get("verbs") or ()
    for verb, path in itertools.product(verbs, rule.get("nonResourceURLs") or ()):
        yield Attributes(verb, path=path)
    names = rule.get("resourceNames") or ("",)
    for verb, group, whole, name in itertools.product(
        verbs, rule.get("apiGroups") or (), rule.get("resources") or (), names
    ):
        resource, _, subresource = whole.partition("/")
        yield Attributes(verb, group, resource, subresource, name=name)


def _shown(rule: Json) -> str:
    titles = {
        "apiGroups": "APIGroups", "resources": "Resources", "resourceNames": "ResourceNames", "nonResourceURLs": "NonResourceURLs",
        "verbs": "Verbs",
    }  # fmt: skip
    parts = [f"{title}:{orjson.dumps(rule[name]).decode()}" for name, title in titles.items() if rule.get(name)]
    return "{" + ", ".join(parts) + "}"
