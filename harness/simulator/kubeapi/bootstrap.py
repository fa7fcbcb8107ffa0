"""What a fresh cluster holds before anybody asks: namespaces, service accounts, roles, and the CRDs that were handed over."""

import uuid
from pathlib import Path
from typing import Any

from harness.simulator.kubeapi import crds
from harness.simulator.kubeapi.builtin import DEFINITION, schema_of
from harness.simulator.kubeapi.changes import Change
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.managers import now
from harness.simulator.kubeapi.status import ApiError, Cause
from harness.simulator.kubeapi.store import Bucket
from harness.simulator.kubeapi.validation import validate

Json = dict[str, Any]
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_RBAC = "rbac.authorization.k8s.io"
_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_WORKLOADS = [
    "configmaps", "endpoints", "persistentvolumeclaims", "pods", "pods/log", "replicationcontrollers", "serviceaccounts", "services",
    "events",
]  # fmt: skip


def _rule(groups: list[str], resources: list[str], verbs: list[str]) -> Json:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}


def _roles() -> list[Json]:
    secrets = ["secrets", "serviceaccounts/token", "pods/portforward"]
    others = ["apps", "batch", "autoscaling", "networking.k8s.io", "policy", "discovery.k8s.io", "coordination.k8s.io"]
    view = [_rule([""], [*_WORKLOADS, "namespaces"], _READ), _rule(others, ["*"], _READ)]
    edit = [_rule([""], [*_WORKLOADS, *secrets], [*_READ, *_WRITE]), _rule(others, ["*"], _WRITE)]
    admin = [_rule([_RBAC], ["roles", "rolebindings"], [*_READ, *_WRITE])]
    aggregate = "rbac.authorization.k8s.io/aggregate-to-"
    parts = [
        ("system:aggregate-to-view", view, {f"{aggregate}view": "true"}),
        ("system:aggregate-to-edit", edit, {f"{aggregate}edit": "true"}),
        ("system:aggregate-to-admin", admin, {f"{aggregate}admin": "true"}),
    ]
    found: list[Json] = [
        {"metadata": {"name": name, "labels": labels}, "rules": rules} for name, rules, labels in parts
    ]
    upward = {
        "view": ("view", {f"{aggregate}edit": "true"}),
        "edit": ("edit", {f"{aggregate}admin": "true"}),
        "admin": ("admin", {}),
    }
    for name, (key, labels) in upward.items():
        rule = {"clusterRoleSelectors": [{"matchLabels": {f"{aggregate}{key}": "true"}}]}
        found.append({"metadata": {"name": name, "labels": labels}, "aggregationRule": rule, "rules": []})
    everything = [_rule(["*"], ["*"], ["*"]), {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    reviewers = [
        _rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
        _rule(["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
    ]
    found.append({"metadata": {"name": "cluster-admin"}, "rules": everything})
    found.append({"metadata": {"name": "system:auth-delegator"}, "rules": reviewers})
    return found


def put(cluster: Cluster, bucket: Bucket, api_version: str, kind: str, value: Json) -> None:
    """Store an object of the server's own making, unless it is there already."""
    meta = value["metadata"]
    if cluster.store.get(bucket, meta.get("namespace", ""), meta["name"]) is None:
        meta.update(uid=str(uuid.uuid4()), creationTimestamp=now())
        cluster.store.put(bucket, {"kind": kind, "apiVersion": api_version, **value})


def furnish(cluster: Cluster, ca: bytes) -> None:
    """Namespaces, default service accounts and roles."""
    _follow_namespaces(cluster, ca.decode())
    for name in NAMESPACES:
        labels = {"kubernetes.io/metadata.name": name}
        value = {
            "metadata": {"name": name, "labels": labels},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }
        put(cluster, ("", "namespaces"), "v1", "Namespace", value)
    for role in _roles():
        put(cluster, (_RBAC, "clusterroles"), f"{_RBAC}/v1", "ClusterRole", role)
    binding = {
        "metadata": {"name": "cluster-admin"},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": "system:masters"}],
    }
    put(cluster, (_RBAC, "clusterrolebindings"), f"{_RBAC}/v1", "ClusterRoleBinding", binding)
    service = {
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "type": "ClusterIP", "sessionAffinity": "None",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
        "status": {"loadBalancer": {}},
    }  # fmt: skip
    put(cluster, ("", "services"), "v1", "Service", service)


def _follow_namespaces(cluster: Cluster, ca: str) -> None:
    def changed(bucket: Bucket, change: Change) -> None:
        if bucket != ("", "namespaces") or change.type != "ADDED":
            return
        name = change.entry.name
        put(
            cluster,
            ("", "serviceaccounts"),
            "v1",
            "ServiceAccount",
            {"metadata": {"name": "default", "namespace": name}},
        )
        bundle = {"metadata": {"name": "kube-root-ca.crt", "namespace": name}, "data": {"ca.crt": ca}}
        put(cluster, ("", "configmaps"), "v1", "ConfigMap", bundle)

    cluster.store.listen(changed)


class UnusableManifestError(Exception):
    """A CRD folder with something in it that cannot be served; the text names the file."""


def load_definitions(folder: Path) -> list[tuple[Path, Json]]:
    """Every CustomResourceDefinition below a folder with its file, in file order. Raises UnusableManifestError."""
    import yaml

    if not folder.is_dir():
        raise UnusableManifestError(
            f"--crds {folder} is not a folder; give a folder of CustomResourceDefinition manifests"
        )
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: list[tuple[Path, Json]] = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml"), *folder.rglob("*.json")]):
        try:
            documents = list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=loader))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UnusableManifestError(f"{path} cannot be read as YAML: {str(error).splitlines()[0]}") from error
        wanted = [
            each for each in documents if isinstance(each, dict) and each.get("kind") == "CustomResourceDefinition"
        ]
        found += [(path, each) for each in wanted]
    return found


def _definition_errors(value: Json) -> list[Cause]:
    return validate(value["spec"], schema_of(f"{DEFINITION}Spec"), "spec") or crds.errors(value, None)


def install(cluster: Cluster, path: Path, definition: Json) -> None:
    """Store and serve a definition. Raises UnusableManifestError when a cluster would refuse it."""
    named = definition.get("metadata")
    meta = {
        k: v for k, v in (named if isinstance(named, dict) else {}).items() if k in {"name", "labels", "annotations"}
    }
    value: Json = {"metadata": meta, "spec": definition.get("spec")}
    crds.fill_in(value)
    try:
        wrong = _definition_errors(value)
    except ApiError as error:
        raise UnusableManifestError(f"{path}: {error.message}") from error
    if wrong:
        raise UnusableManifestError(
            f"{path}: CustomResourceDefinition {meta.get('name', 'without a name')}: {wrong[0].text}"
        )
    meta["generation"] = 1
    crds.establish(value)
    stored = cluster.store.get(crds.CRDS, "", meta["name"])
    if stored is None:
        put(cluster, crds.CRDS, "apiextensions.k8s.io/v1", "CustomResourceDefinition", value)
    elif stored.decode()["spec"] != value["spec"]:
        kept = stored.decode()
        kept["spec"] = value["spec"]
        kept["metadata"]["generation"] = kept["metadata"].get("generation", 0) + 1
        crds.establish(kept)
        cluster.store.put(crds.CRDS, kept)
