"""Structural schemas: pruning, defaults, types, bounds, rules, transitions and unknown fields."""

import pytest

from tests.kubeapi.blackbox.api import causes


def test_defaults_are_stored(widgets, widget):
    assert widgets.create(widget("a")).json()["spec"] == {"color": "red", "size": 1}


def test_defaults_reach_into_lists(widgets, widget):
    assert widgets.create(widget("a", ports=[{"name": "x"}])).json()["spec"]["ports"] == [{"name": "x", "number": 80}]


def test_null_is_replaced_by_a_default(widgets, widget):
    assert widgets.create(widget("a", size=None)).json()["spec"]["size"] == 1


def test_nullable_fields_keep_null(widgets, widget):
    assert widgets.create(widget("a", note=None)).json()["spec"]["note"] is None


def test_null_of_a_field_that_has_no_default_is_dropped(widgets, widget):
    assert "enabled" not in widgets.create(widget("a", enabled=None)).json()["spec"]


def test_unknown_fields_are_pruned(widgets, widget):
    assert "nonsense" not in widgets.create(widget("a", nonsense=1)).json()["spec"]


def test_unknown_fields_are_kept_where_the_schema_says_so(widgets, widget):
    free = {"any": {"thing": [1, {"x": None}]}}
    assert widgets.create(widget("a", free=free)).json()["spec"]["free"] == free


def test_unknown_fields_bring_a_warning_by_default(widgets, widget):
    answer = widgets.create(widget("a", nonsense=1))
    assert answer.headers.get_list("warning") == ['299 - "unknown field \\"spec.nonsense\\""']


def test_unknown_fields_are_silent_when_ignored(widgets, widget):
    answer = widgets.create(widget("a", nonsense=1), fieldValidation="Ignore")
    assert answer.status_code == 201
    assert "warning" not in answer.headers


def test_unknown_fields_are_400_when_strict(widgets, widget):
    answer = widgets.create(widget("a", nonsense=1), fieldValidation="Strict")
    assert answer.status_code == 400
    assert answer.json()["message"].endswith('strict decoding error: unknown field "spec.nonsense"')


def test_unknown_fields_in_metadata_are_400_when_strict(widgets, widget):
    body = widget("a")
    body["metadata"]["nonsense"] = 1
    answer = widgets.create(body, fieldValidation="Strict")
    assert answer.status_code == 400
    assert 'unknown field "metadata.nonsense"' in answer.json()["message"]


def test_duplicate_fields_are_400_when_strict(widgets, server):
    text = '{"apiVersion":"blackbox.example.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"size":1,"size":2}}'
    answer = server.post(
        widgets.path, content=text, params={"fieldValidation": "Strict"}, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert 'duplicate field "spec.size"' in answer.json()["message"]


def test_an_unknown_field_validation_is_422(widgets, widget):
    assert widgets.create(widget("a"), fieldValidation="Maybe").status_code == 422


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("size", "one", "FieldValueTypeInvalid"),
        ("size", 1.5, "FieldValueTypeInvalid"),
        ("size", True, "FieldValueTypeInvalid"),
        ("size", -1, "FieldValueInvalid"),
        ("size", 101, "FieldValueInvalid"),
        ("color", "mauve", "FieldValueNotSupported"),
        ("color", 5, "FieldValueNotSupported"),
        ("enabled", "yes", "FieldValueTypeInvalid"),
        ("ratio", "half", "FieldValueTypeInvalid"),
        ("note", "x" * 21, "FieldValueTooLong"),
        ("words", "one", "FieldValueTypeInvalid"),
        ("words", ["a", "b", "c", "d", "e"], "FieldValueTooMany"),
        ("labels", {"a": "1", "b": "2", "c": "3", "d": "4"}, "FieldValueTooMany"),
        ("limit", [1], "FieldValueTypeInvalid"),
        ("when", "tomorrow", "FieldValueTypeInvalid"),
        ("free", "text", "FieldValueTypeInvalid"),
    ],
)
def test_values_outside_the_schema_are_422(widgets, widget, field, value, reason):
    answer = widgets.create(widget("a", **{field: value}))
    assert answer.status_code == 422
    assert (f"spec.{field}", reason) in causes(answer)
    assert answer.json()["reason"] == "Invalid"
    assert answer.json()["details"]["name"] == "a"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 0),
        ("size", 100),
        ("ratio", 1),
        ("ratio", 0.25),
        ("note", "ä" * 20),
        ("limit", 5),
        ("limit", "50%"),
        ("when", "2026-01-02T03:04:05Z"),
    ],
)
def test_values_inside_the_schema_are_stored(widgets, widget, field, value):
    assert widgets.create(widget("a", **{field: value})).json()["spec"][field] == value


