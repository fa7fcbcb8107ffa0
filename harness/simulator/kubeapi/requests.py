"""What a write request says, and the checks that every body passes."""

from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from typing import Any

from harness.simulator.kubeapi import checks, metadata, special
from harness.simulator.kubeapi.changes import Entry
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.identity import User
from harness.simulator.kubeapi.managers import Manager, now
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.rules import check_rules, has_rules
from harness.simulator.kubeapi.status import Cause, bad_request, forbidden, invalid, not_found
from harness.simulator.kubeapi.structural import apply_defaults, drop_nulls, prune
from harness.simulator.kubeapi.validation import invalid_value, validate

Json = dict[str, Any]
# Errors after which rules are not worth running, because a rule could stumble over them.
_BLOCKING = {
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
}
_SKIPPED = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"


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
    user: User | None = None
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def writer_of(write: Write, operation: str) -> Manager:
    """The entry that a write of this request leaves in `managedFields`."""
    return Manager(write.manager, operation, write.resource.api_version, write.subresource, now(), frozenset())


def check_kind(value: Json, write: Write) -> None:
    """Whether a body is of the kind and version of its URL; built-in kinds may leave both out. Raises ApiError 400."""
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
        if resource.custom:
            # A cluster decodes with the schema of the version in the body, finds none, and warns of every field.
            tell_unknown([name for name in value if name not in {"apiVersion", "kind", "metadata"}], write)
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if kind != resource.kind and resource.custom:
        name = (value.get("metadata") or {}).get("name", "") if isinstance(value.get("metadata"), dict) else ""
        raise invalid(
            resource.kind, resource.group, str(name), [invalid_value("kind", kind, f"must be {resource.kind}")]
        )
    if kind != resource.kind:
        raise bad_request(f"the kind in the data ({kind}) does not match the expected kind ({resource.kind})")


def decode(value: Any, write: Write) -> Json:
    """A body made ready: kind checked, metadata read, unknown fields pruned, defaults filled in."""
    if not isinstance(value, dict):
        raise bad_request("the body of the request must be one object")
    resource = write.resource
    check_kind(value, write)
    strange = metadata.unknown_fields(value)
    metadata.read_metadata(value, resource)
    schema = resource.schema()
    kept = value["metadata"]
    if not resource.custom:
        drop_nulls(value, schema)
        value["metadata"] = kept
    tell_unknown(strange + prune(value, schema, root=True), write)
    apply_defaults(value, schema)
    value["metadata"] = kept
    if not resource.custom:
        _refuse_types(validate({k: v for k, v in value.items() if k != "metadata"}, schema), write)
        special.fill_in(value, resource)
    return value


def tell_unknown(unknown: list[str], write: Write) -> None:
    """Warn of unknown and repeated fields, refuse them (400) or keep silent, as `fieldValidation` says."""
    texts = [*write.problems, *(f'unknown field "{path}"' for path in sorted(unknown))]
    write.problems.clear()
    if not texts:
        return
    if write.field_validation == "Strict":
        kind = write.resource.kind
        message = f'{kind} in version "{write.resource.version}" cannot be handled as a {kind}: strict decoding error: {", ".join(texts)}'
        raise bad_request(message)
    if write.field_validation == "Warn":
        write.warnings.extend(texts)


def check(value: Json, old: Json | None, write: Write) -> None:
    """Every field error of a new state at once. Raises ApiError 422, or 400 where Go could not decode the body."""
    resource = write.resource
    schema = resource.schema()
    name = value["metadata"].get("name", "")
    errors = metadata.name_errors(resource, name) if old is None else []
    errors += metadata.metadata_errors(value["metadata"])
    if old is not None:
        errors += metadata.update_errors(value, old)
    shape = validate({k: v for k, v in value.items() if k != "metadata"}, schema, old=old)
    shape = [cause for cause in shape if cause.field != "metadata"]
    if write.subresource == "status":
        shape = [_within_status(cause) for cause in shape]
    if not resource.custom:
        # Go fills what a status lacks with zero values, so nothing in it can be missing.
        shape = [
            cause for cause in shape if not (cause.reason == "FieldValueRequired" and cause.field.startswith("status."))
        ]
    errors += shape
    if has_rules(schema):
        if any(cause.reason in _BLOCKING for cause in shape):
            errors.append(Cause("FieldValueInvalid", "<nil>", f"Invalid value: null: {_SKIPPED}"))
        else:
            errors += check_rules(value, old, schema, root=True)
    if not resource.custom:
        errors += checks.errors(value, old, resource)
    if errors:
        raise invalid(resource.kind, resource.group, name, errors)


def _within_status(cause: Cause) -> Cause:
    """An error of a status write: a cluster validates the status by itself, so its sentences name paths below it."""
    inner = cause.field.removeprefix("status.")
    return Cause(cause.reason, cause.field, cause.detail.replace(f" {cause.field} in body", f" {inner} in body"))


def _refuse_types(causes: list[Cause], write: Write) -> None:
    wrong = next((cause for cause in causes if cause.reason == "FieldValueTypeInvalid"), None)
    if wrong is not None:
        kind = write.resource.kind
        raise bad_request(
            f'{kind} in version "{write.resource.version}" cannot be handled as a {kind}: {wrong.field}: {wrong.detail}'
        )


def settle_namespace(meta: Json, write: Write) -> None:
    """Put the namespace of the URL on a body. Raises ApiError 400 when the body names another."""
    if not write.resource.namespaced:
        meta.pop("namespace", None)
        return
    came = meta.get("namespace")
    if came and came != write.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    meta["namespace"] = write.namespace


def check_namespace(cluster: Cluster, write: Write) -> None:
    """Whether the namespace takes new objects. Raises ApiError 404 or 403."""
    if not write.resource.namespaced:
        return
    namespace = cluster.store.get(("", "namespaces"), "", write.namespace)
    if namespace is None:
        raise not_found("namespaces", "", write.namespace)
    if namespace.deleting:
        why = f"unable to create new content in namespace {write.namespace} because it is being terminated"
        error = forbidden(write.resource.plural, write.resource.group, write.name, why)
        told = f"namespace {write.namespace} is being terminated"
        cause = {"reason": "NamespaceTerminating", "message": told, "field": "metadata.namespace"}
        error.details = {**(error.details or {}), "causes": [cause]}
        raise error


def live(cluster: Cluster, write: Write) -> Entry:
    """The current state of the object that a request names. Raises ApiError 404."""
    entry = cluster.store.get(write.resource.bucket, write.namespace, write.name)
    if entry is None:
        raise not_found(write.resource.plural, write.resource.group, write.name)
    return entry


def main_write(write: Write) -> Write:
    """The same write, on the object itself rather than on its subresource."""
    return with_changes(write, subresource="")
