"""The patches that a client may send, and what the server makes of bad ones."""

import pytest

from tests.kubeapi.blackbox.api import APPLY, JSON, MERGE, STRATEGIC


def test_merge_patch_sets_and_removes(widgets, widget):
    widgets.create(widget("a", size=2, note="x"))
    changed = widgets.patch("a", {"spec": {"size": 3, "note": None}}).json()
    assert changed["spec"]["size"] == 3
    assert "note" not in changed["spec"]
    assert changed["metadata"]["generation"] == 2


def test_merge_patch_replaces_whole_lists(widgets, widget):
    widgets.create(widget("a", words=["one", "two"]))
    assert widgets.patch("a", {"spec": {"words": ["three"]}}).json()["spec"]["words"] == ["three"]


def test_merge_patch_that_changes_nothing_keeps_the_resource_version(widgets, widget):
    made = widgets.create(widget("a", size=2)).json()
    assert (
        widgets.patch("a", {"spec": {"size": 2}}).json()["metadata"]["resourceVersion"]
        == made["metadata"]["resourceVersion"]
    )


def test_merge_patch_with_a_stale_resource_version_is_409(widgets, widget):
    made = widgets.create(widget("a")).json()
    widgets.patch("a", {"spec": {"size": 2}})
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"size": 3}}
    assert widgets.patch("a", stale).status_code == 409


def test_merge_patch_of_nothing_is_404(widgets):
    assert widgets.patch("ghost", {"spec": {"size": 2}}).status_code == 404


def test_merge_patch_cannot_change_the_name(widgets, widget):
    widgets.create(widget("a"))
    assert widgets.patch("a", {"metadata": {"name": "b"}}).status_code == 400
    assert widgets.get("b").status_code == 404


def test_merge_patch_is_validated(widgets, widget):
    widgets.create(widget("a"))
    assert widgets.patch("a", {"spec": {"color": "mauve"}}).status_code == 422


@pytest.mark.parametrize(
    ("operation", "sizes"),
    [
        ({"op": "replace", "path": "/spec/size", "value": 5}, 5),
        ({"op": "add", "path": "/spec/size", "value": 6}, 6),
        ({"op": "remove", "path": "/spec/size"}, 1),
    ],
)
def test_json_patch_operations(widgets, widget, operation, sizes):
    widgets.create(widget("a", size=4))
    assert widgets.patch("a", [operation], JSON).json()["spec"]["size"] == sizes


def test_json_patch_appends_to_a_list(widgets, widget):
    widgets.create(widget("a", words=["one"]))
    changed = widgets.patch("a", [{"op": "add", "path": "/spec/words/-", "value": "two"}], JSON)
    assert changed.json()["spec"]["words"] == ["one", "two"]


def test_json_patch_copies_and_moves(widgets, widget):
    widgets.create(widget("a", words=["one", "two"]))
    steps = [{"op": "copy", "from": "/spec/words/0", "path": "/spec/note"}, {"op": "remove", "path": "/spec/words/1"}]
    changed = widgets.patch("a", steps, JSON).json()["spec"]
    assert (changed["note"], changed["words"]) == ("one", ["one"])


def test_json_patch_escapes_slashes(widgets, widget):
    body = widget("a")
    body["metadata"]["labels"] = {"example.com/team": "red"}
    widgets.create(body)
    changed = widgets.patch(
        "a", [{"op": "replace", "path": "/metadata/labels/example.com~1team", "value": "blue"}], JSON
    )
    assert changed.json()["metadata"]["labels"] == {"example.com/team": "blue"}


def test_json_patch_test_that_holds(widgets, widget):
    widgets.create(widget("a", size=4))
    steps = [{"op": "test", "path": "/spec/size", "value": 4}, {"op": "replace", "path": "/spec/size", "value": 5}]
    assert widgets.patch("a", steps, JSON).json()["spec"]["size"] == 5


def test_json_patch_test_that_fails_changes_nothing(widgets, widget):
    widgets.create(widget("a", size=4))
    steps = [
        {"op": "replace", "path": "/spec/size", "value": 5},
        {"op": "test", "path": "/spec/color", "value": "blue"},
    ]
    assert widgets.patch("a", steps, JSON).status_code == 422
    assert widgets.get("a").json()["spec"]["size"] == 4


def test_json_patch_of_an_absent_path_is_422(widgets, widget):
    widgets.create(widget("a"))
    answer = widgets.patch("a", [{"op": "remove", "path": "/spec/nowhere"}], JSON)
    assert answer.status_code == 422
    assert answer.json()["reason"] == "Invalid"


def test_json_patch_that_is_an_object_is_400(widgets, widget):
    widgets.create(widget("a"))
    assert widgets.patch("a", {"op": "remove", "path": "/spec/size"}, JSON).status_code == 400


def test_custom_resources_refuse_strategic_merge_patches(widgets, widget):
    widgets.create(widget("a"))
    answer = widgets.patch("a", {"spec": {"size": 2}}, STRATEGIC)
    assert answer.status_code == 415
    assert answer.json()["reason"] == "UnsupportedMediaType"


def test_an_unknown_patch_type_is_415(widgets, widget):
    widgets.create(widget("a"))
    answer = widgets.patch("a", {"spec": {"size": 2}}, "application/x-patch")
    assert answer.status_code == 415
    for media in (MERGE, JSON, APPLY):
        assert media in answer.json()["message"]


def test_dry_run_patch_keeps_nothing(widgets, widget):
    widgets.create(widget("a", size=1))
    assert widgets.patch("a", {"spec": {"size": 2}}, dryRun="All").json()["spec"]["size"] == 2
    assert widgets.get("a").json()["spec"]["size"] == 1


def test_patch_through_the_main_resource_leaves_the_status_alone(widgets, widget):
    widgets.create(widget("a"))
    assert "status" not in widgets.patch("a", {"status": {"phase": "Ready"}}).json()


def test_strategic_merge_patch_merges_built_in_lists_by_key(whole, namespace):
    pods = f"/api/v1/namespaces/{namespace}/services"
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}}
    assert whole.post(pods, json=body).status_code == 201
    patch = {"spec": {"ports": [{"port": 2, "name": "b", "appProtocol": "http"}]}}
    changed = whole.patch(f"{pods}/s", json=patch, headers={"Content-Type": STRATEGIC}).json()
    ports = [(one["name"], one["port"], one.get("appProtocol")) for one in changed["spec"]["ports"]]
    assert ports == [("a", 1, None), ("b", 2, "http")]


def test_strategic_merge_patch_deletes_by_key(whole, namespace):
    services = f"/api/v1/namespaces/{namespace}/services"
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    whole.post(
        services, json={"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}}
    )
    patch = {"spec": {"ports": [{"port": 1, "$patch": "delete"}]}}
    changed = whole.patch(f"{services}/s", json=patch, headers={"Content-Type": STRATEGIC}).json()
    assert [one["name"] for one in changed["spec"]["ports"]] == ["b"]
