"""Applying many objects in an order that works, with faults that name the file they came from."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from harness.kube.cluster import Cluster
from harness.kube.documents import Document
from harness.kube.fault import Rejected
from harness.kube.labels import labelled
from harness.kube.manifest import Manifest, Ref
from harness.outcome import UsageFault

WAVES: Final[Mapping[str, int]] = {
    "Namespace": 0,
    "CustomResourceDefinition": 0,
    "PriorityClass": 0,
    "GatewayClass": 0,
    "ServiceAccount": 1,
    "Secret": 1,
    "ConfigMap": 1,
    "ClusterRole": 1,
    "Role": 1,
    "ClusterRoleBinding": 2,
    "RoleBinding": 2,
    "MaasTenantConfig": 2,  # without one, a namespace takes no subscription and no access policy
    "AITenant": 2,
}
_LAST: Final = 3
_PARALLEL: Final = 4


def apply_documents(
    cluster: Cluster, documents: Iterable[Document], labels: Mapping[str, str] | None = None
) -> list[Manifest]:
    """Apply the objects of manifest files: namespaces and kinds first, then identities, then bindings, then the rest.

    Objects of one wave do not depend on each other and go out in parallel. Raises UsageFault naming file, document and fields
    when the server finds an object invalid; Rejected for any other refusal.
    """

    def one(document: Document) -> Manifest:
        try:
            return cluster.apply(labelled(document.manifest, labels or {}))
        except Rejected as error:
            if error.status not in (400, 404, 422):
                raise
            fields = f" (fields {', '.join(error.fields)})" if error.fields else ""
            raise UsageFault(f"{document.where}: the server refuses {document.ref}{fields}: {error.message}") from error

    return _in_waves(list(documents), one)


def apply_manifests(
    cluster: Cluster, manifests: Iterable[Mapping[str, Any]], labels: Mapping[str, str] | None = None
) -> list[Manifest]:
    """Apply objects made by code, in the same waves. Raises Rejected."""
    return _in_waves(list(manifests), lambda manifest: cluster.apply(labelled(manifest, labels or {})))


def _in_waves(items: list[Any], apply: Any) -> list[Manifest]:
    def wave(item: Any) -> int:
        manifest = item.manifest if isinstance(item, Document) else item
        return WAVES.get(manifest["kind"], _LAST)

    stored: dict[int, Manifest] = {}
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="apply") as pool:
        for number in sorted({wave(item) for item in items}):
            places = [place for place, item in enumerate(items) if wave(item) == number]
            stored.update(zip(places, pool.map(apply, [items[place] for place in places]), strict=True))
    return [stored[place] for place in range(len(items))]


def delete_all(cluster: Cluster, refs: Iterable[Ref]) -> list[Ref]:
    """Ask for the deletion of each, last applied first: the waves of applying backwards, each in parallel. Returns those that existed."""
    items = list(reversed(list(refs)))
    existed: dict[Ref, bool] = {}
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="delete") as pool:
        for number in sorted({WAVES.get(ref.kind, _LAST) for ref in items}, reverse=True):
            wave = [ref for ref in items if WAVES.get(ref.kind, _LAST) == number]
            existed.update(zip(wave, pool.map(cluster.delete, wave), strict=True))
    return [ref for ref in items if existed[ref]]
