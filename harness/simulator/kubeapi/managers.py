"""The `managedFields` of an object: recording updates and performing server-side apply."""

import functools
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from harness.simulator.kubeapi.ownership import (
    Contested,
    FieldSet,
    Path,
    decode,
    differing,
    encode,
    lookup,
    merge,
    remove,
    tracked,
)
from harness.simulator.kubeapi.status import ApiError
from harness.simulator.kubeapi.structural import Schema

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manager:
    """Who wrote: name, operation (`Apply` or `Update`), version and subresource of the write, and the owned paths."""

    name: str
    operation: str
    api_version: str
    subresource: str
    time: str
    paths: FieldSet

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What tells entries apart; an applier stays the same one when it moves to another version."""
        return (self.name, self.operation, "" if self.operation == "Apply" else self.api_version, self.subresource)

    @property
    def shown(self) -> str:
        """The manager as conflict messages name it."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


def now() -> str:
    """The current time as Kubernetes prints it."""
    return _printed(int(time.time()))


@functools.lru_cache(maxsize=1)
def _printed(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_managers(value: dict[str, Any]) -> list[Manager]:
    """The managers of an object."""
    entries = value.get("metadata", {}).get("managedFields") or ()
    return [
        Manager(
            name=entry.get("manager", ""),
            operation=entry.get("operation", "Update"),
            api_version=entry.get("apiVersion", ""),
            subresource=entry.get("subresource", ""),
            time=entry.get("time", ""),
            paths=frozenset(decode(entry.get("fieldsV1") or {})),
        )
        for entry in entries
    ]


def write_managers(value: dict[str, Any], managers: list[Manager]) -> None:
    """Put the managers that own something on the object."""
    _put_entries(value, [_entry(each, encode(each.paths)) for each in managers if each.paths])


def _entry(manager: Manager, tree: Json) -> Json:
    entry = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": manager.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": tree,
    }
    return {**entry, "subresource": manager.subresource} if manager.subresource else entry


def _put_entries(value: Json, entries: list[Json]) -> None:
    if entries:
        value["metadata"]["managedFields"] = entries
    else:
        value["metadata"].pop("managedFields", None)


def record_update(old: dict[str, Any] | None, new: dict[str, Any], schema: Schema, writer: Manager) -> None:
    """Give the writer every field that it changed, and take these from the others; in place."""
    if new["metadata"].get("managedFields") == [{}]:
        del new["metadata"]["managedFields"]
        return
    if old is not None and not old["metadata"].get("managedFields"):
        # Nobody's fields are known, so the writer cannot be told from those before it: tracking begins with an apply.
        new["metadata"].pop("managedFields", None)
        return
    difference = _difference(old or {}, new, schema)
    entries: list[Json] = old["metadata"]["managedFields"] if old is not None else []
    if old is not None and not difference.roots:
        new["metadata"]["managedFields"] = entries
        return
    owned: Json = {}
    kept: list[Json] = []
    for entry in entries:
        own = _identity(entry) == writer.identity
        tree = difference.left_of(entry.get("fieldsV1") or {}, own=own)
        if own and difference.changed:
            owned = tree
        elif tree:
            kept.append({**entry, "fieldsV1": tree})
    if difference.changed:
        kept.append(_entry(writer, encode(difference.changed | set(decode(owned)))))
    _put_entries(new, kept)


@dataclass(frozen=True, slots=True)
class _Difference:
    """What an update does to owned paths: those that have another value, and those that are gone; `new` is the state it leads to."""

    new: Json
    schema: Schema
    changed: FieldSet
    gone: FieldSet

    @property
    def roots(self) -> set[str]:
        """The first steps of all paths concerned."""
        return {path[0] for path in self.changed | self.gone}

    def left_of(self, tree: Json, *, own: bool) -> Json:
        """What a manager still owns of its `fieldsV1`; `own`: it is the writer. Trees that are not concerned stay as they are."""
        roots = self.roots & tree.keys()
        if not roots:
            return tree
        rest = {step: below for step, below in tree.items() if step not in roots}
        paths = decode({step: tree[step] for step in roots})
        left = encode(path for path in paths if not self._loses(path, own=own))
        return dict(sorted({**rest, **left}.items()))

    def _loses(self, path: Path, *, own: bool) -> bool:
        if path in self.gone:
            return True
        if path in self.changed:
            return not own
        return not lookup(self.new, path, self.schema)[0]  # nor does anybody own what is not there


