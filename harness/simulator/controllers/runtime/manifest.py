"""Kubernetes objects as plain dictionaries, and the few questions every reconciler asks of them.

Objects stay dictionaries because a controller must carry fields it does not know: a typed copy would drop them on the next write.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

Manifest = dict[str, Any]


class Key(NamedTuple):
    """What identifies an object of one kind; `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(manifest: Manifest) -> Key:
    """The key of an object as the API server returned it."""
    metadata = manifest["metadata"]
    return Key(metadata.get("namespace") or "", metadata["name"])


def labels(manifest: Manifest) -> dict[str, str]:
    """`metadata.labels`, empty when absent."""
    return manifest["metadata"].get("labels") or {}


def annotations(manifest: Manifest) -> dict[str, str]:
    """`metadata.annotations`, empty when absent."""
    return manifest["metadata"].get("annotations") or {}


def spec(manifest: Manifest) -> dict[str, Any]:
    """`spec`, empty when absent."""
    return manifest.get("spec") or {}


def status(manifest: Manifest) -> dict[str, Any]:
    """`status`, empty when absent."""
    return manifest.get("status") or {}


def is_deleting(manifest: Manifest) -> bool:
    """Whether deletion was asked for; the object lives on only for its finalizers."""
    return bool(manifest["metadata"].get("deletionTimestamp"))


def generation(manifest: Manifest) -> int:
    """`metadata.generation`: counts changes of the spec."""
    return int(manifest["metadata"].get("generation") or 0)


def resource_version(manifest: Manifest) -> int:
    """`metadata.resourceVersion` as a number: Kubernetes 1.35 promises that versions of one kind compare so."""
    return int(manifest["metadata"].get("resourceVersion") or 0)


def owner_reference(owner: Manifest, *, controller: bool = True) -> Manifest:
    """The reference that makes garbage collection remove a child with `owner`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def is_controlled_by(child: Manifest, owner: Manifest) -> bool:
    """Whether `owner` is the child's controller."""
    uid = owner["metadata"].get("uid")
    return any(
        reference.get("uid") == uid and reference.get("controller")
        for reference in child["metadata"].get("ownerReferences") or ()
    )


def timestamp() -> str:
    """Now, as `metav1.Time` writes it: whole seconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
