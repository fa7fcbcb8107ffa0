"""What built-in kinds do beyond their schema: defaults, checks and consequences."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from harness.simulator.kubeapi import crds
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.defaults import DEFAULTS
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import Cause, bad_request
from harness.simulator.kubeapi.validation import invalid_value, required

Json = dict[str, Any]
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_DATA_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
    "regex used for validation is '[-._a-zA-Z0-9]+')"
)


def fill_in(value: Json, resource: Resource) -> None:
    """Defaults that a cluster sets in code rather than by schema."""
    fill = DEFAULTS.get(resource.kind)
    if fill is not None:
        fill(value)


def on_create(value: Json, resource: Resource, cluster: Cluster) -> None:
    """Consequences of creation."""
    match (resource.group, resource.kind):
        case ("", "Namespace"):
            value.setdefault("metadata", {}).setdefault("labels", {})["kubernetes.io/metadata.name"] = value[
                "metadata"
            ].get("name", "")
            value["spec"] = {"finalizers": ["kubernetes"]}
            value["status"] = {"phase": "Active"}
        case ("", "Pod"):
            value["status"] = {"phase": "Pending", "qosClass": "BestEffort", **(value.get("status") or {})}
        case ("", "Service"):
            _address(value, cluster)
            value.setdefault("status", {"loadBalancer": {}})
        case ("apps" | "batch" | "policy" | "autoscaling", _):
            value["status"] = {}
        case ("", "Secret"):
            _string_data(value)
        case ("apiextensions.k8s.io", _):
            value.pop("status", None)


def on_update(value: Json, old: Json, resource: Resource, subresource: str) -> None:
    """Consequences of an update: what the server carries over."""
    if resource.group or subresource:
        return
    if resource.kind == "Secret":
        _string_data(value)
    if resource.kind == "Namespace":
        value["spec"] = old.get("spec", {})
        value["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = value["metadata"]["name"]
    if resource.kind == "Service":
        spec, before = value.setdefault("spec", {}), old.get("spec", {})
        for name in ("clusterIP", "clusterIPs"):
            if name in before and name not in spec:
                spec[name] = before[name]


def on_delete(value: Json, resource: Resource) -> None:
    """Refuse deletions that a cluster refuses."""
    from harness.simulator.kubeapi.status import forbidden

    if (resource.group, resource.kind) == ("", "Namespace") and value["metadata"]["name"] in {
        "default",
        "kube-system",
        "kube-public",
    }:
        raise forbidden("namespaces", "", value["metadata"]["name"], "this namespace may not be deleted")


def _string_data(value: Json) -> None:
    plain = value.pop("stringData", None)
    if plain:
        data = value.setdefault("data", {})
        data.update({key: base64.b64encode(str(text).encode()).decode() for key, text in plain.items()})


def _address(value: Json, cluster: Cluster) -> None:
    spec = value.setdefault("spec", {})
    if spec.get("type") == "ExternalName" or spec.get("clusterIP"):
        if spec.get("clusterIP"):
            spec.setdefault("clusterIPs", [spec["clusterIP"]])
        return
    taken = {entry.decode()["spec"].get("clusterIP") for entry in cluster.store.objects(("", "services"))}
    number = 10
    while (address := f"10.96.{number // 250}.{number % 250 + 1}") in taken:
        number += 1
    spec["clusterIP"] = address
    spec["clusterIPs"] = [address]


def errors(value: Json, old: Json | None, resource: Resource) -> list[Cause]:
    """Field errors that a cluster finds in code rather than by schema."""
    check = _CHECKS.get((resource.group, resource.kind))
    return check(value, old) if check is not None else []


def _secret(value: Json, old: Json | None) -> list[Cause]:
    found = _immutable(value, old)
    for key, text in (value.get("data") or {}).items():
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise bad_request(
                f'Secret in version "v1" cannot be handled as a Secret: illegal base64 data in data.{key}'
            ) from error
    return found


def _config_map(value: Json, old: Json | None) -> list[Cause]:
    found = _immutable(value, old)
    for name in ("data", "binaryData"):
        for key in value.get(name) or ():
            if not _DATA_KEY.fullmatch(key) or len(key) > 253:
                found.append(invalid_value(f"{name}[{key}]", key, _DATA_KEY_TEXT))
    return found


def _pod(value: Json, _old: Json | None) -> list[Cause]:
    spec = value.get("spec") or {}
    return _containers(spec, "spec")


def _containers(spec: Json, path: str) -> list[Cause]:
    containers = spec.get("containers") or []
    found = [] if containers else [required(f"{path}.containers")]
    seen: set[str] = set()
    for index, each in enumerate(containers):
        name = each.get("name", "")
        if name in seen:
            found.append(Cause("FieldValueDuplicate", f"{path}.containers[{index}].name", f'Duplicate value: "{name}"'))
        seen.add(name)
    return found


def _immutable(value: Json, old: Json | None) -> list[Cause]:
    if old and old.get("immutable"):
        changed = [n for n in ("data", "binaryData") if value.get(n) != old.get(n)]
        return [
            Cause("FieldValueForbidden", name, "Forbidden: field is immutable when `immutable` is set")
            for name in changed
        ]
    return []


def _workload(value: Json, old: Json | None) -> list[Cause]:
    spec = value.get("spec") or {}
    found = [] if "spec" in value else [required("spec")]
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = (((spec.get("template") or {}).get("metadata")) or {}).get("labels") or {}
    if selector and any(labels.get(key) != each for key, each in selector.items()):
        found.append(
            invalid_value("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
        )
    if "selector" in spec and not spec["selector"]:
        found.append(invalid_value("spec.selector", {}, "empty selector is invalid for deployment"))
    if old and (old.get("spec") or {}).get("selector") != spec.get("selector"):
        found.append(invalid_value("spec.selector", spec.get("selector"), "field is immutable"))
    template = (spec.get("template") or {}).get("spec")
    if isinstance(template, dict):
        found += _containers(template, "spec.template.spec")
    if (spec.get("replicas") or 0) < 0:
        found.append(invalid_value("spec.replicas", spec["replicas"], "must be greater than or equal to 0"))
    return found


def _service(value: Json, _old: Json | None) -> list[Cause]:
    found = []
    spec = value.get("spec") or {}
    for index, port in enumerate(spec.get("ports") or ()):
        number = port.get("port", 0)
        if not 1 <= number <= 65535:
            found.append(invalid_value(f"spec.ports[{index}].port", number, "must be between 1 and 65535, inclusive"))
    if not spec.get("ports") and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        found.append(required("spec.ports"))
    return found


def _binding(value: Json, old: Json | None) -> list[Cause]:
    if old and old.get("roleRef") != value.get("roleRef"):
        return [invalid_value("roleRef", value.get("roleRef"), "cannot change roleRef")]
    return []


def settle(value: Json, resource: Resource) -> None:
    """What the server itself writes on an object that passed its checks."""
    if resource.group == "apiextensions.k8s.io":
        crds.establish(value)


_CHECKS: dict[tuple[str, str], Callable[[Json, Json | None], list[Cause]]] = {
    ("", "Secret"): _secret,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): crds.errors,
    ("", "ConfigMap"): _config_map,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("apps", "Deployment"): _workload,
    ("apps", "ReplicaSet"): _workload,
    ("apps", "StatefulSet"): _workload,
    ("apps", "DaemonSet"): _workload,
    ("rbac.authorization.k8s.io", "RoleBinding"): _binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _binding,
}
