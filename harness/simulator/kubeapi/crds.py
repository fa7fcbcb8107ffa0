"""CustomResourceDefinitions: checked, registered and established."""

import functools
import re
from collections.abc import Iterator
from typing import Any

from harness.simulator.kubeapi.cel import CelError, compile_rule
from harness.simulator.kubeapi.changes import Change
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.managers import now
from harness.simulator.kubeapi.metadata import LABEL_1035_TEXT
from harness.simulator.kubeapi.resources import Column, Resource, Scale
from harness.simulator.kubeapi.rules import compile_all
from harness.simulator.kubeapi.schema_shape import shape_errors
from harness.simulator.kubeapi.status import Cause, bad_request
from harness.simulator.kubeapi.store import Bucket
from harness.simulator.kubeapi.structural import Schema, compile_schema
from harness.simulator.kubeapi.validation import invalid_value, required

Json = dict[str, Any]
_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
CRDS: Bucket = ("apiextensions.k8s.io", "customresourcedefinitions")
AGE = Column(
    "Age", "date", ".metadata.creationTimestamp", "CreationTimestamp is a timestamp of the creation of the object."
)


def fill_in(value: Json) -> None:
    """Defaults that a cluster sets on a definition, in place."""
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return
    names = spec.get("names")
    if isinstance(names, dict) and isinstance(names.get("kind"), str):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})


def errors(value: Json, old: Json | None) -> list[Cause]:
    """What makes a definition unusable: its name, versions, schemas, patterns and rules."""
    spec = value.get("spec") or {}
    names, group = spec.get("names") or {}, spec.get("group", "")
    found: list[Cause] = []
    wanted = f"{names.get('plural', '')}.{group}"
    if value["metadata"].get("name", wanted) != wanted:
        found.append(
            invalid_value(
                "metadata.name", value["metadata"].get("name", ""), 'must be spec.names.plural+"."+spec.group'
            )
        )
    if spec.get("scope") not in {"Namespaced", "Cluster"}:
        detail = f'Unsupported value: "{spec.get("scope", "")}": supported values: "Cluster", "Namespaced"'
        found.append(Cause("FieldValueNotSupported", "spec.scope", detail))
    versions = spec.get("versions") or []
    if sum(bool(each.get("storage")) for each in versions) != 1:
        found.append(
            invalid_value("spec.versions", "object", "must have exactly one version marked as storage version")
        )
    found += _name_errors(names, group)
    # A cluster keeps the schema of a sole version at the top, and names it there.
    alone = len(versions) == 1
    for index, version in enumerate(versions):
        found += _version_errors(version, f"spec.versions[{index}]", "spec.validation" if alone else "")
    if old and (old.get("spec") or {}).get("scope") != spec.get("scope"):
        found.append(invalid_value("spec.scope", spec.get("scope"), "field is immutable"))
    return found


def _name_errors(names: Json, group: str) -> list[Cause]:
    found = []
    if group and "." not in group:
        found.append(invalid_value("spec.group", group, "should be a domain with at least one dot"))
    for name in ("plural", "singular", "kind", "listKind"):
        text = names.get(name) or ""
        if not text:
            found.append(required(f"spec.names.{name}"))
        elif not _LABEL.fullmatch(text.lower()) or len(text) > 63:
            found.append(invalid_value(f"spec.names.{name}", text, LABEL_1035_TEXT))
    return found


def _version_errors(version: Json, path: str, place: str) -> list[Cause]:
    named = version.get("name") or ""
    if not _LABEL.fullmatch(named) or len(named) > 63:
        return [invalid_value(f"{path}.name", named, LABEL_1035_TEXT)]
    return _schema_errors(version, path, place)


