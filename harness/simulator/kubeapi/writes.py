"""Creating, replacing and patching objects."""

import copy
from collections.abc import Callable
from typing import Any

from harness.simulator.kubeapi import escalation, metadata, special
from harness.simulator.kubeapi.changes import Entry
from harness.simulator.kubeapi.cluster import Cluster, State
from harness.simulator.kubeapi.lifecycle import finish_if_free
from harness.simulator.kubeapi.managers import record_update
from harness.simulator.kubeapi.requests import (
    Write,
    check,
    check_namespace,
    decode,
    live,
    settle_namespace,
    writer_of,
)
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import ApiError, Cause, already_exists, bad_request, conflict, invalid

Json = dict[str, Any]
RETRIES = 8


async def create(cluster: Cluster, body: Any, write: Write) -> State:
    """Create an object; returns what was stored."""
    resource = write.resource
    value = decode(body, write)
    meta = value["metadata"]
    settle_namespace(meta, write)
    if meta.get("resourceVersion"):
        raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
    generated = not meta.get("name") and meta.get("generateName")
    if generated:
        meta["name"] = metadata.generated(meta["generateName"])
    metadata.identify(value)
    meta["generation"] = 1
    if resource.status_subresource and resource.custom:
        value.pop("status", None)
    special.on_create(value, resource, cluster)
    if not special.counts_generations(resource):
        meta.pop("generation", None)
    check_namespace(cluster, write)
    value = await admit_create(cluster, value, write)
    meta = value["metadata"]
    record_update(None, value, resource.schema(), writer_of(write, "Update"))
    return await commit(cluster, value, write)


async def admit_create(cluster: Cluster, value: Json, write: Write) -> Json:
    """Mutating webhooks, then the schema, then validating webhooks: the order of a cluster."""
    changed = await cluster.admission.mutate("CREATE", value, write)
    if changed is not value:
        value = decode(changed, write)
    check(value, None, write)
    escalation.check(cluster, value, None, write)
    await cluster.admission.validate("CREATE", value, None, write)
    return value


async def commit(cluster: Cluster, value: Json, write: Write, expected: Entry | None = None) -> State:
    """Store an accepted state (or, on a dry run, only show it).

    `expected` is the state that it was made from, None for a new object. Raises ApiError 409 when another state is there: from this
    check to the store nothing is awaited.
    """
    resource, meta = write.resource, value["metadata"]
    special.settle(value, resource)
    _show_default_status(value, resource)
    stored = await cluster.to_storage(value, resource)
    present = cluster.store.get(resource.bucket, meta.get("namespace", ""), meta["name"])
    if present is not expected:
        if expected is None:
            raise already_exists(resource.plural, resource.group, meta["name"])
        raise conflict(resource.plural, resource.group, meta["name"])
    if write.dry_run:
        stored["metadata"].setdefault("resourceVersion", "")
        if not stored["metadata"]["resourceVersion"]:
            del stored["metadata"]["resourceVersion"]
        return stored
    entry = cluster.store.put(resource.bucket, stored)
    return finish_if_free(cluster, resource.bucket, entry)


def _show_default_status(value: Json, resource: Resource) -> None:
    """A cluster fills defaults in when it reads what it stored: a status that nobody has written yet shows the schema's."""
    known = resource.schema().properties.get("status") if resource.custom else None
    if known is not None and known.has_default and "status" not in value:
        value["status"] = copy.deepcopy(known.default)


def _misnamed(value: Json, write: Write) -> ApiError:
    named = value["metadata"].get("name", "")
    return bad_request(f"the name of the object ({named}) does not match the name on the URL ({write.name})")


