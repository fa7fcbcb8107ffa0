"""Server-side apply: who owns which field, and what happens when two want the same."""

import pytest

from tests.kubeapi.blackbox.api import causes


def managers(body):
    return {(one["manager"], one["operation"], one.get("subresource", "")) for one in body["metadata"]["managedFields"]}


def owned(body, manager):
    return next(one["fieldsV1"] for one in body["metadata"]["managedFields"] if one["manager"] == manager)


def test_apply_creates_what_is_not_there(widgets, widget):
    answer = widgets.apply(widget("a", size=2), "one")
    assert answer.status_code == 201
    assert managers(answer.json()) == {("one", "Apply", "")}


def test_apply_of_the_same_changes_nothing(widgets, widget):
    first = widgets.apply(widget("a", size=2), "one").json()
    second = widgets.apply(widget("a", size=2), "one")
    assert second.status_code == 200
    assert second.json()["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_apply_owns_what_it_names_and_no_default(widgets, widget):
    made = widgets.apply(widget("a", size=2), "one").json()
    assert owned(made, "one") == {"f:spec": {"f:size": {}}}
    assert made["spec"]["color"] == "red"


def test_apply_removes_what_it_owned_and_no_longer_names(widgets, widget):
    widgets.apply(widget("a", size=2, note="x"), "one")
    assert "note" not in widgets.apply(widget("a", size=2), "one").json()["spec"]


def test_apply_keeps_what_others_own(widgets, widget):
    widgets.apply(widget("a", size=2), "one")
    changed = widgets.apply(widget("a", note="x"), "two").json()
    assert (changed["spec"]["size"], changed["spec"]["note"]) == (2, "x")
    assert managers(changed) == {("one", "Apply", ""), ("two", "Apply", "")}


def test_conflict_names_the_field_and_its_manager(widgets, widget):
    widgets.apply(widget("a", size=2), "one")
    answer = widgets.apply(widget("a", size=3), "two")
    assert answer.status_code == 409
    assert answer.json()["reason"] == "Conflict"
    assert answer.json()["message"] == 'Apply failed with 1 conflict: conflict with "one": .spec.size'
    assert causes(answer) == [(".spec.size", "FieldManagerConflict")]
    assert answer.json()["details"]["causes"][0]["message"] == 'conflict with "one"'
    assert widgets.get("a").json()["spec"]["size"] == 2


def test_two_conflicts_are_counted(widgets, widget):
    widgets.apply(widget("a", size=2, note="x"), "one")
    answer = widgets.apply(widget("a", size=3, note="y"), "two")
    assert answer.json()["message"].startswith("Apply failed with 2 conflicts: conflicts with")
    assert causes(answer) == [(".spec.note", "FieldManagerConflict"), (".spec.size", "FieldManagerConflict")]


def test_force_takes_the_field(widgets, widget):
    widgets.apply(widget("a", size=2), "one")
    changed = widgets.apply(widget("a", size=3), "two", force="true").json()
    assert changed["spec"]["size"] == 3
    assert managers(changed) == {("two", "Apply", "")}


def test_the_same_value_is_shared_without_conflict(widgets, widget):
    widgets.apply(widget("a", size=2), "one")
    answer = widgets.apply(widget("a", size=2), "two")
    assert answer.status_code == 200
    assert owned(answer.json(), "one") == owned(answer.json(), "two")


def test_shared_field_stays_until_its_last_owner_leaves(widgets, widget):
    widgets.apply(widget("a", note="x"), "one")
    widgets.apply(widget("a", note="x"), "two")
    assert widgets.apply(widget("a"), "one").json()["spec"]["note"] == "x"
    assert "note" not in widgets.apply(widget("a"), "two").json()["spec"]


def test_update_takes_ownership_and_then_apply_conflicts(widgets, widget):
    made = widgets.apply(widget("a", size=2), "one").json()
    made["spec"]["size"] = 5
    widgets.replace(made, fieldManager="editor")
    answer = widgets.apply(widget("a", size=2), "one")
    assert answer.status_code == 409
    assert causes(answer) == [(".spec.size", "FieldManagerConflict")]
    assert 'conflict with "editor"' in answer.json()["message"]


def test_create_records_its_manager_as_update(widgets, widget):
    made = widgets.create(widget("a", size=2), fieldManager="maker").json()
    assert ("maker", "Update", "") in managers(made)


def test_manager_of_a_plain_write_is_the_user_agent(widgets, widget, server):
    made = server.post(widgets.path, json=widget("a"), headers={"User-Agent": "robot/1.2 (linux)"}).json()
    assert ("robot", "Update", "") in managers(made)


def test_lists_by_key_have_an_owner_for_each_item(widgets, widget):
    widgets.apply(widget("a", ports=[{"name": "one", "number": 1}]), "one")
    changed = widgets.apply(widget("a", ports=[{"name": "two", "number": 2}]), "two").json()
    assert [port["name"] for port in changed["spec"]["ports"]] == ["one", "two"]
    left = widgets.apply(widget("a"), "one").json()
    assert [port["name"] for port in left["spec"]["ports"]] == ["two"]


def test_sets_have_an_owner_for_each_value(widgets, widget):
    widgets.apply(widget("a", tags=["x"]), "one")
    assert widgets.apply(widget("a", tags=["y"]), "two").json()["spec"]["tags"] == ["x", "y"]
    assert widgets.apply(widget("a"), "one").json()["spec"]["tags"] == ["y"]


def test_plain_lists_are_owned_whole(widgets, widget):
    widgets.apply(widget("a", words=["x"]), "one")
    answer = widgets.apply(widget("a", words=["x", "y"]), "two")
    assert causes(answer) == [(".spec.words", "FieldManagerConflict")]


def test_atomic_maps_are_owned_whole(widgets, widget):
    widgets.apply(widget("a", atomic={"a": "1"}), "one")
    answer = widgets.apply(widget("a", atomic={"b": "2"}), "two")
    assert causes(answer) == [(".spec.atomic", "FieldManagerConflict")]


def test_apply_without_a_manager_is_400(widgets, widget, server):
    answer = server.patch(
        f"{widgets.path}/a", json=widget("a"), headers={"Content-Type": "application/apply-patch+yaml"}
    )
    assert answer.status_code == 422
    assert ("fieldManager", "FieldValueRequired") in causes(answer)


def test_apply_reads_yaml(widgets, server):
    text = "apiVersion: blackbox.example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 3}\n"
    answer = server.patch(
        f"{widgets.path}/a",
        content=text,
        params={"fieldManager": "one"},
        headers={"Content-Type": "application/apply-patch+yaml"},
    )
    assert answer.status_code == 201
    assert answer.json()["spec"]["size"] == 3


def test_apply_of_an_invalid_object_is_422(widgets, widget):
    answer = widgets.apply(widget("a", size=101), "one")
    assert answer.status_code == 422
    assert widgets.get("a").status_code == 404


def test_apply_with_managed_fields_in_the_body_is_400(widgets, widget):
    body = widget("a")
    body["metadata"]["managedFields"] = [
        {"manager": "x", "operation": "Apply", "apiVersion": "blackbox.example.com/v1"}
    ]
    answer = widgets.apply(body, "one")
    assert answer.status_code == 400
    assert answer.json()["message"] == "metadata.managedFields must be nil"


def test_apply_with_a_stale_resource_version_is_409(widgets, widget):
    made = widgets.apply(widget("a", size=1), "one").json()
    widgets.apply(widget("a", size=2), "one")
    body = widget("a", size=3)
    body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    assert widgets.apply(body, "one").status_code == 409


def test_dry_run_apply_keeps_nothing(widgets, widget):
    assert widgets.apply(widget("a"), "one", dryRun="All").status_code == 201
    assert widgets.get("a").status_code == 404


def test_status_is_applied_by_its_own_managers(widgets, widget):
    widgets.apply(widget("a"), "one")
    body = widget("a") | {"status": {"phase": "Ready"}}
    del body["spec"]
    changed = widgets.apply(body, "controller", "status").json()
    assert changed["status"] == {"phase": "Ready"}
    assert ("controller", "Apply", "status") in managers(changed)


def test_emptied_managed_fields_reset_ownership(widgets, widget):
    widgets.apply(widget("a", size=2), "one")
    cleared = widgets.patch("a", {"metadata": {"managedFields": [{}]}}).json()
    assert "managedFields" not in cleared["metadata"]
    answer = widgets.apply(widget("a", size=3), "two")
    assert (
        answer.json()["message"]
        == 'Apply failed with 1 conflict: conflict with "before-first-apply" using blackbox.example.com/v1: .spec.size'
    )


@pytest.mark.parametrize("manager", ["a" * 129, "bad\tname"])
def test_bad_manager_names_are_422(widgets, widget, manager):
    assert widgets.apply(widget("a"), manager).status_code == 422
