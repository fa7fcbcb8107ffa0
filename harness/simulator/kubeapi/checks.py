"""Field errors of built-in kinds that a cluster finds in code rather than by schema."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from typing import Any

from harness.simulator.kubeapi import crds
from harness.simulator.kubeapi.metadata import LABEL_TEXT, VALUE, VALUE_TEXT
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import Cause, bad_request
from harness.simulator.kubeapi.validation import invalid_value, required, unsupported

Json = dict[str, Any]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBJECTS = ("ServiceAccount", "User", "Group")
_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_DATA_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
    "regex used for validation is '[-._a-zA-Z0-9]+')"
)


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


def _label(name: str, path: str) -> list[Cause]:
    """What is wrong with a name that has to be a DNS label."""
    if not name:
        return [required(path)]
    found = []
    if len(name) > 63:
        found.append(invalid_value(path, name, "must be no more than 63 characters"))
    if not _LABEL.fullmatch(name):
        found.append(invalid_value(path, name, LABEL_TEXT))
    return found


def _containers(spec: Json, path: str) -> list[Cause]:
    containers = spec.get("containers") or []
    found = [] if containers else [required(f"{path}.containers")]
    seen: set[str] = set()
    for index, each in enumerate(containers):
        name = each.get("name", "")
        found += _label(name, f"{path}.containers[{index}].name")
        if not each.get("image") and path == "spec":
            found.append(required(f"{path}.containers[{index}].image"))
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
    found: list[Cause] = []
    spec = value.get("spec") or {}
    ports = spec.get("ports") or []
    for index, port in enumerate(ports):
        number, path = port.get("port", 0), f"spec.ports[{index}]"
        if port.get("name") or len(ports) > 1:
            found += _label(port.get("name") or "", f"{path}.name")
        if not 1 <= number <= 65535:
            found.append(invalid_value(f"{path}.port", number, "must be between 1 and 65535, inclusive"))
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        found.append(required("spec.ports"))
    if spec.get("type") not in _SERVICE_TYPES:
        found.append(unsupported("spec.type", spec.get("type", ""), list(_SERVICE_TYPES)))
    for each in (spec.get("selector") or {}).values():
        if not VALUE.fullmatch(each) or len(each) > 63:
            found.append(invalid_value("spec.selector", each, VALUE_TEXT))
    return found


def _endpoint_slice(value: Json, old: Json | None) -> list[Cause]:
    kind = value.get("addressType") or ""
    if not kind:
        return [required("addressType")]
    if kind not in _ADDRESS_TYPES:
        return [unsupported("addressType", kind, list(_ADDRESS_TYPES))]
    found = []
    if old is not None and old.get("addressType") != kind:
        found.append(invalid_value("addressType", kind, "field is immutable"))
    for index, endpoint in enumerate(value.get("endpoints") or ()):
        path = f"endpoints[{index}].addresses"
        if not endpoint.get("addresses"):
            found.append(required(path, "must contain at least 1 address"))
        for place, address in enumerate(endpoint.get("addresses") or ()):
            if kind != "FQDN" and (detail := _wrong_address(address)):
                found.append(invalid_value(f"{path}[{place}]", address, detail))
    return found


def _wrong_address(text: str) -> str:
    """What is wrong with an address as an endpoint: nobody else reaches a loopback address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    return "may not be in the loopback range (127.0.0.0/8, ::1/128)" if address.is_loopback else ""


def _endpoints(value: Json, _old: Json | None) -> list[Cause]:
    told = "must specify `addresses` or `notReadyAddresses`"
    subsets = enumerate(value.get("subsets") or ())
    return [
        required(f"subsets[{i}]", told)
        for i, each in subsets
        if not (each.get("addresses") or each.get("notReadyAddresses"))
    ]


def _binding(value: Json, old: Json | None) -> list[Cause]:
    found = []
    if old and old.get("roleRef") != value.get("roleRef"):
        found.append(invalid_value("roleRef", value.get("roleRef"), "cannot change roleRef"))
    for index, subject in enumerate(value.get("subjects") or ()):
        kind = subject.get("kind") or ""
        if kind not in _SUBJECTS:
            found.append(unsupported(f"subjects[{index}].kind", kind, list(_SUBJECTS)))
        if not subject.get("name"):
            found.append(required(f"subjects[{index}].name"))
        if kind == "ServiceAccount" and not subject.get("namespace"):
            found.append(required(f"subjects[{index}].namespace"))
    return found


_CHECKS: dict[tuple[str, str], Callable[[Json, Json | None], list[Cause]]] = {
    ("", "Secret"): _secret,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): crds.errors,
    ("", "ConfigMap"): _config_map,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "Endpoints"): _endpoints,
    ("discovery.k8s.io", "EndpointSlice"): _endpoint_slice,
    ("apps", "Deployment"): _workload,
    ("apps", "ReplicaSet"): _workload,
    ("apps", "StatefulSet"): _workload,
    ("apps", "DaemonSet"): _workload,
    ("rbac.authorization.k8s.io", "RoleBinding"): _binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _binding,
}
