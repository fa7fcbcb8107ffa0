"""Label and field selectors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.simulator.kubeapi.status import ApiError, bad_request

_KEY = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"\s*(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)\s*(?:,|$)")
_EQUAL = re.compile(rf"\s*(?P<key>{_KEY})\s*(?P<op>==|=|!=|>|<)\s*(?P<value>{_VALUE})\s*(?:,|$)")
_EXISTS = re.compile(rf"\s*(?P<no>!?)\s*(?P<key>{_KEY})\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One clause of a label selector; every clause must hold."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy the clause; `!=` and `notin` hold for an absent label, as in a cluster."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "absent":
                return value is None
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        (bound,) = self.values
        if value is None or not re.fullmatch(r"-?\d+", value):
            return False
        return int(value) > int(bound) if self.operator == ">" else int(value) < int(bound)


LabelSelector = tuple[Requirement, ...]


def _refuse(text: str) -> ApiError:
    return bad_request(
        f"unable to parse requirement: found {text!r}, expected: a label selector such as a=b, a in (b,c), !a"
    )


def parse_labels(text: str) -> LabelSelector:
    """Read `a=b,c!=d,e in (f,g),!h`. Raises ApiError 400."""
    clauses: list[Requirement] = []
    position = 0
    while position < len(text):
        if found := _SET.match(text, position):
            values = frozenset(v.strip() for v in found["values"].split(","))
            clauses.append(Requirement(found["key"], found["op"], values))
        elif found := _EQUAL.match(text, position):
            clauses.append(_equality(found["key"], found["op"], found["value"]))
        elif found := _EXISTS.match(text, position):
            clauses.append(Requirement(found["key"], "absent" if found["no"] else "exists"))
        else:
            raise _refuse(text[position:])
        position = found.end()
    return tuple(clauses)


def _equality(key: str, operator: str, value: str) -> Requirement:
    if operator in {">", "<"}:
        if not re.fullmatch(r"-?\d+", value):
            raise bad_request(
                f"values[0]: Invalid value: {value!r}: for 'Gt', 'Lt' operators, the value must be an integer"
            )
        return Requirement(key, operator, frozenset({value}))
    return Requirement(key, "notin" if operator == "!=" else "in", frozenset({value}))


def of_label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """The clauses of a LabelSelector object (matchLabels and matchExpressions); None and {} select everything."""
    clauses: list[Requirement] = []
    for key, value in ((selector or {}).get("matchLabels") or {}).items():
        clauses.append(Requirement(key, "in", frozenset({value})))
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    for each in (selector or {}).get("matchExpressions") or ():
        values = frozenset(each.get("values") or ())
        clauses.append(Requirement(each["key"], operators.get(each["operator"], "in"), values))
    return tuple(clauses)


def labels_match(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether every clause holds."""
    return all(clause.holds(labels) for clause in selector)


@dataclass(frozen=True, slots=True)
class FieldClause:
    """One clause of a field selector: `path=value` or `path!=value`."""

    path: str
    value: str
    equal: bool


def parse_fields(text: str, supported: Callable[[str], bool]) -> tuple[FieldClause, ...]:
    """Read `metadata.name=a,status.phase!=Running`; 400 for a field that the resource does not offer."""
    clauses: list[FieldClause] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        path, operator, value = _split_field(part)
        if not supported(path):
            raise bad_request(f"field label not supported: {path}")
        clauses.append(FieldClause(path, value, operator))
    return tuple(clauses)


def _split_field(part: str) -> tuple[str, bool, str]:
    for separator, equal in (("!=", False), ("==", True), ("=", True)):
        path, found, value = part.partition(separator)
        if found:
            return path, equal, value
    raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")


def field_text(value: Mapping[str, Any], path: str) -> str:
    """The text of a field that a selector compares; absent is the empty text."""
    current: Any = value
    for name in path.split("."):
        current = current.get(name) if isinstance(current, dict) else None
    if isinstance(current, bool):
        return "true" if current else "false"
    return "" if current is None or isinstance(current, dict | list) else str(current)


def fields_match(clauses: tuple[FieldClause, ...], value: Mapping[str, Any]) -> bool:
    """Whether every clause holds for an object."""
    return all((field_text(value, c.path) == c.value) is c.equal for c in clauses)
