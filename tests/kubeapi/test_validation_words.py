"""Validation of combined schemas and numbers, in the words that a real API server used on the same objects."""

from typing import Any

import pytest

from harness.simulator.kubeapi.ownership import repeated_item
from harness.simulator.kubeapi.structural import compile_schema
from harness.simulator.kubeapi.validation import go_number, validate

ADDRESS = {
    "type": "object",
    "properties": {"type": {"type": "string"}, "value": {"type": "string"}},
    "oneOf": [
        {"properties": {"type": {"enum": ["IPAddress"]}, "value": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}}},
        {"properties": {"type": {"not": {"enum": ["IPAddress"]}}}},
    ],
}


def told(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    return [(cause.field, cause.detail) for cause in validate(value, compile_schema(schema), "spec.a")]


@pytest.mark.parametrize("value", ["1.2.3.4", "2001:db8::1"])
def test_one_branch_fits(value: str) -> None:
    assert told(ADDRESS, {"type": "IPAddress", "value": value}) == []


def test_no_branch_fits() -> None:
    assert told(ADDRESS, {"type": "IPAddress", "value": "1.1.1"}) == [
        ("<nil>", 'Invalid value: "": "spec.a" must validate one and only one schema (oneOf). Found none valid'),
        ("<nil>", 'Invalid value: "": "spec.a.value" must validate at least one schema (anyOf)'),
        ("spec.a.value", 'Invalid value: "1.1.1": spec.a.value in body must be of type ipv4: "1.1.1"'),
    ]


def test_two_branches_fit() -> None:
    schema = {"type": "integer", "oneOf": [{"minimum": 1}, {"maximum": 9}]}
    wanted = 'Invalid value: "": "spec.a" must validate one and only one schema (oneOf). Found 2 valid alternatives'
    assert told(schema, 5) == [("<nil>", wanted)]


def test_what_is_negated_must_not_fit() -> None:
    assert told({"type": "string", "not": {"enum": ["x"]}}, "x") == [
        ("<nil>", 'Invalid value: "": "spec.a" must not validate the schema (not)')
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (100.0, "100"),
        (1.5, "1.5"),
        (1e9, "1e+09"),
        (123456789.0, "1.23456789e+08"),
        (2**63, "9.223372036854776e+18"),
        (-2.5e7, "-2.5e+07"),
        (1e-7, "1e-07"),
    ],
)
def test_numbers_as_go_prints_them(number: float, text: str) -> None:
    assert go_number(number) == text


@pytest.mark.parametrize(("value", "bound"), [(1_000_000_001, "1000000000"), (1e10 + 0.5, "1e+09")])
def test_bounds_stand_beside_their_values(value: float, bound: str) -> None:
    (found,) = told({"type": "number", "maximum": 1_000_000_000}, value)
    assert found[1].endswith(f"should be less than or equal to {bound}")


def test_items_that_stand_twice_are_found_where_they_are() -> None:
    item = {"type": "object", "properties": {"name": {"type": "string"}}}
    keyed = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    schema = compile_schema(
        {"type": "object", "properties": {"spec": {"type": "object", "properties": {"ports": keyed}}}}
    )
    assert repeated_item({"spec": {"ports": [{"name": "a"}, {"name": "b"}]}}, schema) == ""
    assert (
        repeated_item({"spec": {"ports": [{"name": "a"}, {"name": "a"}]}}, schema)
        == '.spec.ports: duplicate entries for key [name="a"]'
    )
