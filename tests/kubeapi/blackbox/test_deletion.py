"""Deletion: at once, after finalizers, with preconditions, and of what an object owns."""

import pytest

from tests.kubeapi.blackbox.api import Collection
from tests.kubeapi.serving import eventually


def owner(body):
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "name": body["metadata"]["name"],
        "uid": body["metadata"]["uid"],
    }


def test_delete_answers_success_with_the_uid(widgets, widget):
    made = widgets.create(widget("a")).json()
    answer = widgets.delete("a")
    status = answer.json()
    assert answer.status_code == 200
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"] == {
        "name": "a",
        "group": "blackbox.example.com",
        "kind": "widgets",
        "uid": made["metadata"]["uid"],
    }
    assert widgets.get("a").status_code == 404


def test_delete_of_nothing_is_404(widgets):
    assert widgets.delete("ghost").status_code == 404


def test_finalizer_keeps_the_object_and_marks_it(widgets, widget):
    body = widget("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    widgets.create(body)
    answer = widgets.delete("a")
    marked = widgets.get("a").json()["metadata"]
    assert answer.status_code == 200
    assert marked["deletionTimestamp"]
    assert marked["deletionGracePeriodSeconds"] == 0
    assert marked["generation"] == 2


def test_last_finalizer_removed_removes_the_object(widgets, widget):
    body = widget("a")
    body["metadata"]["finalizers"] = ["example.com/one", "example.com/two"]
    widgets.create(body)
    widgets.delete("a")
    widgets.patch("a", {"metadata": {"finalizers": ["example.com/two"]}})
    assert widgets.get("a").status_code == 200
    widgets.patch("a", {"metadata": {"finalizers": None}})
    assert widgets.get("a").status_code == 404


def test_no_finalizer_is_added_to_a_dying_object(widgets, widget):
    body = widget("a")
    body["metadata"]["finalizers"] = ["example.com/one"]
    widgets.create(body)
    widgets.delete("a")
    answer = widgets.patch("a", {"metadata": {"finalizers": ["example.com/one", "example.com/two"]}})
    assert answer.status_code == 422
    assert "no new finalizers can be added if the object is being deleted" in answer.json()["message"]
    widgets.patch("a", {"metadata": {"finalizers": None}})


def test_second_delete_of_a_dying_object_changes_nothing(widgets, widget):
    body = widget("a")
    body["metadata"]["finalizers"] = ["example.com/one"]
    widgets.create(body)
    widgets.delete("a")
    first = widgets.get("a").json()["metadata"]
    widgets.delete("a")
    assert widgets.get("a").json()["metadata"]["deletionTimestamp"] == first["deletionTimestamp"]
    widgets.patch("a", {"metadata": {"finalizers": None}})


def test_deletion_timestamp_cannot_be_set_by_hand(widgets, widget):
    widgets.create(widget("a"))
    changed = widgets.patch("a", {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}).json()
    assert "deletionTimestamp" not in changed["metadata"]


def test_name_can_be_used_again(widgets, widget):
    first = widgets.create(widget("a")).json()["metadata"]["uid"]
    widgets.delete("a")
    assert widgets.create(widget("a")).json()["metadata"]["uid"] != first


@pytest.mark.parametrize(("part", "value"), [("uid", "00000000-0000-4000-8000-000000000000"), ("resourceVersion", "1")])
def test_precondition_that_fails_is_409(widgets, widget, part, value):
    widgets.create(widget("a"))
    answer = widgets.delete("a", {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {part: value}})
    assert answer.status_code == 409
    assert widgets.get("a").status_code == 200


def test_precondition_that_holds_deletes(widgets, widget):
    made = widgets.create(widget("a")).json()["metadata"]
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": made["uid"]}}
    assert widgets.delete("a", options).status_code == 200


def test_delete_with_an_unknown_propagation_is_422(widgets, widget):
    widgets.create(widget("a"))
    assert (
        widgets.delete("a", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Sideways"}).status_code
        == 422
    )


def test_background_deletion_collects_what_was_owned(configmaps, widgets, widget):
    parent = widgets.create(widget("a")).json()
    child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "child", "ownerReferences": [owner(parent)]}}
    configmaps.create(child).raise_for_status()
    widgets.delete("a", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
    eventually(lambda: configmaps.get("child").status_code == 404, "the owned object is collected", 60)


def test_orphan_deletion_keeps_what_was_owned(configmaps, widgets, widget):
    parent = widgets.create(widget("a")).json()
    child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "child", "ownerReferences": [owner(parent)]}}
    configmaps.create(child).raise_for_status()
    widgets.delete("a", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"})
    eventually(lambda: widgets.get("a").status_code == 404, "the owner is gone", 60)
    assert "ownerReferences" not in configmaps.get("child").json()["metadata"]


POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "registry.example/none:1"}]}


