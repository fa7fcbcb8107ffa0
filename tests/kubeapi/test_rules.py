"""CEL rules of custom resources and the Kubernetes function library."""

from typing import Any

import pytest

from harness.simulator.kubeapi.cel import CelError, compile_rule, escaped
from harness.simulator.kubeapi.quantities import parse_quantity
from harness.simulator.kubeapi.rules import check_rules
from harness.simulator.kubeapi.structural import compile_schema


def holds(rule: str, value: Any = None) -> Any:
    return compile_rule(rule).evaluate({"self": value})


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("size(self.groups) > 0 || size(self.users) > 0", {"users": ["a"]}),
        ("!format.dns1123Label().validate(self).hasValue()", "a-b"),
        ("format.dns1123Label().validate(self).hasValue()", "a.b"),
        ("!format.dns1123Subdomain().validate(self).hasValue()", "a.b"),
        ("self.all(x, x.startsWith('a'))", ["ab", "ac"]),
        ("self.exists_one(x, x == 1)", [1, 2]),
        ("self.filter(x, x > 1).map(x, x * 2) == [4]", [1, 2]),
        ("has(self.a) && !has(self.b)", {"a": 1}),
        ("self.?a.orValue('x') == 'x'", {}),
        ("[1, 2, 3].isSorted() && [3, 1].max() == 3 && [3, 1].min() == 1 && [1, 2].sum() == 3", None),
        ("self.matches('^[a-z]+$') && self.find('b+') == 'bb' && self.findAll('[ab]') == ['a', 'b', 'b']", "abb"),
        ("isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() == 'a.b:8' && url(self).getHostname() == 'a.b'", "https://a.b:8/c"),
        ("!isURL(self)", "no url"),
        ("isIP(self) && ip(self).family() == 4 && cidr('10.0.0.0/8').containsIP(self)", "10.1.2.3"),
        ("quantity(self).isGreaterThan(quantity('1Mi')) && quantity(self).compareTo(quantity('1Gi')) == 0 && isQuantity(self)", "1Gi"),
        ("self.split(',').size() == 2 && self.replace(',', '').upperAscii() == 'AB'", "a,b"),
        ("self == 'é' && size(self) == 1", "é"),
        ("int(self) + 1 == 3 && self.charAt(0) == '2'", "2"),
    ],
)  # fmt: skip
def test_rules_that_hold(rule: str, value: Any) -> None:
    assert holds(rule, value) is True


def test_an_absent_side_is_absorbed_only_by_a_side_that_is_true() -> None:
    with pytest.raises(CelError, match="no such key: groups"):
        holds("size(self.groups) > 0 || size(self.users) > 0", {"users": []})


@pytest.mark.parametrize("rule", ["self.+", "", "unknown(self)", "self.all(x"])
def test_rules_that_do_not_compile(rule: str) -> None:
    with pytest.raises(CelError, match="compilation failed"):
        compile_rule(rule)


@pytest.mark.parametrize(
    ("name", "spelled"),
    [("plain", "plain"), ("namespace", "__namespace__"), ("a-b", "a__dash__b"), ("a.b", "a__dot__b"), ("a/b", "a__slash__b"), ("a__b", "a__underscores__b")],
)  # fmt: skip
def test_names_as_rules_spell_them(name: str, spelled: str) -> None:
    assert escaped(name) == spelled


def causes(schema: dict[str, Any], value: Any, old: Any = None) -> list[tuple[str, str, str]]:
    return [(c.field, c.reason, c.detail) for c in check_rules(value, old, compile_schema(schema), root=True)]


def rule_on(kind: str, **rule: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": kind, "x-kubernetes-validations": [rule]}}}


def test_messages_come_from_the_rule_the_message_or_the_expression() -> None:
    assert causes(rule_on("integer", rule="self > 5"), {"spec": 1}) == [
        ("spec", "FieldValueInvalid", 'Invalid value: "integer": failed rule: self > 5')
    ]
    assert causes(rule_on("integer", rule="self > 5", message="too small"), {"spec": 1})[0][2].endswith("too small")
    told = causes(
        rule_on("integer", rule="self > 5", message="no", messageExpression="'got ' + string(self)"), {"spec": 1}
    )
    assert told[0][2] == 'Invalid value: "integer": got 1'


def test_a_broken_message_expression_gives_way_to_the_message() -> None:
    told = causes(rule_on("object", rule="false", message="plain", messageExpression="self.nothing"), {"spec": {}})
    assert told[0][2] == 'Invalid value: "object": plain'


def test_reason_and_field_path_of_a_rule() -> None:
    told = causes(
        rule_on("object", rule="false", message="m", reason="FieldValueForbidden", fieldPath=".a.b"), {"spec": {}}
    )
    assert told == [("spec.a.b", "FieldValueForbidden", "Forbidden: m")]


def test_rules_at_the_root_see_the_name_and_nothing_else_of_the_metadata() -> None:
    schema = {
        "type": "object",
        "x-kubernetes-validations": [{"rule": "self.metadata.name == 'a' && !has(self.metadata.labels)"}],
    }
    assert causes(schema, {"metadata": {"name": "a", "labels": {"x": "y"}}}) == []
    assert causes(schema, {"metadata": {"name": "b"}})[0][0] == "<nil>"


def test_transition_rules_wait_for_an_old_value() -> None:
    schema = rule_on("string", rule="self == oldSelf", message="frozen")
    assert causes(schema, {"spec": "a"}) == []
    assert causes(schema, {"spec": "a"}, {"spec": "a"}) == []
    assert causes(schema, {"spec": "b"}, {"spec": "a"})[0][2] == 'Invalid value: "string": frozen'


def test_items_of_a_keyed_list_are_compared_by_key() -> None:
    item = {"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}}
    item["x-kubernetes-validations"] = [{"rule": "self.n >= oldSelf.n"}]
    keyed = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    schema = {"type": "object", "properties": {"spec": keyed}}
    old = {"spec": [{"name": "a", "n": 5}, {"name": "b", "n": 1}]}
    assert causes(schema, {"spec": [{"name": "b", "n": 2}, {"name": "a", "n": 5}]}, old) == []
    assert [c[0] for c in causes(schema, {"spec": [{"name": "b", "n": 2}, {"name": "a", "n": 4}]}, old)] == ["spec[1]"]


def test_formats_become_times_and_durations() -> None:
    properties = {
        "at": {"type": "string", "format": "date-time"},
        "ttl": {"type": "string", "format": "duration"},
        "n-m": {"type": "number"},
    }
    rule = "self.at > timestamp('2020-01-01T00:00:00Z') && self.ttl < duration('2m') && self.n__dash__m == 1.0"
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": properties, "x-kubernetes-validations": [{"rule": rule}]}
        },
    }
    assert causes(schema, {"spec": {"at": "2026-01-02T03:04:05Z", "ttl": "1m30s", "n-m": 1}}) == []
    assert len(causes(schema, {"spec": {"at": "2019-01-02T03:04:05Z", "ttl": "1m30s", "n-m": 1}})) == 1
    assert len(causes(schema, {"spec": {"at": "2026-01-02T03:04:05Z", "ttl": "2m30s", "n-m": 1}})) == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", "1"), ("500m", "0.5"), ("1Ki", "1024"), ("1.5Gi", "1610612736"), ("2e3", "2000"), ("-1k", "-1000")],
)
def test_quantities(text: str, number: str) -> None:
    assert str(parse_quantity(text).normalize().__format__("f")) == number


@pytest.mark.parametrize("text", ["", "a", "1X", "1 Gi", "--1", "1e", "Gi"])
def test_texts_that_are_no_quantities(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        parse_quantity(text)
