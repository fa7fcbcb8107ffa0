"""The metadata of objects: names, identity and what a client may not change."""

import re
import secrets
import uuid
from typing import Any

from harness.simulator.kubeapi.managers import now
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import Cause, bad_request
from harness.simulator.kubeapi.validation import invalid_value, required

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
    "character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an "
    "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_KEY_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_PATH_NAMED = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}

_TYPES: dict[str, tuple[Any, str]] = {
    "name": (str, "string"), "namespace": (str, "string"), "generateName": (str, "string"), "uid": (str, "string"),
    "resourceVersion": (str, "string"), "labels": (dict, "map[string]string"), "annotations": (dict, "map[string]string"),
    "finalizers": (list, "[]string"), "ownerReferences": (list, "[]v1.OwnerReference"), "generation": (int, "int64"),
    "creationTimestamp": (str, "v1.Time"), "deletionTimestamp": (str, "v1.Time"), "managedFields": (list, "[]v1.ManagedFieldsEntry"),
    "selfLink": (str, "string"), "deletionGracePeriodSeconds": (int, "int64"),
}  # fmt: skip


def generated(prefix: str) -> str:
    """A name from `generateName`: the prefix, cut to fit, and five random characters."""
    return prefix[:58] + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def read_metadata(value: dict[str, Any], resource: Resource) -> dict[str, Any]:
    """The metadata of a body, with unknown fields and nulls removed. Raises ApiError 400 for a field of the wrong type."""
    meta = value.get("metadata")
    if meta is None:
        meta = {}
    if not isinstance(meta, dict):
        raise _cannot(resource, "metadata", meta, "v1.ObjectMeta")
    kept: dict[str, Any] = {}
    for name, each in meta.items():
        if each is None or name not in _TYPES:
            continue
        wanted, told = _TYPES[name]
        if not isinstance(each, wanted) or isinstance(each, bool):
            raise _cannot(resource, name, each, told)
        if name in {"labels", "annotations"}:
            each = _string_map(each, name, resource)  # noqa: PLW2901 - the cleaned map takes the place of the raw one
        elif name == "finalizers" and not all(isinstance(item, str) for item in each):
            raise _cannot(resource, name, each, "[]string")
        elif name in {"ownerReferences", "managedFields"} and not all(isinstance(item, dict) for item in each):
            raise _cannot(resource, name, each, told)
        if each or name not in {"labels", "annotations", "finalizers", "ownerReferences"}:
            kept[name] = each
    value["metadata"] = kept
    return kept


def unknown_fields(value: dict[str, Any]) -> list[str]:
    """Paths in the metadata of a body that no object has."""
    meta = value.get("metadata")
    return [f"metadata.{name}" for name in meta if name not in _TYPES] if isinstance(meta, dict) else []


def _string_map(each: dict[str, Any], name: str, resource: Resource) -> dict[str, str]:
    for item in each.values():
        if item is not None and not isinstance(item, str):
            raise _cannot(resource, name, item, "string")
    return {key: item if item is not None else "" for key, item in each.items()}


def _cannot(resource: Resource, path: str, came: Any, wanted: str) -> Exception:
    """The sentence of Go's decoder, which names the struct and, for built-in kinds, the way to it."""
    whole, inside = f"{resource.kind}.metadata", "ObjectMeta" if resource.custom else "ObjectMeta.metadata"
    path = whole if path == "metadata" else f"{inside}.{path}"
    words = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: json: cannot unmarshal '
        f"{words.get(type(came), 'null')} into Go struct field {path} of type {wanted}"
    )


def identify(value: dict[str, Any]) -> None:
    """Give a new object its uid and creation time and take away what only the server may set."""
    meta = value["metadata"]
    for name in (
        "uid",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "creationTimestamp",
    ):
        meta.pop(name, None)
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = now()


def carry_over(value: dict[str, Any], old: dict[str, Any]) -> None:
    """Keep on an update what no client may change."""
    meta, before = value["metadata"], old["metadata"]
    for name in (
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
    ):
        if name in before:
            meta[name] = before[name]
        else:
            meta.pop(name, None)
    meta.pop("selfLink", None)


def _name_rule(resource: Resource) -> tuple[re.Pattern[str], str, int]:
    if resource.kind == "Service" and not resource.group:
        return _LABEL_1035, LABEL_1035_TEXT, 63
    if resource.kind == "Namespace" and not resource.group:
        return _LABEL, LABEL_TEXT, 63
    return _SUBDOMAIN, _SUBDOMAIN_TEXT, 253


def name_errors(resource: Resource, name: str) -> list[Cause]:
    """What is wrong with an object's name."""
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    if resource.kind in _PATH_NAMED and resource.group == "rbac.authorization.k8s.io":
        bad = [sign for sign in ("/", "%") if sign in name]
        return [invalid_value("metadata.name", name, f"may not contain '{sign}'") for sign in bad]
    pattern, text, longest = _name_rule(resource)
    errors = []
    if len(name) > longest:
        errors.append(invalid_value("metadata.name", name, f"must be no more than {longest} characters"))
    if not pattern.fullmatch(name):
        errors.append(invalid_value("metadata.name", name, text))
    return errors


def metadata_errors(meta: dict[str, Any]) -> list[Cause]:
    """What is wrong with labels, annotations, finalizers and owner references."""
    errors: list[Cause] = []
    for key, value in (meta.get("labels") or {}).items():
        errors += _key_errors(key, "metadata.labels")
        if len(value) > 63:
            errors.append(invalid_value("metadata.labels", value, "must be no more than 63 characters"))
        if not VALUE.fullmatch(value):
            errors.append(invalid_value("metadata.labels", value, VALUE_TEXT))
    size = 0
    for key, value in (meta.get("annotations") or {}).items():
        errors += _key_errors(key.lower(), "metadata.annotations")
        size += len(key) + len(value)
    if size > 262144:
        errors.append(Cause("FieldValueTooLong", "metadata.annotations", "Too long: may not be more than 262144 bytes"))
    for index, owner in enumerate(meta.get("ownerReferences") or ()):
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                errors.append(
                    invalid_value(f"metadata.ownerReferences[{index}].{name}", owner.get(name, ""), "must not be empty")
                )
    for finalizer in meta.get("finalizers") or ():
        errors += _key_errors(finalizer, "metadata.finalizers")
    return errors


def _key_errors(key: str, path: str) -> list[Cause]:
    prefix, slash, name = key.rpartition("/")
    errors = []
    if slash and (not _SUBDOMAIN.fullmatch(prefix) or len(prefix) > 253):
        errors.append(invalid_value(path, key, f"prefix part {_SUBDOMAIN_TEXT}"))
    if not name:
        errors.append(invalid_value(path, key, "name part must be non-empty"))
    elif len(name) > 63:
        errors.append(invalid_value(path, key, "name part must be no more than 63 characters"))
    if not _KEY.fullmatch(name):
        errors.append(invalid_value(path, key, _KEY_TEXT))
    return errors


def update_errors(value: dict[str, Any], old: dict[str, Any]) -> list[Cause]:
    """What an update changes although it may not."""
    errors = []
    if old["metadata"].get("deletionTimestamp"):
        added = [
            f for f in value["metadata"].get("finalizers") or () if f not in (old["metadata"].get("finalizers") or ())
        ]
        if added:
            listed = ", ".join(f'"{each}"' for each in added)
            detail = f"Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
            errors.append(Cause("FieldValueForbidden", "metadata.finalizers", detail))
    return errors
