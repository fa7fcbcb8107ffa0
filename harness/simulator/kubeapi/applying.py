"""Server-side apply as a request."""

from copy import deepcopy
from typing import Any

from harness.simulator.kubeapi import metadata, special
from harness.simulator.kubeapi.changes import Entry
from harness.simulator.kubeapi.cluster import Cluster, State
from harness.simulator.kubeapi.managers import Manager, apply_fields
from harness.simulator.kubeapi.ownership import repeated_item
from harness.simulator.kubeapi.requests import (
    Write,
    check_kind,
    check_namespace,
    decode,
    settle_namespace,
    tell_unknown,
    writer_of,
)
from harness.simulator.kubeapi.status import ApiError, bad_request, conflict, not_found
from harness.simulator.kubeapi.structural import prune
from harness.simulator.kubeapi.writes import RETRIES, admit_create, commit, update

Json = dict[str, Any]


async def apply(cluster: Cluster, body: Any, write: Write) -> tuple[int, State]:
    """Server-side apply: create or merge by field ownership."""
    if not isinstance(body, dict):
        raise bad_request("the body of the request must be one object")
    value = body
    check_kind(value, write)
    meta = metadata.read_metadata(value, write.resource)
    if meta.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    named = meta.setdefault("name", write.name)
    if named != write.name:
        raise bad_request(f"the name of the object ({named}) does not match the name on the URL ({write.name})")
    settle_namespace(meta, write)
    schema = write.resource.schema()
    tell_unknown(prune(value, schema, root=True), write)
    value["metadata"] = meta
    repeated = repeated_item(value, schema)
    if repeated:
        where = f"{write.namespace}/{write.name}; {write.resource.api_version}, Kind={write.resource.kind}"
        raise ApiError(400, "", f"failed to create typed patch object ({where}): {repeated}")
    for _ in range(RETRIES):
        entry = _present(cluster, write)
        try:
            return await _applied(cluster, entry, deepcopy(value), write)
        except _OvertakenError as overtaken:
            if meta.get("resourceVersion") or _present(cluster, write) is entry:
                raise overtaken.told from None
    raise conflict(write.resource.plural, write.resource.group, write.name)


class _OvertakenError(Exception):
    """Somebody else wrote the object between reading and writing it; `told` is what a caller who asked for a version is told."""

    def __init__(self, told: ApiError) -> None:
        super().__init__(str(told))
        self.told = told


def _present(cluster: Cluster, write: Write) -> Entry | None:
    return cluster.store.get(write.resource.bucket, write.namespace, write.name)


async def _applied(cluster: Cluster, entry: Entry | None, value: Json, write: Write) -> tuple[int, State]:
    """One attempt on the object as it is now. Raises _OvertakenError; conflicts of field owners are final."""
    writer = writer_of(write, "Apply")
    if entry is None:
        if write.subresource:
            raise not_found(write.resource.plural, write.resource.group, write.name)
        try:
            return 201, await _create_applied(cluster, value, write, writer)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                raise _OvertakenError(error) from error
            raise
    current = await cluster.from_storage(entry.decode(), write.resource)
    if write.subresource == "status":
        identity = {k: v for k, v in value["metadata"].items() if k in {"name", "namespace", "resourceVersion", "uid"}}
        value = {
            "apiVersion": value["apiVersion"],
            "kind": value["kind"],
            "metadata": identity,
            "status": value.get("status", {}),
        }
    elif write.resource.status_subresource:
        value.pop("status", None)
    merged = apply_fields(current, value, write.resource.schema(), writer, force=write.force)
    merged = decode(merged, write)
    try:
        return 200, await update(cluster, entry, merged, write, "Apply")
    except ApiError as error:
        if error.reason == "Conflict":
            raise _OvertakenError(error) from error
        raise


async def _create_applied(cluster: Cluster, value: Json, write: Write, writer: Manager) -> State:
    resource = write.resource
    if resource.status_subresource:
        value.pop("status", None)
    value = apply_fields(None, value, resource.schema(), writer, force=True)
    managed = value["metadata"].get("managedFields")  # none when the applied object owns no field but its name
    value = decode(value, write)
    metadata.identify(value)
    meta = value["metadata"]
    if special.counts_generations(resource):
        meta["generation"] = 1
    special.on_create(value, resource, cluster)
    check_namespace(cluster, write)
    value = await admit_create(cluster, value, write)
    if managed:
        value["metadata"]["managedFields"] = managed
    return await commit(cluster, value, write)