async def replace(cluster: Cluster, body: Any, write: Write) -> tuple[int, State]:
    """PUT: replace an object (or one of its subresources)."""
    value = decode(body, write)
    entry = live(cluster, write)
    if value["metadata"].get("name") != write.name:
        raise _misnamed(value, write)
    settle_namespace(value["metadata"], write)
    if write.resource.custom and not value["metadata"].get("resourceVersion"):
        causes = [
            Cause("FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
        ]
        raise invalid(write.resource.kind, write.resource.group, write.name, causes)
    return 200, await update(cluster, entry, value, write, "Update")


async def patch(cluster: Cluster, write: Write, change: Callable[[Json], Json]) -> tuple[int, State]:
    """PATCH: compute the new state from the current one, again when somebody else was faster."""
    for _ in range(RETRIES):
        entry = live(cluster, write)
        current = await cluster.from_storage(entry.decode(), write.resource)
        value = change(current)
        asked = value.get("metadata", {}).get("resourceVersion") if isinstance(value.get("metadata"), dict) else None
        value = decode(value, write)
        if value["metadata"].get("name") != write.name:
            raise _misnamed(value, write)
        settle_namespace(value["metadata"], write)
        try:
            return 200, await update(cluster, entry, value, write, "Update")
        except ApiError as error:
            if error.reason != "Conflict" or asked not in {None, str(entry.revision)}:
                raise
            if cluster.store.get(write.resource.bucket, write.namespace, write.name) is entry:
                raise
    raise conflict(write.resource.plural, write.resource.group, write.name)


async def update(cluster: Cluster, entry: Entry, value: Json, write: Write, operation: str) -> State:
    """Bring an object into a new state. Raises ApiError 409 when it has changed since it was read."""
    resource = write.resource
    old = await cluster.from_storage(entry.decode(), resource)
    meta = value["metadata"]
    asked = meta.get("resourceVersion")
    if asked and asked != str(entry.revision):
        raise conflict(resource.plural, resource.group, write.name)
    if meta.get("uid") and meta["uid"] != entry.uid:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {entry.uid}"
        raise conflict(resource.plural, resource.group, write.name, why)
    metadata.carry_over(value, old)
    value = _scoped(value, old, write)
    meta = value["metadata"]
    meta["resourceVersion"] = str(entry.revision)
    special.on_update(value, old, resource, write.subresource)
    changed = await cluster.admission.mutate("UPDATE", value, write, old)
    if changed is not value:
        value = decode(changed, write)
    check(value, old, write)
    escalation.check(cluster, value, old, write)
    await cluster.admission.validate("UPDATE", value, old, write)
    if _spec(value, resource) != _spec(old, resource) and "generation" in old["metadata"]:
        value["metadata"]["generation"] = old["metadata"]["generation"] + 1
    if operation == "Update":
        record_update(old, value, resource.schema(), writer_of(write, "Update"))
    if _unchanged(value, old) and live(cluster, write) is entry:
        return entry
    return await commit(cluster, value, write, entry)


def _scoped(value: Json, old: Json, write: Write) -> Json:
    """A main write leaves the status alone, a status write everything else, but a Pod's labels, annotations and finalizers."""
    if not write.resource.status_subresource:
        return value
    if write.subresource == "status":
        kept = (
            {**old, "status": value["status"]} if "status" in value else {k: v for k, v in old.items() if k != "status"}
        )
        kept["metadata"] = {**old["metadata"], "managedFields": value["metadata"].get("managedFields", [])}
        if (write.resource.group, write.resource.plural) == ("", "pods"):
            _take_over(kept["metadata"], value["metadata"], ("labels", "annotations", "finalizers"))
        return kept
    if "status" in old:
        value["status"] = old["status"]
    else:
        value.pop("status", None)
    return value


def _take_over(metadata: Json, given: Json, names: tuple[str, ...]) -> None:
    """Make these members be what they are in `given`."""
    for name in names:
        metadata.pop(name, None)
        if given.get(name):
            metadata[name] = given[name]


def _spec(value: Json, resource: Resource) -> Json:
    hidden = {"metadata", "status"} if resource.status_subresource else {"metadata"}
    return {k: v for k, v in value.items() if k not in hidden}


def _unchanged(value: Json, old: Json) -> bool:
    def bare(each: Json) -> Json:
        return {
            **each,
            "metadata": {k: v for k, v in each["metadata"].items() if k not in {"managedFields", "resourceVersion"}},
        }

    def owners(each: Json) -> list[Json]:
        return [{k: v for k, v in m.items() if k != "time"} for m in each["metadata"].get("managedFields") or ()]

    return bare(value) == bare(old) and owners(value) == owners(old)
