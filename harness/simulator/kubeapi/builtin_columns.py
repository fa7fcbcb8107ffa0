"""Printer columns of the built-in kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One column; `since` marks a time that is shown as an age."""

    name: str
    type: str
    cell: Callable[[Json], Any]
    priority: int = 0
    since: bool = False


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _field(*path: str) -> Callable[[Json], Any]:
    return lambda value: _at(value, *path)


def _or(default: Any, *path: str) -> Callable[[Json], Any]:
    def cell(value: Json) -> Any:
        found = _at(value, *path)
        return default if found is None else found

    return cell


def _size(*path: str) -> Callable[[Json], int]:
    return lambda value: len(_at(value, *path) or ())


def _ratio(top: tuple[str, ...], bottom: tuple[str, ...]) -> Callable[[Json], str]:
    return lambda value: f"{_at(value, *top) or 0}/{_at(value, *bottom) or 0}"


def _containers(template: bool, key: str) -> Callable[[Json], str]:
    def cell(value: Json) -> str:
        spec = _at(value, "spec", "template", "spec") if template else _at(value, "spec")
        return ",".join(str(each.get(key, "")) for each in _at(spec, "containers") or ())

    return cell


def _selector(*path: str) -> Callable[[Json], str]:
    def cell(value: Json) -> str:
        found = _at(value, *path) or {}
        labels = found.get("matchLabels", found) if isinstance(found, dict) else {}
        return ",".join(f"{k}={v}" for k, v in sorted(labels.items()) if isinstance(v, str)) or "<none>"

    return cell


def _ports(value: Json) -> str:
    listed = []
    for port in _at(value, "spec", "ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        listed.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(listed) or "<none>"


def _external(value: Json) -> str:
    if _at(value, "spec", "type") == "ExternalName":
        return str(_at(value, "spec", "externalName"))
    ingress = _at(value, "status", "loadBalancer", "ingress") or ()
    found = [each.get("ip") or each.get("hostname", "") for each in ingress] + list(
        _at(value, "spec", "externalIPs") or ()
    )
    if not found and _at(value, "spec", "type") == "LoadBalancer":
        return "<pending>"
    return ",".join(found) or "<none>"


def _pod_status(value: Json) -> str:
    if _at(value, "metadata", "deletionTimestamp"):
        return "Terminating"
    for each in _at(value, "status", "containerStatuses") or ():
        reason = _at(each, "state", "waiting", "reason") or _at(each, "state", "terminated", "reason")
        if reason:
            return str(reason)
    return str(_at(value, "status", "reason") or _at(value, "status", "phase") or "Unknown")


def _pod_ready(value: Json) -> str:
    statuses = _at(value, "status", "containerStatuses") or ()
    return f"{sum(bool(each.get('ready')) for each in statuses)}/{len(_at(value, 'spec', 'containers') or ())}"


def _restarts(value: Json) -> str:
    return str(sum(each.get("restartCount", 0) for each in _at(value, "status", "containerStatuses") or ()))


def _role(value: Json) -> str:
    return f"{_at(value, 'roleRef', 'kind')}/{_at(value, 'roleRef', 'name')}"


def _subjects(kind: str) -> Callable[[Json], str]:
    def cell(value: Json) -> str:
        found = [each for each in value.get("subjects") or () if each.get("kind") == kind]
        return ", ".join(
            f"{each['namespace']}/{each['name']}" if each.get("namespace") else str(each.get("name")) for each in found
        )

    return cell


def _gates(value: Json) -> str:
    gates = [each.get("conditionType") for each in _at(value, "spec", "readinessGates") or ()]
    met = {each.get("type") for each in _at(value, "status", "conditions") or () if each.get("status") == "True"}
    return f"{sum(gate in met for gate in gates)}/{len(gates)}" if gates else "<none>"


def _node_status(value: Json) -> str:
    conditions = {each.get("type"): each.get("status") for each in _at(value, "status", "conditions") or ()}
    text = "Ready" if conditions.get("Ready") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if _at(value, "spec", "unschedulable") else text


def _endpoints(value: Json) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in value.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
    ]
    return ",".join(found) or "<none>"


def _slice_ports(value: Json) -> str:
    return ",".join(str(each.get("port", "")) for each in value.get("ports") or ()) or "<unset>"


def _slice_addresses(value: Json) -> str:
    return (
        ",".join(address for each in value.get("endpoints") or () for address in each.get("addresses") or ())
        or "<unset>"
    )


def _involved(value: Json) -> str:
    kind, name = _at(value, "involvedObject", "kind"), _at(value, "involvedObject", "name")
    return f"{str(kind or '').lower()}/{name or ''}"


def _duration(value: Json) -> str:
    started, ended = _at(value, "status", "startTime"), _at(value, "status", "completionTime")
    if not started:
        return ""
    seconds = (datetime.fromisoformat(ended) if ended else datetime.now(UTC)) - datetime.fromisoformat(started)
    return f"{max(int(seconds.total_seconds()), 0)}s"


