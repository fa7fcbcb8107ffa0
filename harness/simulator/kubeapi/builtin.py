"""The built-in kinds, with schemas from the OpenAPI definitions that `kubernetes-validate` carries."""

import functools
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from harness.simulator.kubeapi.resources import ALL_VERBS, Resource, Scale
from harness.simulator.kubeapi.structural import ANYTHING, Schema, compile_schema

RELEASE = "v1.34.0"
_APIS = "io.k8s.api."
_CREATE = ("create",)

# Fields that the definitions call required although no cluster insists: Go writes them always and reads them never missing.
_LENIENT = {
    ("EndpointSlice", "endpoints"),
    ("Event", "metadata"),
    ("Event", "involvedObject"),
    ("NodeSelectorTerm", "nodeSelectorTerms"),
}
# Their `protocol` is part of a list's key and has a default that a cluster's own definitions state, and these leave out: without it, an
# applied port that names no protocol would not be the port that is there.
_KEYED_BY_PROTOCOL = frozenset({"ContainerPort", "ServicePort"})
# Free-form JSON, whatever the definitions say (they spell it as an empty node or recurse without end).
_FREE = ("JSON", "JSONSchemaProps", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray",
         "FieldsV1", "RawExtension")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Row:
    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = False
    scale: bool = False
    extra: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    package: str = ""
    selectable: tuple[str, ...] = ()


_ALL = ("all",)
DEFINITION = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"
_EXT = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions."
_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"
_EVENT_FIELDS = ("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
                 "reason", "type", "source", "reportingComponent")  # fmt: skip
_POD_FIELDS = ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase",
               "status.podIP")  # fmt: skip

