"""The `managedFields` of an object: recording updates and performing server-side apply."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from harness.simulator.kubeapi.ownership import Contested, FieldSet, decode, encode, lookup, merge, remove, tracked
from harness.simulator.kubeapi.status import ApiError
from harness.simulator.kubeapi.structural import Schema


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
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
    entries = []
    for each in managers:
        if not each.paths:
            continue
        entry: dict[str, Any] = {
            "manager": each.name,
            "operation": each.operation,
            "apiVersion": each.api_version,
            "time": each.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(each.paths),
        }
        if each.subresource:
            entry["subresource"] = each.subresource
        entries.append(entry)
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
    # Parts that are as they were (the spec, when a status is written) have the owners that they had: they are left out.
    parts = {name: part for name, part in new.items() if old is None or name not in old or old[name] != part}
    former = {name: part for name, part in (old or {}).items() if name in parts or name not in new}
    before, after = tracked(former, schema), tracked(parts, schema)
    changed = {
        path for path in after if path not in before or lookup(former, path, schema) != lookup(parts, path, schema)
    }
    gone = before - after
    if old is not None and not changed and not gone:
        new["metadata"]["managedFields"] = old["metadata"]["managedFields"]
        return
    touched = {f"f:{name}" for name in (*parts, *former)}
    managers = [
        replace(
            each,
            paths=frozenset(
                path
                for path in each.paths
                if path[0] not in touched
                or (path in after and (path not in changed or each.identity == writer.identity))
            ),
        )
        for each in (read_managers(old) if old else [])
    ]
    if changed:
        mine = next((each for each in managers if each.identity == writer.identity), None)
        owned = frozenset(changed) | (mine.paths if mine else frozenset())
        managers = [each for each in managers if each.identity != writer.identity]
        managers.append(replace(writer, paths=owned))
    write_managers(new, managers)


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