def test_an_error_in_a_list_names_its_index(widgets, widget):
    answer = widgets.create(widget("a", ports=[{"name": "x"}, {"number": 1}]))
    assert ("spec.ports[1].name", "FieldValueRequired") in causes(answer)


def test_an_error_in_a_map_names_its_key(widgets, widget):
    assert ("spec.labels.a", "FieldValueTypeInvalid") in causes(widgets.create(widget("a", labels={"a": 1})))


def test_duplicates_in_a_keyed_list_are_refused(widgets, widget):
    answer = widgets.create(widget("a", ports=[{"name": "x"}, {"name": "x"}]))
    assert ("spec.ports[1]", "FieldValueDuplicate") in causes(answer)


def test_duplicates_in_a_set_are_refused(widgets, widget):
    assert ("spec.tags[1]", "FieldValueDuplicate") in causes(widgets.create(widget("a", tags=["x", "x"])))


def test_rule_is_enforced_at_its_field_path(widgets, widget):
    answer = widgets.create(widget("a", size=1, replicas=2))
    assert answer.status_code == 422
    assert causes(answer) == [("spec.replicas", "FieldValueInvalid")]
    assert "more replicas than size" in answer.json()["message"]


def test_rule_that_holds_lets_pass(widgets, widget):
    assert widgets.create(widget("a", size=2, replicas=2)).status_code == 201


def test_transition_rule_does_not_bind_creation(widgets, widget):
    assert widgets.create(widget("a", frozen="x")).status_code == 201


def test_transition_rule_binds_updates(widgets, widget):
    widgets.create(widget("a", frozen="x"))
    answer = widgets.patch("a", {"spec": {"frozen": "y"}})
    assert causes(answer) == [("spec.frozen", "FieldValueInvalid")]
    assert "frozen once set" in answer.json()["message"]


def test_transition_rule_lets_other_fields_change(widgets, widget):
    widgets.create(widget("a", frozen="x"))
    assert widgets.patch("a", {"spec": {"size": 5}}).status_code == 200


def test_required_part_is_named(widgets):
    body = {"apiVersion": "blackbox.example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}
    assert ("spec", "FieldValueRequired") in causes(widgets.create(body))


def test_several_errors_come_together(widgets, widget):
    answer = widgets.create(widget("a", size=101, color="mauve"))
    assert {("spec.color", "FieldValueNotSupported"), ("spec.size", "FieldValueInvalid")} <= set(causes(answer))


def test_message_of_one_error_reads_as_a_cluster_writes_it(widgets, widget):
    assert widgets.create(widget("a", size=101)).json()["message"] == (
        'Widget.blackbox.example.com "a" is invalid: spec.size: Invalid value: 101: spec.size in body should be less than or equal to 100'
    )


@pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a-", "a..b", "a/b", "a" * 254, "ä"])
def test_bad_names_are_422(widgets, widget, name):
    answer = widgets.create(widget(name))
    assert answer.status_code == 422
    assert ("metadata.name", "FieldValueInvalid") in causes(answer)


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ({"a": "b c"}, "metadata.labels"),
        ({"a/b/c": "d"}, "metadata.labels"),
        ({"": "d"}, "metadata.labels"),
        ({"a": "x" * 64}, "metadata.labels"),
    ],
)
def test_bad_labels_are_422(widgets, widget, labels, field):
    body = widget("a")
    body["metadata"]["labels"] = labels
    assert (field, "FieldValueInvalid") in causes(widgets.create(body))


def test_annotations_are_limited_in_size(widgets, widget):
    body = widget("a")
    body["metadata"]["annotations"] = {"big": "x" * (256 * 1024 + 1)}
    answer = widgets.create(body)
    assert answer.status_code == 422
    assert ("metadata.annotations", "FieldValueTooLong") in causes(answer)