@pytest.mark.parametrize(("options", "stays"), [(None, True), ({"propagationPolicy": "Background"}, False)])
def test_a_job_leaves_behind_what_it_owns_unless_told_otherwise(whole, configmaps, namespace, options, stays):
    jobs = Collection(whole, f"/apis/batch/v1/namespaces/{namespace}/jobs")
    body = {"metadata": {"name": "a"}, "spec": {"suspend": True, "template": {"spec": POD}}}
    parent = jobs.create({"apiVersion": "batch/v1", "kind": "Job", **body}).json()
    child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "child", "ownerReferences": [owner(parent)]}}
    configmaps.create(child).raise_for_status()
    jobs.delete(
        "a", *([{"kind": "DeleteOptions", "apiVersion": "v1", **options}] if options else [])
    ).raise_for_status()
    eventually(lambda: jobs.get("a").status_code == 404, "the Job is gone", 60)
    if stays:
        assert "ownerReferences" not in configmaps.get("child").json()["metadata"]
    else:
        eventually(lambda: configmaps.get("child").status_code == 404, "the owned object is collected", 60)


def test_foreground_deletion_waits_for_what_blocks_it(configmaps, widgets, widget):
    parent = widgets.create(widget("a")).json()
    reference = owner(parent) | {"blockOwnerDeletion": True}
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "child", "ownerReferences": [reference], "finalizers": ["example.com/hold"]},
    }
    configmaps.create(child).raise_for_status()
    widgets.delete("a", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"})
    eventually(
        lambda: "deletionTimestamp" in configmaps.get("child").json()["metadata"], "the child is being deleted", 60
    )
    assert widgets.get("a").json()["metadata"]["finalizers"] == ["foregroundDeletion"]
    configmaps.patch("child", {"metadata": {"finalizers": None}})
    eventually(lambda: widgets.get("a").status_code == 404, "the owner follows its child", 60)


def test_object_with_a_living_second_owner_stays(configmaps, widgets, widget):
    one, two = (widgets.create(widget(name)).json() for name in ("one", "two"))
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "child", "ownerReferences": [owner(one), owner(two)]},
    }
    configmaps.create(child).raise_for_status()
    widgets.delete("one")
    eventually(
        lambda: len(configmaps.get("child").json()["metadata"].get("ownerReferences", ())) == 1,
        "the dead owner is struck off",
        60,
    )
    assert configmaps.get("child").json()["metadata"]["ownerReferences"][0]["name"] == "two"


def test_namespace_takes_its_objects_with_it(whole, configmaps, widgets, widget, namespace):
    widgets.create(widget("a"))
    configmaps.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    whole.delete(f"/api/v1/namespaces/{namespace}")
    eventually(lambda: whole.get(f"/api/v1/namespaces/{namespace}").status_code == 404, "the namespace is gone", 90)
    assert widgets.get("a").status_code == 404


def test_dying_namespace_takes_no_new_objects(whole, configmaps, namespace):
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    configmaps.create(held).raise_for_status()
    whole.delete(f"/api/v1/namespaces/{namespace}")
    assert whole.get(f"/api/v1/namespaces/{namespace}").json()["status"]["phase"] == "Terminating"
    answer = configmaps.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}})
    configmaps.patch("held", {"metadata": {"finalizers": None}})
    assert answer.status_code == 403
    assert "because it is being terminated" in answer.json()["message"]