_ROWS = (
    _Row("", "v1", "namespaces", "Namespace", ("ns",), namespaced=False, status=True, extra=("finalize",), selectable=("status.phase",)),
    _Row("", "v1", "nodes", "Node", ("no",), namespaced=False, status=True, selectable=("spec.unschedulable",)),
    _Row("", "v1", "persistentvolumes", "PersistentVolume", ("pv",), namespaced=False, status=True),
    _Row("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", ("pvc",), status=True),
    _Row("", "v1", "services", "Service", ("svc",), status=True, categories=_ALL, selectable=("spec.clusterIP", "spec.type")),
    _Row("", "v1", "serviceaccounts", "ServiceAccount", ("sa",), extra=("token",)),
    _Row("", "v1", "secrets", "Secret", selectable=("type",)),
    _Row("", "v1", "configmaps", "ConfigMap", ("cm",)),
    _Row("", "v1", "pods", "Pod", ("po",), status=True, extra=("log", "eviction", "portforward", "binding"), categories=_ALL,
         selectable=_POD_FIELDS),
    _Row("", "v1", "podtemplates", "PodTemplate"),
    _Row("", "v1", "replicationcontrollers", "ReplicationController", ("rc",), status=True, scale=True, categories=_ALL),
    _Row("", "v1", "events", "Event", ("ev",), selectable=_EVENT_FIELDS),
    _Row("", "v1", "endpoints", "Endpoints", ("ep",)),
    _Row("", "v1", "limitranges", "LimitRange", ("limits",)),
    _Row("", "v1", "resourcequotas", "ResourceQuota", ("quota",), status=True),
    _Row("events.k8s.io", "v1", "events", "Event", ("ev",)),
    _Row("apps", "v1", "deployments", "Deployment", ("deploy",), status=True, scale=True, categories=_ALL),
    _Row("apps", "v1", "replicasets", "ReplicaSet", ("rs",), status=True, scale=True, categories=_ALL),
    _Row("apps", "v1", "statefulsets", "StatefulSet", ("sts",), status=True, scale=True, categories=_ALL),
    _Row("apps", "v1", "daemonsets", "DaemonSet", ("ds",), status=True, categories=_ALL),
    _Row("apps", "v1", "controllerrevisions", "ControllerRevision"),
    _Row("batch", "v1", "jobs", "Job", status=True, categories=_ALL, selectable=("status.successful",)),
    _Row("batch", "v1", "cronjobs", "CronJob", ("cj",), status=True, categories=_ALL),
    _Row("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", ("hpa",), status=True, categories=_ALL),
    _Row("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", ("pdb",), status=True),
    _Row("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", ("netpol",)),
    _Row("networking.k8s.io", "v1", "ingresses", "Ingress", ("ing",), status=True),
    _Row("networking.k8s.io", "v1", "ingressclasses", "IngressClass", namespaced=False),
    _Row("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    _Row("coordination.k8s.io", "v1", "leases", "Lease"),
    _Row("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", ("pc",), namespaced=False),
    _Row("storage.k8s.io", "v1", "storageclasses", "StorageClass", ("sc",), namespaced=False),
    _Row(_RBAC, "v1", "roles", "Role", package=_APIS + "rbac.v1."),
    _Row(_RBAC, "v1", "rolebindings", "RoleBinding", package=_APIS + "rbac.v1."),
    _Row(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False, package=_APIS + "rbac.v1."),
    _Row(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False, package=_APIS + "rbac.v1."),
    _Row(_ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False),
    _Row(_ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False),
    _Row("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", ("crd", "crds"), namespaced=False,
         status=True, categories=("api-extensions",), package=_EXT + "v1."),
    _Row("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False, verbs=_CREATE),
    _Row("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False, verbs=_CREATE),
    _Row("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False, verbs=_CREATE),
    _Row("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, verbs=_CREATE),
    _Row("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False, verbs=_CREATE),
    _Row("authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs=_CREATE),
)  # fmt: skip


@functools.cache
def definitions() -> dict[str, Any]:
    """OpenAPI definitions by name (`io.k8s.api.core.v1.Pod`); read where first needed, about 10 ms."""
    spec = find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package kubernetes-validate, which carries the built-in schemas, is not installed")
    path = Path(spec.origin).parent / "kubernetes-json-schema" / f"{RELEASE}-local" / "_definitions.json"
    found: dict[str, Any] = orjson.loads(path.read_bytes())["$defs"]
    return found


@functools.cache
def schema_of(name: str) -> Schema:
    """The compiled schema of a definition; definitions that refer to one another share their nodes."""
    short = name.rsplit(".", 1)[-1]
    if short in _FREE:
        return ANYTHING
    if short == "IntOrString":
        return Schema(int_or_string=True)
    if short == "Quantity":
        return Schema(int_or_string=True, format="quantity")
    schema = compile_schema(definitions()[name], lambda ref: schema_of(ref.rsplit("/", 1)[-1]))
    schema.required = tuple(field for field in schema.required if (short, field) not in _LENIENT)
    if short in _KEYED_BY_PROTOCOL:
        protocol = schema.properties["protocol"]
        protocol.has_default, protocol.default = True, "TCP"
    # Rules of built-in kinds are enforced in Go by clusters, with other words; the definitions only document them.
    schema.rules = ()
    return schema


def _package(row: _Row) -> str:
    if row.package:
        return row.package
    return f"{_APIS}{row.group.split('.')[0] or 'core'}.{row.version}."


def definition_name(resource: Resource) -> str:
    """The name of a built-in kind's definition, as OpenAPI documents spell it."""
    row = next(
        r for r in _ROWS if (r.group, r.version, r.plural) == (resource.group, resource.version, resource.plural)
    )
    return _package(row) + row.kind


def resources() -> list[Resource]:
    """Every built-in resource."""
    return [_resource(row) for row in _ROWS]


def _resource(row: _Row) -> Resource:
    return Resource(
        group=row.group,
        version=row.version,
        plural=row.plural,
        kind=row.kind,
        namespaced=row.namespaced,
        schema=functools.partial(schema_of, _package(row) + row.kind),
        singular=row.kind.lower(),
        list_kind=f"{row.kind}List",
        short_names=row.short,
        categories=row.categories,
        verbs=row.verbs,
        status_subresource=row.status,
        scale=Scale(".spec.replicas", ".status.replicas", ".spec.selector") if row.scale else None,
        extra_subresources=row.extra,
        storage_version=row.version,
        selectable=row.selectable,
    )
