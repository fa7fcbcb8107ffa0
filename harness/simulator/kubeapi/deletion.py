"""Deleting objects on request."""

from typing import Any

from harness.simulator.kubeapi import special
from harness.simulator.kubeapi.cluster import Cluster, State
from harness.simulator.kubeapi.lifecycle import Manner, mark_deleted
from harness.simulator.kubeapi.requests import Write, live
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import Cause, bad_request, conflict, invalid, success

Json = dict[str, Any]


async def delete(cluster: Cluster, write: Write, options: Json) -> tuple[int, State]:
    """Delete an object: at once, or by marking it where finalizers or dependents must go first."""
    resource = write.resource
    entry = live(cluster, write)
    preconditions = options.get("preconditions") or {}
    for name, came in (("uid", entry.uid), ("resourceVersion", str(entry.revision))):
        wanted = preconditions.get(name)
        if wanted and wanted != came:
            label = "UID" if name == "uid" else "ResourceVersion"
            why = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {came}"
            raise conflict(resource.plural, resource.group, write.name, why)
    await cluster.admission.validate("DELETE", None, await cluster.from_storage(entry.decode(), resource), write)
    entry = live(cluster, write)
    if write.dry_run:
        return 200, success(resource.plural, resource.group, entry.name, entry.uid)
    manner = Manner(_policy(options, resource), _grace(options))
    special.on_delete(entry.decode(), resource)
    remaining = mark_deleted(cluster, resource.bucket, entry, manner)
    if remaining is not None:
        return 200, remaining
    return 200, success(resource.plural, resource.group, entry.name, entry.uid)


def _grace(options: Json) -> int | None:
    grace = options.get("gracePeriodSeconds")
    if grace is None:
        return None
    text = str(grace)
    if isinstance(grace, bool) or not text.removeprefix("-").isdecimal() or len(text) > 18:
        raise bad_request(f"DeleteOptions.gracePeriodSeconds must be a whole number of seconds, not {text[:40]!r}")
    return int(text)


def _policy(options: Json, resource: Resource) -> str:
    """How dependents go; a Job that nobody said anything about leaves its Pods behind, as it did before there was a choice."""
    if options.get("orphanDependents") is True:
        return "Orphan"
    usual = "Orphan" if (resource.group, resource.plural) == ("batch", "jobs") else "Background"
    policy = options.get("propagationPolicy") or usual
    if policy not in {"Background", "Foreground", "Orphan"}:
        causes = [Cause("FieldValueNotSupported", "propagationPolicy",
                        f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"')]  # fmt: skip
        raise invalid("DeleteOptions", "meta.k8s.io", "", causes)
    return str(policy)
