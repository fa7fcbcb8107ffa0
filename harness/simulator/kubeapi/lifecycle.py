"""What happens around deletion: finalizers, owner references, namespaces that drain."""

from typing import Any

from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.managers import now
from harness.simulator.kubeapi.store import Bucket, Entry

NAMESPACES: Bucket = ("", "namespaces")
ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


def mark_deleted(cluster: Cluster, bucket: Bucket, entry: Entry, policy: str) -> Entry | None:
    """Delete an object as far as its finalizers allow; returns what remains, None when it is gone."""
    value = entry.decode()
    meta = value["metadata"]
    finalizers = [f for f in meta.get("finalizers") or () if f not in {ORPHAN, FOREGROUND}]
    dependents = cluster.store.dependents(entry.uid)
    if policy == "Orphan" and dependents:
        orphan(cluster, entry.uid)
    elif policy == "Foreground" and dependents:
        finalizers.append(FOREGROUND)
    before = (meta.get("finalizers"), meta.get("deletionTimestamp"))
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    if not finalizers and bucket != NAMESPACES:
        cluster.store.remove(bucket, entry)
        return None
    meta.setdefault("deletionTimestamp", now())
    meta.setdefault("deletionGracePeriodSeconds", 0)
    if (meta.get("finalizers"), meta["deletionTimestamp"]) != before:
        if "generation" in meta and before[1] is None:
            meta["generation"] += 1
        if bucket == NAMESPACES:
            value.setdefault("status", {})["phase"] = "Terminating"
        entry = cluster.store.put(bucket, value)
    if bucket == NAMESPACES:
        return drain(cluster, entry)
    if FOREGROUND in finalizers:
        collect_dependents(cluster, entry.uid, foreground=True)
        return settle_foreground(cluster, bucket, entry)
    return entry


def finish_if_free(cluster: Cluster, bucket: Bucket, entry: Entry) -> Entry:
    """Remove a marked object once its last finalizer has gone; returns its last state."""
    if not entry.deleting or (b'"finalizers":[' in entry.raw and entry.decode()["metadata"].get("finalizers")):
        return entry
    if bucket == NAMESPACES:
        drain(cluster, entry)
        return entry
    last = cluster.store.remove(bucket, entry)
    collect_dependents(cluster, entry.uid)
    _owner_may_go(cluster, entry)
    _namespace_may_go(cluster, entry)
    return last


def _references(entry: Entry) -> list[dict[str, Any]]:
    return list(entry.decode()["metadata"].get("ownerReferences") or ())


def collect_dependents(cluster: Cluster, uid: str, *, foreground: bool = False) -> None:
    """Delete what an owner leaves behind; an object with another living owner only loses the reference."""
    for bucket, entry in cluster.store.dependents(uid):
        references = _references(entry)
        others = [r for r in references if r.get("uid") != uid and cluster.store.by_uid(r.get("uid", ""))]
        if others:
            if not foreground:
                value = entry.decode()
                value["metadata"]["ownerReferences"] = [r for r in references if r.get("uid") != uid]
                cluster.store.put(bucket, value)
            continue
        if entry.deleting and foreground:
            continue
        if mark_deleted(cluster, bucket, entry, "Foreground" if foreground else "Background") is None:
            collect_dependents(cluster, entry.uid)
            _namespace_may_go(cluster, entry)


def settle_foreground(cluster: Cluster, bucket: Bucket, entry: Entry) -> Entry | None:
    """Lift the foreground finalizer when no blocking dependent is left."""
    current = cluster.store.get(bucket, *entry.key)
    if current is None or not current.deleting:
        return current
    value = current.decode()
    finalizers = value["metadata"].get("finalizers") or []
    if FOREGROUND not in finalizers or any(
        reference.get("uid") == entry.uid and reference.get("blockOwnerDeletion")
        for _, dependent in cluster.store.dependents(entry.uid)
        for reference in _references(dependent)
    ):
        return current
    value["metadata"]["finalizers"] = [f for f in finalizers if f != FOREGROUND]
    if value["metadata"]["finalizers"]:
        return cluster.store.put(bucket, value)
    cluster.store.remove(bucket, current)
    collect_dependents(cluster, entry.uid)
    _owner_may_go(cluster, current)
    _namespace_may_go(cluster, current)
    return None


def _owner_may_go(cluster: Cluster, entry: Entry) -> None:
    for owner in entry.owners:
        found = cluster.store.by_uid(owner)
        if found is not None and found[1].deleting:
            settle_foreground(cluster, *found)


def orphan(cluster: Cluster, uid: str) -> None:
    """Take the references to an owner off its dependents."""
    for bucket, entry in cluster.store.dependents(uid):
        value = entry.decode()
        kept = [r for r in value["metadata"]["ownerReferences"] if r.get("uid") != uid]
        if kept:
            value["metadata"]["ownerReferences"] = kept
        else:
            del value["metadata"]["ownerReferences"]
        cluster.store.put(bucket, value)


def drain(cluster: Cluster, namespace: Entry) -> Entry | None:
    """Delete everything in a terminating namespace; the namespace goes when nothing is left."""
    for bucket in cluster.store.buckets():
        for entry in cluster.store.objects(bucket, namespace.name):
            current = cluster.store.get(bucket, *entry.key)
            if (
                current is not None
                and not current.deleting
                and mark_deleted(cluster, bucket, current, "Background") is None
            ):
                collect_dependents(cluster, current.uid)
    current = cluster.store.get(NAMESPACES, "", namespace.name)
    if current is None:
        return None
    left = any(cluster.store.objects(bucket, namespace.name) for bucket in cluster.store.buckets())
    value = current.decode()
    if left or value["metadata"].get("finalizers"):
        return current
    cluster.store.remove(NAMESPACES, current)
    return None


def _namespace_may_go(cluster: Cluster, entry: Entry) -> None:
    if entry.namespace:
        namespace = cluster.store.get(NAMESPACES, "", entry.namespace)
        if namespace is not None and namespace.deleting:
            drain(cluster, namespace)
