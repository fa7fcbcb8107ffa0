"""What happens around deletion: grace, finalizers, owner references, namespaces that drain."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.simulator.kubeapi.changes import Change, Entry
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.store import Bucket

NAMESPACES: Bucket = ("", "namespaces")
PODS: Bucket = ("", "pods")
DEFINITIONS: Bucket = ("apiextensions.k8s.io", "customresourcedefinitions")
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manner:
    """How to delete: what becomes of dependents, and how long (s) a running Pod may take; None means as the Pod says."""

    policy: str = "Background"
    grace: int | None = None


BACKGROUND = Manner()


def mark_deleted(cluster: Cluster, bucket: Bucket, entry: Entry, manner: Manner = BACKGROUND) -> Entry | None:
    """Delete an object as far as its finalizers and its grace allow; returns what remains, None when it is gone."""
    value = entry.decode()
    meta = value["metadata"]
    finalizers = [f for f in meta.get("finalizers") or () if f not in {ORPHAN, FOREGROUND, CLEANUP}]
    dependents = cluster.store.dependents(entry.uid)
    if manner.policy == "Orphan" and dependents:
        orphan(cluster, entry.uid)
    elif manner.policy == "Foreground" and dependents:
        finalizers.append(FOREGROUND)
    elif bucket == DEFINITIONS and _instances_left(cluster, value):
        finalizers.append(CLEANUP)
    grace = _grace(bucket, value, manner)
    if not finalizers and not grace and bucket != NAMESPACES:
        remove(cluster, bucket, entry)
        return None
    current = _marked(cluster, bucket, entry, finalizers, grace)
    if bucket == NAMESPACES:
        return drain(cluster, current)
    if FOREGROUND in finalizers:
        collect_dependents(cluster, entry.uid, foreground=True)
        return settle_foreground(cluster, bucket, current)
    return current


def _instances(definition: Json) -> Bucket:
    return (definition["spec"]["group"], definition["spec"]["names"]["plural"])


def _instances_left(cluster: Cluster, definition: Json) -> bool:
    """Delete the objects of a definition that goes; whether finalizers hold some of them back."""
    bucket = _instances(definition)
    for entry in cluster.store.objects(bucket):
        current = cluster.store.get(bucket, *entry.key)
        if current is not None:
            mark_deleted(cluster, bucket, current)
    return bool(cluster.store.objects(bucket))


def _definition_may_go(cluster: Cluster, bucket: Bucket) -> None:
    entry = cluster.store.get(DEFINITIONS, "", f"{bucket[1]}.{bucket[0]}")
    if entry is None or not entry.deleting or cluster.store.objects(bucket):
        return
    value = entry.decode()
    value["metadata"]["finalizers"] = [f for f in value["metadata"].get("finalizers") or () if f != CLEANUP]
    finish_if_free(cluster, DEFINITIONS, cluster.store.put(DEFINITIONS, value))


def _grace(bucket: Bucket, value: Json, manner: Manner) -> int:
    """Seconds that a Pod gets to end; a Pod that no node runs, or that has ended, gets none."""
    spec, phase = value.get("spec") or {}, (value.get("status") or {}).get("phase")
    if bucket != PODS or not spec.get("nodeName") or phase in {"Succeeded", "Failed"}:
        return 0
    own = spec.get("terminationGracePeriodSeconds", 30)
    return max(own if manner.grace is None else manner.grace, 0)


def _marked(cluster: Cluster, bucket: Bucket, entry: Entry, finalizers: list[str], grace: int) -> Entry:
    value = entry.decode()
    meta = value["metadata"]
    before = (meta.get("finalizers") or [], meta.get("deletionGracePeriodSeconds"))
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    if "deletionTimestamp" not in meta:
        moment = datetime.now(UTC) + timedelta(seconds=grace)
        meta["deletionTimestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        meta["generation"] = meta.get("generation", 0) + 1
    meta["deletionGracePeriodSeconds"] = min(grace, meta.get("deletionGracePeriodSeconds", grace))
    if (finalizers, meta["deletionGracePeriodSeconds"]) == before:
        return entry
    if bucket == NAMESPACES:
        value.setdefault("status", {})["phase"] = "Terminating"
    return cluster.store.put(bucket, value)


def remove(cluster: Cluster, bucket: Bucket, entry: Entry) -> Entry:
    """Take an object out of the store, with everything that follows from it; returns its last state."""
    last = cluster.store.remove(bucket, entry)
    collect_dependents(cluster, entry.uid)
    for owner in entry.owners:
        found = cluster.store.by_uid(owner)
        if found is not None and found[1].deleting:
            settle_foreground(cluster, *found)
    _definition_may_go(cluster, bucket)
    if entry.namespace:
        namespace = cluster.store.get(NAMESPACES, "", entry.namespace)
        if namespace is not None and namespace.deleting:
            drain(cluster, namespace)
    return last


def finish_if_free(cluster: Cluster, bucket: Bucket, entry: Entry) -> Entry:
    """Remove a marked object once its last finalizer has gone and no grace is left; returns its last state."""
    if not entry.deleting:
        return entry
    meta = entry.decode()["metadata"]
    if meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return entry
    if bucket == NAMESPACES:
        drain(cluster, entry)
        return entry
    return remove(cluster, bucket, entry)


def _references(entry: Entry) -> list[Json]:
    return list(entry.decode()["metadata"].get("ownerReferences") or ())


def _without(cluster: Cluster, bucket: Bucket, entry: Entry, uid: str) -> None:
    """Take the references to one owner off an object."""
    value = entry.decode()
    kept = [r for r in value["metadata"]["ownerReferences"] if r.get("uid") != uid]
    if kept:
        value["metadata"]["ownerReferences"] = kept
    else:
        del value["metadata"]["ownerReferences"]
    cluster.store.put(bucket, value)


def collect_dependents(cluster: Cluster, uid: str, *, foreground: bool = False) -> None:
    """Delete what an owner leaves behind; an object with another living owner only loses the reference."""
    for bucket, listed in cluster.store.dependents(uid):
        entry = cluster.store.get(bucket, *listed.key)
        if entry is None or (entry.deleting and foreground):
            continue
        others = [r for r in _references(entry) if r.get("uid") != uid and cluster.store.by_uid(r.get("uid", ""))]
        if not others:
            mark_deleted(cluster, bucket, entry, Manner("Foreground" if foreground else "Background"))
        elif not foreground:
            _without(cluster, bucket, entry, uid)


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
    remove(cluster, bucket, current)
    return None


def orphan(cluster: Cluster, uid: str) -> None:
    """Take the references to an owner off its dependents."""
    for bucket, entry in cluster.store.dependents(uid):
        _without(cluster, bucket, entry, uid)


def drain(cluster: Cluster, namespace: Entry) -> Entry | None:
    """Delete everything in a terminating namespace; the namespace goes when nothing is left."""
    if namespace.name not in cluster.draining:
        # Every removal below asks again whether the namespace may go; one pass at a time is enough.
        cluster.draining.add(namespace.name)
        try:
            _delete_contents(cluster, namespace.name)
        finally:
            cluster.draining.discard(namespace.name)
        current = cluster.store.get(NAMESPACES, "", namespace.name)
        if current is None:
            return None
        left = any(cluster.store.objects(bucket, namespace.name) for bucket in cluster.store.buckets())
        if not left and not current.decode()["metadata"].get("finalizers"):
            cluster.store.remove(NAMESPACES, current)
            return None
    return cluster.store.get(NAMESPACES, "", namespace.name)


def _delete_contents(cluster: Cluster, namespace: str) -> None:
    for bucket in cluster.store.buckets():
        for entry in cluster.store.objects(bucket, namespace):
            current = cluster.store.get(bucket, *entry.key)
            if current is not None and not current.deleting:
                mark_deleted(cluster, bucket, current)


def follow(cluster: Cluster) -> None:
    """Collect new objects whose owners do not exist (any more), a moment after they were stored, as the collector does."""

    def collect(bucket: Bucket, key: tuple[str, str], uid: str) -> None:
        entry = cluster.store.get(bucket, *key)
        if entry is None or entry.uid != uid or entry.deleting or not entry.owners:
            return
        if not any(cluster.store.by_uid(owner) for owner in entry.owners):
            mark_deleted(cluster, bucket, entry)

    def changed(bucket: Bucket, change: Change) -> None:
        entry = change.entry
        if change.type == "ADDED" and entry.owners and not any(cluster.store.by_uid(owner) for owner in entry.owners):
            asyncio.get_running_loop().call_later(0.1, collect, bucket, entry.key, entry.uid)

    cluster.store.listen(changed)
