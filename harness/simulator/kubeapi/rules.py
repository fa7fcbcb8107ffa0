"""CEL rules of structural schemas (`x-kubernetes-validations`)."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.simulator.kubeapi.cel import CelError, Program, compile_rule, native
from harness.simulator.kubeapi.status import Cause
from harness.simulator.kubeapi.structural import Schema
from harness.simulator.kubeapi.validation import type_name

_REASONS = {"FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"}


@dataclass(frozen=True, slots=True)
class _Rule:
    program: Program
    message: str
    message_expression: Program | None
    text: str
    reason: str
    field_path: str
    transition: bool
    optional_old: bool


@functools.lru_cache(maxsize=4096)
def _compiled(rule: str, message: str, expression: str, reason: str, field_path: str, optional: bool) -> _Rule:
    program = compile_rule(rule)
    return _Rule(
        program=program,
        message=message,
        message_expression=compile_rule(expression) if expression else None,
        text=rule,
        reason=reason if reason in _REASONS else "FieldValueInvalid",
        field_path=field_path,
        transition=program.uses_old,
        optional_old=optional,
    )


def _rules(schema: Schema) -> list[_Rule]:
    return [
        _compiled(
            rule.get("rule", ""),
            rule.get("message") or "",
            rule.get("messageExpression") or "",
            rule.get("reason") or "",
            rule.get("fieldPath") or "",
            bool(rule.get("optionalOldSelf")),
        )
        for rule in schema.rules
    ]


def compile_all(schema: Schema) -> None:
    """Compile every rule below a schema. Raises CelError with the rule in its text."""
    _rules(schema)
    for child in (*schema.properties.values(), schema.items, schema.additional):
        if child is not None:
            compile_all(child)


@functools.lru_cache(maxsize=8192)
def _has_rules(schema: Schema) -> bool:
    children = (*schema.properties.values(), schema.items, schema.additional)
    return bool(schema.rules) or any(_has_rules(child) for child in children if child is not None)


def has_rules(schema: Schema) -> bool:
    """Whether a schema or anything below it carries a rule."""
    return _has_rules(schema)


def check_rules(value: Any, old: Any, schema: Schema, path: str = "", *, root: bool = False) -> Iterator[Cause]:
    """Field errors of every rule that does not hold; transition rules run only where an old value corresponds."""
    if value is None or not _has_rules(schema):
        return
    if schema.rules:
        yield from _at_node(value, old, schema, path, root=root)
    if isinstance(value, dict):
        for name, each in value.items():
            child = schema.child(name)
            if child is not None:
                before = old.get(name) if isinstance(old, dict) else None
                yield from check_rules(each, before, child, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and schema.items is not None:
        for index, each in enumerate(value):
            before = _corresponding(each, old, schema)
            yield from check_rules(each, before, schema.items, f"{path}[{index}]")


def _corresponding(item: Any, old: Any, schema: Schema) -> Any:
    if schema.list_type != "map" or not isinstance(old, list) or not isinstance(item, dict):
        return None
    key = [item.get(name) for name in schema.list_keys]
    matching = (o for o in old if isinstance(o, dict) and [o.get(name) for name in schema.list_keys] == key)
    return next(matching, None)


def _at_node(value: Any, old: Any, schema: Schema, path: str, *, root: bool) -> Iterator[Cause]:
    rules = _rules(schema)
    if old is not None and old == value:
        # as on a cluster, an unchanged value is not asked again: it held when it was stored
        rules = [rule for rule in rules if rule.transition]
        if not rules:
            return
    variables = {"self": native(_rooted(value) if root else value, schema)}
    if old is not None:
        variables["oldSelf"] = native(_rooted(old) if root else old, schema)
    for rule in rules:
        if rule.transition and old is None and not rule.optional_old:
            continue
        here = f"{path}{rule.field_path}".lstrip(".") if rule.field_path else path or "<nil>"
        quoted = f'Invalid value: "{type_name(value)}": '
        try:
            holds = rule.program.evaluate(variables)
        except CelError as error:
            told = rule.message or rule.text
            yield Cause("FieldValueInvalid", here, f"{quoted}{error} evaluating rule: {told}")
            continue
        if holds is not True:
            yield _failure(rule, variables, here, quoted)


def _failure(rule: _Rule, variables: dict[str, Any], path: str, quoted: str) -> Cause:
    message = rule.message or f"failed rule: {rule.text}"
    if rule.message_expression is not None:
        try:
            computed = rule.message_expression.evaluate(variables)
        except CelError:
            computed = None
        if isinstance(computed, str) and computed.strip() and "\n" not in computed:
            message = computed
    match rule.reason:
        case "FieldValueForbidden":
            return Cause(rule.reason, path, f"Forbidden: {message}")
        case "FieldValueRequired":
            return Cause(rule.reason, path, f"Required value: {message}")
        case "FieldValueDuplicate":
            return Cause(
                rule.reason, path, f"Duplicate value: {quoted.removeprefix('Invalid value: ').removesuffix(': ')}"
            )
        case _:
            return Cause(rule.reason, path, f"{quoted}{message}")


def _rooted(value: dict[str, Any]) -> dict[str, Any]:
    meta = value.get("metadata") or {}
    visible = {name: meta[name] for name in ("name", "generateName") if name in meta}
    return {**value, "metadata": visible}