def _difference(old: Json, new: Json, schema: Schema) -> _Difference:
    former, parts = differing(old, new, schema)
    before, after = tracked(former, schema), tracked(parts, schema)
    changed = frozenset(
        path for path in after if path not in before or lookup(former, path, schema) != lookup(parts, path, schema)
    )
    return _Difference(new, schema, changed, before - after)


def _identity(entry: Json) -> tuple[str, str, str, str]:
    operation = entry.get("operation", "Update")
    version = "" if operation == "Apply" else entry.get("apiVersion", "")
    return (entry.get("manager", ""), operation, version, entry.get("subresource", ""))


def apply_fields(
    live: dict[str, Any] | None, applied: dict[str, Any], schema: Schema, writer: Manager, *, force: bool
) -> dict[str, Any]:
    """The outcome of a server-side apply. Raises ApiError 409 with every contested field unless forced."""
    wanted = tracked(applied, schema)
    managers = read_managers(live) if live else []
    if live and not managers:
        managers = [Manager("before-first-apply", "Update", writer.api_version, "", writer.time, tracked(live, schema))]
    mine = next((each for each in managers if each.identity == writer.identity), None)
    others = [each for each in managers if each.identity != writer.identity]
    if live:
        contested = _contested(live, applied, schema, others, wanted)
        if contested and not force:
            raise _conflict(contested)
        taken = {(c.manager, c.path) for c in contested}
        others = [
            replace(each, paths=frozenset(p for p in each.paths if (each.shown, p) not in taken)) for each in others
        ]
    result = merge(live, applied, schema) if live else applied
    elsewhere = frozenset[tuple[str, ...]]().union(*(each.paths for each in others))
    # Whole items go before their fields: an item that has lost its key can no longer be found.
    gone = sorted(mine.paths - wanted, key=lambda path: (path[-1] != ".", -len(path), path)) if mine else []
    for path in gone:
        if path not in elsewhere:
            remove(result, path, schema)
    result["metadata"] = dict(result["metadata"])
    write_managers(result, [*others, replace(writer, paths=wanted)])
    return result


def _contested(
    live: dict[str, Any], applied: dict[str, Any], schema: Schema, others: list[Manager], wanted: FieldSet
) -> list[Contested]:
    return [
        Contested(each.shown, path)
        for each in others
        for path in sorted(wanted & each.paths)
        if path[-1] != "." and _differs(lookup(live, path, schema), lookup(applied, path, schema))
    ]


def _differs(one: tuple[bool, Any], other: tuple[bool, Any]) -> bool:
    """Whether two states of an owned path contradict each other; an object owned while it was empty contradicts no content."""
    if isinstance(one[1], dict) and isinstance(other[1], dict) and not (one[1] and other[1]):
        return False
    return one != other


def _conflict(contested: list[Contested]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {each.manager}", "field": each.dotted}
        for each in contested
    ]
    managers = sorted({each.manager for each in contested})
    count = f"{len(contested)} conflict" + ("s" if len(contested) > 1 else "")
    if len(contested) == 1:
        message = f"Apply failed with {count}: conflict with {managers[0]}: {contested[0].dotted}"
    else:
        listed = "\n".join(
            f"conflicts with {name}:\n" + "\n".join(f"- {c.dotted}" for c in contested if c.manager == name)
            for name in managers
        )
        message = f"Apply failed with {count}: {listed}"
    return ApiError(409, "Conflict", message, {"causes": causes})
