"""Server-side apply: which manager owns which field, merging by ownership, and conflicts.

A field set is a set of paths. A path is a tuple of steps as `managedFields` spells them: `f:name`, `k:{"name":"x"}` for an item of a
keyed list, `v:"x"` for an item of a set, and `.` for the presence of an item or an object itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from harness.simulator.kubeapi.structural import ANYTHING, Schema

Json = dict[str, Any]
Path = tuple[str, ...]
FieldSet = frozenset[Path]

_SELF = "."
_UNTRACKED = (
    ("f:apiVersion",), ("f:kind",), ("f:metadata", "f:name"), ("f:metadata", "f:namespace"), ("f:metadata", "f:uid"),
    ("f:metadata", "f:resourceVersion"), ("f:metadata", "f:generation"), ("f:metadata", "f:creationTimestamp"),
    ("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:deletionGracePeriodSeconds"), ("f:metadata", "f:managedFields"),
    ("f:metadata", "f:selfLink"), ("f:metadata", "f:generateName"),
)  # fmt: skip

_OWNER = Schema(type="object", preserve_unknown=True)
_METADATA = Schema(
    type="object",
    preserve_unknown=True,
    properties={
        "labels": Schema(type="object", additional=Schema(type="string")),
        "annotations": Schema(type="object", additional=Schema(type="string")),
        "finalizers": Schema(type="array", items=Schema(type="string"), list_type="set"),
        "ownerReferences": Schema(type="array", items=_OWNER, list_type="map", list_keys=("uid",)),
    },
)


def _child(schema: Schema, name: str, *, root: bool) -> Schema:
    if root and name == "metadata":
        return _METADATA
    return schema.child(name) or ANYTHING


def _item_step(item: Any, schema: Schema) -> str | None:
    if schema.list_type == "set" and not isinstance(item, dict | list):
        return "v:" + orjson.dumps(item).decode()
    if schema.list_type == "map" and isinstance(item, dict):
        key: dict[str, Any] = {}
        for name in schema.list_keys:
            if name in item:
                key[name] = item[name]
            elif schema.items and name in schema.items.properties and schema.items.properties[name].has_default:
                key[name] = schema.items.properties[name].default
        return "k:" + orjson.dumps(key, option=orjson.OPT_SORT_KEYS).decode()
    return None


def _granular(schema: Schema) -> bool:
    return schema.list_type in {"map", "set"}


def fields_of(value: Any, schema: Schema, prefix: Path = (), *, root: bool = True) -> Iterator[Path]:
    """Every owned path of an object: leaves, atomic lists and maps, and the items of keyed lists."""
    if isinstance(value, dict) and schema.map_type != "atomic":
        if prefix and (not value or prefix[-1].startswith("k:")):
            yield (*prefix, _SELF) if value or prefix[-1].startswith("k:") else prefix
        for name, each in value.items():
            yield from fields_of(each, _child(schema, name, root=root), (*prefix, f"f:{name}"), root=False)
    elif isinstance(value, list) and _granular(schema) and value:
        for item in value:
            step = _item_step(item, schema)
            if step is None:
                yield prefix
            elif step.startswith("v:"):
                yield (*prefix, step)
            else:
                yield from fields_of(item, schema.items or ANYTHING, (*prefix, step), root=False)
    elif prefix:
        yield prefix


def repeated_item(value: Any, schema: Schema, path: str = "", *, root: bool = True) -> str:
    """The first place where a keyed list or a set holds an item twice, in the words of a cluster; empty when there is none."""
    if isinstance(value, dict):
        below = ((each, _child(schema, name, root=root), f"{path}.{name}") for name, each in value.items())
        return next((text for each, child, here in below if (text := repeated_item(each, child, here, root=False))), "")
    if not isinstance(value, list):
        return ""
    if _granular(schema):
        steps = [_item_step(item, schema) for item in value]
        twice = next((step for step in steps if step is not None and steps.count(step) > 1), None)
        if twice is not None:
            return f"{path}: duplicate entries for key {Contested('', (twice,)).dotted}"
    items = schema.items or ANYTHING
    return next(
        (text for i, each in enumerate(value) if (text := repeated_item(each, items, f"{path}[{i}]", root=False))), ""
    )


def differing(old: Json, new: Json, schema: Schema, *, root: bool = True) -> tuple[Json, Json]:
    """Both objects without what they share, so that the paths of the rest alone need to be compared."""
    former = {name: each for name, each in old.items() if name not in new}
    parts = {name: each for name, each in new.items() if name not in old}
    for name in old.keys() & new.keys():
        before, after = old[name], new[name]
        if before == after:
            continue
        child = _child(schema, name, root=root)
        if isinstance(before, dict) and isinstance(after, dict) and child.map_type != "atomic":
            below = differing(before, after, child, root=False)
            # Nothing left of an object that held something says nothing; an empty object is a leaf of its own.
            former.update({name: below[0]} if below[0] or not before else {})
            parts.update({name: below[1]} if below[1] or not after else {})
        else:
            former[name], parts[name] = before, after
    return former, parts


def tracked(value: dict[str, Any], schema: Schema) -> FieldSet:
    """The paths of an object that managers can own: not identity and server-kept metadata."""
    return frozenset(path for path in fields_of(value, schema) if path not in _UNTRACKED and path[:2] not in _UNTRACKED)


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """A field set as `fieldsV1`."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def decode(tree: Any, prefix: Path = ()) -> Iterator[Path]:
    """The paths of a `fieldsV1` tree."""
    if not isinstance(tree, dict):
        return
    for step, below in tree.items():
        if below:
            yield from decode(below, (*prefix, step))
        else:
            yield (*prefix, step)