def _schema_errors(version: Json, path: str, place: str) -> list[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    here = f"{place or f'{path}.schema'}.openAPIV3Schema"
    if not isinstance(schema, dict):
        return [required(f"{path}.schema.openAPIV3Schema", "schemas are required")]
    malformed = next(shape_errors(schema, here), None)
    if malformed is not None:
        place, wanted = malformed
        raise bad_request(
            f"CustomResourceDefinition cannot be handled: json: cannot unmarshal {place}: it must be of type {wanted}"
        )
    if schema.get("type") != "object":
        return [invalid_value(f"{here}.type", schema.get("type", ""), "must be object at the root")]
    found = _structural_errors(schema, here)
    if found:
        return found
    try:
        compile_all(compile_schema(schema))
    except ValueError as error:
        return [invalid_value(here, "object", str(error))]
    except CelError:
        return list(_rule_errors(schema, here))
    return []


def _rule_errors(node: Json, path: str) -> Iterator[Cause]:
    for index, rule in enumerate(node.get("x-kubernetes-validations") or ()):
        text = rule.get("rule", "")
        try:
            compile_rule(text)
        except CelError as error:
            yield invalid_value(f"{path}.x-kubernetes-validations[{index}].rule", text, str(error))
    for name, child in (node.get("properties") or {}).items():
        yield from _rule_errors(child, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            yield from _rule_errors(node[name], f"{path}.{name}")


def _structural_errors(node: Json, path: str) -> list[Cause]:
    found: list[Cause] = []
    typed = (
        node.get("type") or node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
    )
    if not typed:
        found.append(required(f"{path}.type", "must not be empty for specified object fields"))
    if node.get("type") == "array" and not isinstance(node.get("items"), dict):
        found.append(required(f"{path}.items", "must be specified"))
    for name, child in (node.get("properties") or {}).items():
        if isinstance(child, dict):
            found += _structural_errors(child, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        child = node.get(name)
        if isinstance(child, dict):
            found += _structural_errors(child, f"{path}.{name}")
    return found


def resources_of(definition: Json) -> list[Resource]:
    """The served versions of a definition as resources."""
    spec = definition["spec"]
    stored = next(each["name"] for each in spec["versions"] if each.get("storage"))
    return [_resource(spec, each, stored) for each in spec["versions"] if each.get("served")]


def _resource(spec: Json, version: Json, stored: str) -> Resource:
    names = spec["names"]
    subresources = version.get("subresources") or {}
    scale = subresources.get("scale")
    columns = tuple(
        Column(
            each["name"],
            each["type"],
            each["jsonPath"],
            each.get("description", ""),
            each.get("format", ""),
            each.get("priority", 0),
        )
        for each in version.get("additionalPrinterColumns") or ()
    )
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        schema=functools.cache(functools.partial(_root_schema, version["schema"]["openAPIV3Schema"])),
        singular=names.get("singular") or names["kind"].lower(),
        list_kind=names.get("listKind") or f"{names['kind']}List",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        status_subresource="status" in subresources,
        scale=Scale(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath", ""))
        if scale
        else None,
        columns=columns or (AGE,),
        storage_version=stored,
        custom=True,
        selectable=tuple(each["jsonPath"].lstrip(".") for each in version.get("selectableFields") or ()),
        deprecation=_deprecation(spec, version),
        conversion=spec.get("conversion"),
    )


def _deprecation(spec: Json, version: Json) -> str:
    if not version.get("deprecated"):
        return ""
    return str(
        version.get("deprecationWarning") or f"{spec['group']}/{version['name']} {spec['names']['kind']} is deprecated"
    )


def _root_schema(node: Json) -> Schema:
    schema = compile_schema(node)
    # `metadata: {type: object}` is how definitions write it; its fields are the server's own and never pruned
    schema.properties.setdefault("metadata", Schema(type="object")).preserve_unknown = True
    schema.properties["apiVersion"] = Schema(type="string")
    schema.properties["kind"] = Schema(type="string")
    return schema


def establish(value: Json) -> None:
    """Write the status of an accepted definition, in place."""
    spec = value["spec"]
    status = value.setdefault("status", {})
    kept = {each.get("type"): each for each in status.get("conditions") or ()}
    conditions = [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", kept),
        _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", kept),
    ]
    stored = next(each["name"] for each in spec["versions"] if each.get("storage"))
    versions = list(status.get("storedVersions") or ())
    status.update(
        conditions=conditions,
        acceptedNames=spec["names"],
        storedVersions=versions if stored in versions else [*versions, stored],
    )


def _condition(kind: str, reason: str, message: str, kept: dict[str, Json]) -> Json:
    since = kept.get(kind, {}).get("lastTransitionTime") or now()
    return {"type": kind, "status": "True", "lastTransitionTime": since, "reason": reason, "message": message}


def follow(cluster: Cluster) -> None:
    """Serve what the stored definitions say from now on."""

    def changed(bucket: Bucket, change: Change) -> None:
        if bucket != CRDS:
            return
        value = change.entry.decode()
        group, plural = value["spec"]["group"], value["spec"]["names"]["plural"]
        cluster.registry.remove(group, plural)
        if change.type != "DELETED":
            cluster.registry.add(resources_of(value))

    cluster.store.listen(changed)
    for entry in cluster.store.objects(CRDS):
        cluster.registry.add(resources_of(entry.decode()))