def _job_status(value: Json) -> str:
    done = {each.get("type") for each in _at(value, "status", "conditions") or () if each.get("status") == "True"}
    return "Complete" if "Complete" in done else "Failed" if "Failed" in done else "Running"


_AGE = Cell("Age", "string", _field("metadata", "creationTimestamp"), since=True)
_CREATED = Cell("Created At", "date", _field("metadata", "creationTimestamp"))
_TEMPLATE = (
    Cell("Containers", "string", _containers(True, "name"), 1),
    Cell("Images", "string", _containers(True, "image"), 1),
    Cell("Selector", "string", _selector("spec", "selector"), 1),
)
_BINDING = (
    Cell("Role", "string", _role),
    _AGE,
    Cell("Users", "string", _subjects("User"), 1),
    Cell("Groups", "string", _subjects("Group"), 1),
    Cell("ServiceAccounts", "string", _subjects("ServiceAccount"), 1),
)
_WEBHOOKS = (Cell("Webhooks", "integer", _size("webhooks")), _AGE)

BUILTIN_CELLS: dict[str, tuple[Cell, ...]] = {
    "Namespace": (Cell("Status", "string", _or("Active", "status", "phase")), _AGE),
    "Node": (
        Cell("Status", "string", _node_status),
        Cell("Roles", "string", lambda _: "<none>"),
        _AGE,
        Cell("Version", "string", _or("", "status", "nodeInfo", "kubeletVersion")),
    ),
    "Pod": (
        Cell("Ready", "string", _pod_ready),
        Cell("Status", "string", _pod_status),
        Cell("Restarts", "string", _restarts),
        _AGE,
        Cell("IP", "string", _or("<none>", "status", "podIP"), 1),
        Cell("Node", "string", _or("<none>", "spec", "nodeName"), 1),
        Cell("Nominated Node", "string", _or("<none>", "status", "nominatedNodeName"), 1),
        Cell("Readiness Gates", "string", _gates, 1),
    ),
    "Service": (
        Cell("Type", "string", _or("ClusterIP", "spec", "type")),
        Cell("Cluster-IP", "string", _or("<none>", "spec", "clusterIP")),
        Cell("External-IP", "string", _external),
        Cell("Port(s)", "string", _ports),
        _AGE,
        Cell("Selector", "string", _selector("spec", "selector"), 1),
    ),
    "ServiceAccount": (Cell("Secrets", "integer", _size("secrets")), _AGE),
    "Secret": (Cell("Type", "string", _field("type")), Cell("Data", "integer", _size("data")), _AGE),
    "ConfigMap": (Cell("Data", "integer", lambda v: len(v.get("data") or ()) + len(v.get("binaryData") or ())), _AGE),
    "Event": (
        Cell("Last Seen", "string", _or(None, "lastTimestamp"), since=True),
        Cell("Type", "string", _field("type")),
        Cell("Reason", "string", _field("reason")),
        Cell("Object", "string", _involved),
        Cell("Message", "string", _or("", "message")),
    ),
    "Endpoints": (Cell("Endpoints", "string", _endpoints), _AGE),
    "EndpointSlice": (
        Cell("AddressType", "string", _field("addressType")),
        Cell("Ports", "string", _slice_ports),
        Cell("Endpoints", "string", _slice_addresses),
        _AGE,
    ),
    "Deployment": (
        Cell("Ready", "string", _ratio(("status", "readyReplicas"), ("spec", "replicas"))),
        Cell("Up-to-date", "integer", _or(0, "status", "updatedReplicas")),
        Cell("Available", "integer", _or(0, "status", "availableReplicas")),
        _AGE,
        *_TEMPLATE,
    ),
    "ReplicaSet": (
        Cell("Desired", "integer", _or(0, "spec", "replicas")),
        Cell("Current", "integer", _or(0, "status", "replicas")),
        Cell("Ready", "integer", _or(0, "status", "readyReplicas")),
        _AGE,
        *_TEMPLATE,
    ),
    "StatefulSet": (
        Cell("Ready", "string", _ratio(("status", "readyReplicas"), ("spec", "replicas"))),
        _AGE,
        *_TEMPLATE[:2],
    ),
    "Job": (
        Cell("Status", "string", _job_status),
        Cell("Completions", "string", _ratio(("status", "succeeded"), ("spec", "completions"))),
        Cell("Duration", "string", _duration),
        _AGE,
        *_TEMPLATE,
    ),
    "Role": (_CREATED,),
    "ClusterRole": (_CREATED,),
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "CustomResourceDefinition": (_CREATED,),
    "Lease": (Cell("Holder", "string", _or("", "spec", "holderIdentity")), _AGE),
    "ValidatingWebhookConfiguration": _WEBHOOKS,
    "MutatingWebhookConfiguration": _WEBHOOKS,
}
