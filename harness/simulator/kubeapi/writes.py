"""Creating, replacing, patching and deleting objects."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.simulator.kubeapi import metadata, special
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.lifecycle import collect_dependents, finish_if_free, mark_deleted
from harness.simulator.kubeapi.managers import Manager, apply_fields, now, record_update
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.rules import check_rules, has_rules
from harness.simulator.kubeapi.status import (
    ApiError,
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
    success,
)
from harness.simulator.kubeapi.store import Entry
from harness.simulator.kubeapi.structural import apply_defaults, drop_nulls, prune
from harness.simulator.kubeapi.validation import validate

Json = dict[str, Any]
RETRIES = 8


@dataclass(frozen=True, slots=True)
class Write:
    """What a write request says beside its body."""

    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""
    manager: str = "unknown"
    dry_run: bool = False
    field_validation: str = "Warn"
    force: bool = False
    user: Any = None
    warnings: list[str] = field(default_factory=list)


def _writer(write: Write, operation: str) -> Manager:
    return Manager(write.manager, operation, write.resource.api_version, write.subresource, now(), frozenset())


def _check_kind(value: Json, write: Write) -> None:
    resource = write.resource
    kind, version = value.get("kind"), value.get("apiVersion")
    if kind is None and not resource.custom:
        kind = value["kind"] = resource.kind
    if version is None and not resource.custom:
        version = value["apiVersion"] = resource.api_version
    if not kind:
        raise bad_request("Object 'Kind' is missing in the body of the request")
    if not version:
        raise bad_request("Object 'apiVersion' is missing in the body of the request")
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if kind != resource.kind:
        raise bad_request(f"the kind in the data ({kind}) does not match the expected kind ({resource.kind})")


def decode(value: Any, write: Write) -> Json:
    """A body made ready: kind checked, metadata read, unknown fields pruned, defaults filled in."""
    if not isinstance(value, dict):
        raise bad_request("the body of the request must be one object")
    resource = write.resource
    _check_kind(value, write)
    metadata.read_metadata(value, resource)
    schema = resource.schema()
    kept = value["metadata"]
    if not resource.custom:
        drop_nulls(value, schema)
        value["metadata"] = kept
    unknown = prune(value, schema, root=True)
    if unknown:
        _tell_unknown(unknown, write)
    apply_defaults(value, schema)
    value["metadata"] = kept
    if not resource.custom:
        special.fill_in(value, resource)
    return value


def _tell_unknown(unknown: list[str], write: Write) -> None:
    texts = [f'unknown field "{path}"' for path in unknown]
    if write.field_validation == "Strict":
        kind = write.resource.kind
        message = f'{kind} in version "{write.resource.version}" cannot be handled as a {kind}: strict decoding error: {", ".join(texts)}'
        raise bad_request(message)
    if write.field_validation == "Warn":
        write.warnings.extend(texts)


def _check(value: Json, old: Json | None, write: Write) -> None:
    resource = write.resource
    schema = resource.schema()
    name = value["metadata"].get("name", "")
    errors = metadata.name_errors(resource, name) if old is None else []
    errors += metadata.metadata_errors(value["metadata"])
    if old is not None:
        errors += metadata.update_errors(value, old)
    shape = validate({k: v for k, v in value.items() if k != "metadata"}, schema)
    shape = [cause for cause in shape if cause.field != "metadata"]
    if shape and not resource.custom:
        _refuse_types(shape, write)
    errors += shape
    if has_rules(schema):
        if shape:
            told = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
            errors.append(Cause("FieldValueInvalid", "<nil>", f'Invalid value: "null": {told}'))
        else:
            errors += check_rules(value, old, schema, root=True)
    if not resource.custom:
        errors += special.errors(value, old, resource)
    if errors:
        raise invalid(resource.kind, resource.group, name, errors)


def _refuse_types(causes: list[Cause], write: Write) -> None:
    wrong = next((cause for cause in causes if cause.reason == "FieldValueTypeInvalid"), None)
    if wrong is not None:
        kind = write.resource.kind
        raise bad_request(
            f'{kind} in version "{write.resource.version}" cannot be handled as a {kind}: {wrong.field}: {wrong.detail}'
        )


async def create(cluster: Cluster, body: Any, write: Write) -> Json:
    """Create an object; returns what was stored."""
    resource = write.resource
    value = decode(body, write)
    meta = value["metadata"]
    _settle_namespace(meta, write)
    generated = not meta.get("name") and meta.get("generateName")
    if generated:
        meta["name"] = metadata.generated(meta["generateName"])
    metadata.identify(value)
    meta["generation"] = 1
    if resource.status_subresource and resource.custom:
        value.pop("status", None)
    special.on_create(value, resource, cluster)
    if not (resource.custom or resource.status_subresource):
        meta.pop("generation", None)
    _check_namespace(cluster, write)
    value = await _admit_create(cluster, value, write)
    meta = value["metadata"]
    if cluster.store.get(resource.bucket, meta.get("namespace", ""), meta["name"]) is not None:
        raise already_exists(resource.plural, resource.group, meta["name"])
    record_update(None, value, resource.schema(), _writer(write, "Update"))
    return _commit(cluster, value, write)


async def _admit_create(cluster: Cluster, value: Json, write: Write) -> Json:
    """Mutating webhooks, then the schema, then validating webhooks: the order of a cluster."""
    changed = await cluster.admission.mutate("CREATE", value, write)
    if changed is not value:
        value = decode(changed, write)
    _check(value, None, write)
    await cluster.admission.validate("CREATE", value, None, write)
    return value


def _settle_namespace(meta: Json, write: Write) -> None:
    if not write.resource.namespaced:
        meta.pop("namespace", None)
        return
    came = meta.get("namespace")
    if came and came != write.namespace:
        raise bad_request(
            f"the namespace of the provided object does not match the namespace sent on the request"
        )
    meta["namespace"] = write.namespace


def _check_namespace(cluster: Cluster, write: Write) -> None:
    if not write.resource.namespaced:
        return
    namespace = cluster.store.get(("", "namespaces"), "", write.namespace)
    if namespace is None:
        raise not_found("namespaces", "", write.namespace)
    if namespace.deleting:
        why = f"unable to create new content in namespace {write.namespace} because it is being terminated"
        error = forbidden(write.resource.plural, write.resource.group, write.name, why)
        error.details = {
            **(error.details or {}),
            "causes": [{"reason": "NamespaceTerminating", "message": f"namespace {write.namespace} is being terminated", "field": "metadata.namespace"}],
        }
        raise error


def _commit(cluster: Cluster, value: Json, write: Write) -> Json:
    special.settle(value, write.resource)
    stored = cluster.to_storage(value, write.resource)
    if write.dry_run:
        stored["metadata"].setdefault("resourceVersion", "")
        if not stored["metadata"]["resourceVersion"]:
            del stored["metadata"]["resourceVersion"]
        return stored
    entry = cluster.store.put(write.resource.bucket, stored)
    return finish_if_free(cluster, write.resource.bucket, entry).decode()


def live(cluster: Cluster, write: Write) -> Entry:
    """The current state of the object that a request names. Raises ApiError 404."""
    entry = cluster.store.get(write.resource.bucket, write.namespace, write.name)
    if entry is None:
        raise not_found(write.resource.plural, write.resource.group, write.name)
    return entry


async def replace(cluster: Cluster, body: Any, write: Write) -> tuple[int, Json]:
    """PUT: replace an object (or one of its subresources)."""
    value = decode(body, write)
    entry = cluster.store.get(write.resource.bucket, write.namespace, write.name)
    if entry is None:
        raise not_found(write.resource.plural, write.resource.group, write.name)
    named = value["metadata"].get("name")
    if named != write.name:
        raise bad_request(
            f"the name of the object ({named or ''}) does not match the name on the URL ({write.name})"
        )
    _settle_namespace(value["metadata"], write)
    if write.resource.custom and not value["metadata"].get("resourceVersion"):
        causes = [Cause("FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update")]
        raise invalid(write.resource.kind, write.resource.group, write.name, causes)
    return 200, await _update(cluster, entry, value, write, "Update")


async def patch(cluster: Cluster, write: Write, change: Callable[[Json], Json]) -> tuple[int, Json]:
    """PATCH: compute the new state from the current one, again when somebody else was faster."""
    for _ in range(RETRIES):
        entry = live(cluster, write)
        current = cluster.from_storage(entry.decode(), write.resource)
        value = change(current)
        asked = value.get("metadata", {}).get("resourceVersion") if isinstance(value.get("metadata"), dict) else None
        value = decode(value, write)
        if value["metadata"].get("name") != write.name:
            causes = [Cause("FieldValueInvalid", "metadata.name", f'Invalid value: "{value["metadata"].get("name", "")}": field is immutable')]
            raise invalid(write.resource.kind, write.resource.group, write.name, causes)
        _settle_namespace(value["metadata"], write)
        try:
            return 200, await _update(cluster, entry, value, write, "Update")
        except ApiError as error:
            if error.reason != "Conflict" or asked not in {None, str(entry.revision)}:
                raise
            if cluster.store.get(write.resource.bucket, write.namespace, write.name) is entry:
                raise
    raise conflict(write.resource.plural, write.resource.group, write.name)


async def apply(cluster: Cluster, body: Any, write: Write) -> tuple[int, Json]:
    """Server-side apply: create or merge by field ownership."""
    if not isinstance(body, dict):
        raise bad_request("the body of the request must be one object")
    value = body
    _check_kind(value, write)
    meta = metadata.read_metadata(value, write.resource)
    if meta.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    named = meta.setdefault("name", write.name)
    if named != write.name:
        raise bad_request(f"the name of the object ({named}) does not match the name on the URL ({write.name})")
    _settle_namespace(meta, write)
    schema = write.resource.schema()
    unknown = prune(value, schema, root=True)
    value["metadata"] = meta
    if unknown:
        _tell_unknown(unknown, write)
    entry = cluster.store.get(write.resource.bucket, write.namespace, write.name)
    writer = _writer(write, "Apply")
    if entry is None:
        if write.subresource:
            raise not_found(write.resource.plural, write.resource.group, write.name)
        return 201, await _create_applied(cluster, value, write, writer)
    current = cluster.from_storage(entry.decode(), write.resource)
    if write.subresource != "status" and write.resource.status_subresource:
        value.pop("status", None)
    merged = apply_fields(current, value, schema, writer, force=write.force)
    merged = decode(merged, write)
    return 200, await _update(cluster, entry, merged, write, "Apply")


async def _create_applied(cluster: Cluster, value: Json, write: Write, writer: Manager) -> Json:
    resource = write.resource
    if resource.status_subresource:
        value.pop("status", None)
    value = apply_fields(None, value, resource.schema(), writer, force=True)
    managed = value["metadata"]["managedFields"]
    value = decode(value, write)
    metadata.identify(value)
    meta = value["metadata"]
    if resource.custom or resource.status_subresource:
        meta["generation"] = 1
    special.on_create(value, resource, cluster)
    _check_namespace(cluster, write)
    value = await _admit_create(cluster, value, write)
    if cluster.store.get(resource.bucket, write.namespace, write.name) is not None:
        raise already_exists(resource.plural, resource.group, write.name)
    value["metadata"]["managedFields"] = managed
    return _commit(cluster, value, write)


async def _update(cluster: Cluster, entry: Entry, value: Json, write: Write, operation: str) -> Json:
    resource = write.resource
    old = cluster.from_storage(entry.decode(), resource)
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
    _check(value, old, write)
    await cluster.admission.validate("UPDATE", value, old, write)
    if _spec(value, resource) != _spec(old, resource) and "generation" in old["metadata"]:
        value["metadata"]["generation"] = old["metadata"]["generation"] + 1
    if operation == "Update":
        record_update(old, value, resource.schema(), _writer(write, "Update"))
    if cluster.store.get(resource.bucket, write.namespace, write.name) is not entry:
        raise conflict(resource.plural, resource.group, write.name)
    if _unchanged(value, old):
        return old
    return _commit(cluster, value, write)


def _scoped(value: Json, old: Json, write: Write) -> Json:
    """A main write leaves the status alone, a status write leaves everything else alone."""
    if not write.resource.status_subresource:
        return value
    if write.subresource == "status":
        kept = {**old, "status": value["status"]} if "status" in value else {k: v for k, v in old.items() if k != "status"}
        kept["metadata"] = {**old["metadata"], "managedFields": value["metadata"].get("managedFields", [])}
        return kept
    if "status" in old:
        value["status"] = old["status"]
    else:
        value.pop("status", None)
    return value


def _spec(value: Json, resource: Resource) -> Json:
    hidden = {"metadata", "status"} if resource.status_subresource else {"metadata"}
    return {k: v for k, v in value.items() if k not in hidden}


def _unchanged(value: Json, old: Json) -> bool:
    def bare(each: Json) -> Json:
        return {**each, "metadata": {k: v for k, v in each["metadata"].items() if k not in {"managedFields", "resourceVersion"}}}

    def owners(each: Json) -> list[Json]:
        return [{k: v for k, v in m.items() if k != "time"} for m in each["metadata"].get("managedFields") or ()]

    return bare(value) == bare(old) and owners(value) == owners(old)


async def delete(cluster: Cluster, write: Write, options: Json) -> tuple[int, Json]:
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
    await cluster.admission.validate("DELETE", None, cluster.from_storage(entry.decode(), resource), write)
    entry = live(cluster, write)
    if write.dry_run:
        return 200, success(resource.plural, resource.group, entry.name, entry.uid)
    policy = _policy(options)
    special.on_delete(entry.decode(), resource)
    remaining = mark_deleted(cluster, resource.bucket, entry, policy)
    if remaining is not None:
        return 200, cluster.from_storage(remaining.decode(), resource)
    collect_dependents(cluster, entry.uid)
    return 200, success(resource.plural, resource.group, entry.name, entry.uid)


def _policy(options: Json) -> str:
    if options.get("orphanDependents") is True:
        return "Orphan"
    policy = options.get("propagationPolicy") or "Background"
    if policy not in {"Background", "Foreground", "Orphan"}:
        causes = [Cause("FieldValueNotSupported", "propagationPolicy",
                        f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"')]  # fmt: skip
        raise invalid("DeleteOptions", "meta.k8s.io", "", causes)
    return str(policy)


def main_write(write: Write) -> Write:
    """The same write, on the object itself rather than on its subresource."""
    from dataclasses import replace as with_changes

    return with_changes(write, subresource="")
