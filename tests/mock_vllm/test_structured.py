"""Structured outputs satisfy what was asked for, whatever was asked for."""

import re

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_vllm.structured.draw import Draw
from mock_vllm.structured.pattern import Unsatisfiable, matching
from mock_vllm.structured.schema import instance

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 3, "maxLength": 12},
        "age": {"type": "integer", "minimum": 18, "exclusiveMaximum": 21},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 2, "uniqueItems": True},
        "score": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{4}$"},
        "nickname": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["name", "age", "email", "tags", "score", "code", "nickname"],
    "additionalProperties": False,
}
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value", "children"],
        }
    },
    "$ref": "#/$defs/node",
}
FIXED = [
    True,
    {},
    PERSON,
    TREE,
    {"const": {"a": 1}},
    {"enum": [1, "two", None]},
    {"type": ["string", "null"]},
    {"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "integer", "minimum": 5}}}]},
    {"oneOf": [{"type": "integer", "minimum": 10}, {"type": "string"}]},
    {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 60},
    {"type": "number", "multipleOf": 0.25, "minimum": 0.3, "maximum": 0.8},
    {"type": "integer", "maximum": -3},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
    {"type": "array", "contains": {"const": 5}, "items": {"type": "integer"}},
    {"type": "object", "minProperties": 3},
    {
        "type": "object",
        "patternProperties": {"^x_": {"type": "integer"}},
        "required": ["x_1"],
        "additionalProperties": False,
    },
    {"type": "string", "minLength": 40},
    {"type": "string", "maxLength": 0},
    *[
        {"type": "string", "format": name}
        for name in ("date", "time", "date-time", "uuid", "ipv4", "ipv6", "uri", "hostname", "email")
    ],
]


@pytest.mark.parametrize("schema", FIXED, ids=[str(number) for number in range(len(FIXED))])
@pytest.mark.parametrize("seed", [0, 1, 99])
def test_values_are_valid(schema, seed):
    value = instance(schema, seed)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(value)
    assert value == instance(schema, seed)


LEAVES = st.one_of(
    st.builds(
        lambda least, more: {"type": "integer", "minimum": least, "maximum": least + more},
        st.integers(-50, 50),
        st.integers(0, 9),
    ),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": "number"}, {"type": "string", "pattern": "^(ab|c)+$"}]
    ),
    st.builds(
        lambda items: {"enum": items}, st.lists(st.one_of(st.integers(), st.text(max_size=4)), min_size=1, max_size=3)
    ),
)


def branches(children):
    names = st.sampled_from(["a", "b", "c", "d"])
    return st.one_of(
        st.builds(
            lambda properties, required, closed: {
                "type": "object",
                "properties": properties,
                "required": sorted(required & set(properties)),
                **({"additionalProperties": False} if closed else {}),
            },
            st.dictionaries(names, children, max_size=3),
            st.sets(names),
            st.booleans(),
        ),
        st.builds(
            lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
            children,
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        st.builds(lambda many: {"anyOf": many}, st.lists(children, min_size=1, max_size=3)),
    )


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(LEAVES, branches, max_leaves=8), st.integers(0, 2**32))
def test_values_of_any_schema_are_valid(schema, seed):
    jsonschema.Draft202012Validator(schema).validate(instance(schema, seed))


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"enum": []},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "colour"},
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#"},
        {"type": "array", "items": {"const": 1}, "uniqueItems": True, "minItems": 2},
        {"type": "string", "pattern": "("},
    ],
    ids=str,
)
def test_what_has_no_value_says_so(schema):
    with pytest.raises(Unsatisfiable):
        instance(schema, 0)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d{3}-\d{4}",
        "(yes|no)",
        "[^a-z]+",
        r"\w+@\w+\.com",
        "a?b*c+",
        "(a)(b)\\2\\1",
        ".",
        r"\s\S",
        "(?i:x)y",
        "[A-Fa-f0-9]{8}",
        "^ab$",
        "x{2,}",
    ],
)
@given(seed=st.integers(0, 1000))
def test_texts_match_their_pattern(pattern, seed):
    assert re.fullmatch(pattern, matching(pattern, Draw(seed)))


def test_a_constraint_that_cannot_be_met_is_a_bad_request(server):
    body = {"messages": [{"role": "user", "content": "x"}], "structured_outputs": {"regex": "("}}
    reply = server.api.post("/v1/chat/completions", json=body)
    assert reply.status_code == 400
    assert "is not a regular expression" in reply.json()["error"]["message"]


def test_a_constrained_answer_is_cut_at_its_limit(server):
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 3, "structured_outputs": {"json": PERSON}}
    choice = server.api.post("/v1/chat/completions", json=body).json()["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"].startswith('{"na')