def lookup(value: Any, path: Path, schema: Schema, *, root: bool = True) -> tuple[bool, Any]:
    """Whether a path exists in an object, and what lies there."""
    current, node = value, schema
    for step in path:
        if step == _SELF:
            return True, None
        if step.startswith("f:"):
            name = step[2:]
            if not isinstance(current, dict) or name not in current:
                return False, None
            current, node = current[name], _child(node, name, root=root)
        else:
            found = _find_item(current, step, node)
            if found is None:
                return False, None
            current, node = current[found], node.items or ANYTHING
        root = False
    return True, current


def _find_item(items: Any, step: str, schema: Schema) -> int | None:
    if not isinstance(items, list):
        return None
    return next((index for index, item in enumerate(items) if _item_step(item, schema) == step), None)


def merge(live: Any, applied: Any, schema: Schema, *, root: bool = True) -> Any:
    """The live object with everything that was applied laid over it."""
    if isinstance(applied, dict) and isinstance(live, dict) and schema.map_type != "atomic":
        result = dict(live)
        for name, each in applied.items():
            child = _child(schema, name, root=root)
            result[name] = merge(live[name], each, child, root=False) if name in live else each
        return result
    if isinstance(applied, list) and isinstance(live, list) and _granular(schema):
        result_items = list(live)
        for item in applied:
            step = _item_step(item, schema)
            place = _find_item(result_items, step, schema) if step else None
            if place is None:
                result_items.append(item)
            else:
                result_items[place] = merge(result_items[place], item, schema.items or ANYTHING, root=False)
        return result_items
    return applied


def remove(value: dict[str, Any], path: Path, schema: Schema) -> None:
    """Take a path out of an object, in place."""
    _remove(value, path, schema, root=True)


def _remove(value: Any, path: Path, schema: Schema, *, root: bool) -> None:
    step, rest = path[0], path[1:]
    if step.startswith("f:") and isinstance(value, dict) and step[2:] in value:
        name = step[2:]
        child = _child(schema, name, root=root)
        if rest and rest != (_SELF,):
            _remove(value[name], rest, child, root=False)
        elif not (value[name] and isinstance(value[name], dict) and child.map_type != "atomic"):
            # What was owned as an empty object may hold the fields of others by now.
            del value[name]
    elif step.startswith(("k:", "v:")):
        place = _find_item(value, step, schema)
        if place is None:
            return
        if rest and rest != (_SELF,):
            _remove(value[place], rest, schema.items or ANYTHING, root=False)
        else:
            del value[place]


@dataclass(frozen=True, slots=True)
class Contested:
    """A field that another manager (as messages name it) owns with another value."""

    manager: str
    path: Path

    @property
    def dotted(self) -> str:
        """The path as conflict messages print it: `.spec.replicas`, `.spec.ports[name="x"]`."""
        text = ""
        for step in self.path:
            if step.startswith("f:"):
                text += "." + step[2:]
            elif step.startswith("k:"):
                keys = orjson.loads(step[2:])
                text += "[" + ",".join(f"{k}={orjson.dumps(v).decode()}" for k, v in keys.items()) + "]"
            elif step.startswith("v:"):
                text += f"[={step[2:]}]"
        return text
