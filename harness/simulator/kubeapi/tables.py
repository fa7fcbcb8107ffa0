"""Server-side printing: lists and objects as `meta.k8s.io/v1` Table, and as bare metadata."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from harness.simulator.kubeapi.builtin_columns import BUILTIN_CELLS
from harness.simulator.kubeapi.jsonpath import first
from harness.simulator.kubeapi.resources import Column, Resource

Json = dict[str, Any]
PARTIAL = "PartialObjectMetadata"
_NAME = "Name must be unique within a namespace."


def wanted_form(accept: str) -> str:
    """`Table`, `PartialObjectMetadata` or the empty text, after the first media range that this server can serve."""
    for each in accept.split(","):
        parts = dict(part.strip().partition("=")[::2] for part in each.split(";")[1:])
        kind = parts.get("as", "")
        if kind in {"Table", PARTIAL, f"{PARTIAL}List"}:
            if parts.get("v") == "v1" and parts.get("g") == "meta.k8s.io" and "protobuf" not in each:
                return PARTIAL if kind.startswith(PARTIAL) else kind
        elif each.partition(";")[0].strip() in {"application/json", "*/*"}:
            return ""
    return ""


def age(moment: Any) -> str:
    """How long ago, as kubectl prints it: at most two units, fewer the longer it is."""
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(str(moment))).total_seconds())
    except (ValueError, TypeError):
        return "<unknown>"
    seconds = max(seconds, 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    limits: tuple[tuple[bool, str], ...] = (
        (seconds < 120, f"{seconds}s"),
        (minutes < 10, f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"),
        (minutes < 180, f"{minutes}m"),
        (hours < 8, f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"),
        (hours < 48, f"{hours}h"),
        (days < 8, f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"),
        (days < 730, f"{days}d"),
    )
    return next((text for fits, text in limits if fits), f"{days // 365}y")


def _cell(column: Column, value: Json) -> Any:
    try:
        found = first(value, column.path)
    except ValueError:
        return None
    if found is None:
        return None
    if column.type == "date":
        return age(found)
    if column.type == "string":
        return found if isinstance(found, str) else orjson.dumps(found).decode()
    if column.type == "boolean":
        return found if isinstance(found, bool) else None
    return found if isinstance(found, int | float) else None


def _definition(name: str, kind: str, form: str = "", description: str = "", priority: int = 0) -> Json:
    return {"name": name, "type": kind, "format": form, "description": description, "priority": priority}


def _columns(resource: Resource) -> tuple[list[Json], Callable[[Json], list[Any]]]:
    head = [_definition("Name", "string", "name", _NAME)]
    if resource.custom:
        definitions = [_definition(c.name, c.type, c.format, c.description, c.priority) for c in resource.columns]
        return head + definitions, lambda value: [
            value["metadata"]["name"],
            *(_cell(c, value) for c in resource.columns),
        ]
    cells = BUILTIN_CELLS.get(resource.kind)
    if cells is None:
        definitions = [_definition("Age", "string", "", "Time since creation.")]
        return head + definitions, lambda value: [
            value["metadata"]["name"],
            age(value["metadata"].get("creationTimestamp")),
        ]
    definitions = [_definition(c.name, c.type, priority=c.priority) for c in cells]

    def row(value: Json) -> list[Any]:
        found = [c.cell(value) for c in cells]
        return [value["metadata"]["name"], *(age(f) if c.since else f for c, f in zip(cells, found, strict=True))]

    return head + definitions, row


def partial(value: Json) -> Json:
    """An object's metadata alone."""
    return {"kind": PARTIAL, "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]}


def table(resource: Resource, values: list[Json], meta: Json, include: str) -> bytes:
    """Objects as a Table; `include` (None, Metadata, Object) says what each row carries beside its cells."""
    definitions, cells = _columns(resource)
    rows = []
    for value in values:
        row: Json = {"cells": cells(value)}
        if include == "Object":
            row["object"] = value
        else:
            row["object"] = None if include == "None" else partial(value)
        rows.append(row)
    whole = {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": definitions,
        "rows": rows,
    }
    return orjson.dumps(whole)
