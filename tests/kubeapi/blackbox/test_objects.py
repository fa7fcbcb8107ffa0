"""Create, read, replace: identity, versions and what the server owns of an object."""

from datetime import UTC, datetime
from uuid import UUID

import pytest


def test_create_answers_201_with_what_the_server_owns(widgets, widget):
    answer = widgets.create(widget("a"))
    made = answer.json()["metadata"]
    assert answer.status_code == 201
    assert UUID(made["uid"]).version == 4
    assert made["generation"] == 1
    assert made["resourceVersion"].isdigit()
    assert abs((datetime.fromisoformat(made["creationTimestamp"]) - datetime.now(UTC)).total_seconds()) < 60


def test_get_answers_what_create_answered(widgets, widget):
    made = widgets.create(widget("a")).json()
    assert widgets.get("a").json() == made


def test_server_owned_metadata_of_a_new_object_is_not_taken_from_the_client(widgets, widget):
    body = widget("a")
    body["metadata"] |= {"uid": "mine", "generation": 9, "creationTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x"}
    made = widgets.create(body).json()["metadata"]
    assert made["uid"] != "mine"
    assert made["generation"] == 1
    assert not made["creationTimestamp"].startswith("2001")
    assert "selfLink" not in made


def test_create_with_a_resource_version_is_refused(widgets, widget):
    body = widget("a")
    body["metadata"]["resourceVersion"] = "5"
    answer = widgets.create(body)
    assert answer.status_code == 500
    assert answer.json()["message"] == "resourceVersion should not be set on objects to be created"


def test_create_twice_is_409_already_exists(widgets, widget):
    widgets.create(widget("a"))
    answer = widgets.create(widget("a"))
    status = answer.json()
    assert answer.status_code == 409
    assert (status["kind"], status["status"], status["reason"], status["code"]) == (
        "Status",
        "Failure",
        "AlreadyExists",
        409,
    )
    assert status["message"] == 'widgets.blackbox.example.com "a" already exists'
    assert status["details"] == {"name": "a", "group": "blackbox.example.com", "kind": "widgets"}


def test_get_of_nothing_is_404_with_details(widgets):
    answer = widgets.get("ghost")
    status = answer.json()
    assert answer.status_code == 404
    assert status["reason"] == "NotFound"
    assert status["message"] == 'widgets.blackbox.example.com "ghost" not found'
    assert status["details"] == {"name": "ghost", "group": "blackbox.example.com", "kind": "widgets"}


def test_generate_name_appends_five_characters(widgets, widget):
    body = widget()
    body["metadata"] = {"generateName": "gen-"}
    first, second = widgets.create(body).json()["metadata"], widgets.create(body).json()["metadata"]
    assert first["name"].startswith("gen-")
    assert len(first["name"]) == len("gen-") + 5
    assert first["name"] != second["name"]
    assert first["generateName"] == "gen-"


def test_name_and_generate_name_keeps_the_name(widgets, widget):
    body = widget("named")
    body["metadata"]["generateName"] = "gen-"
    assert widgets.create(body).json()["metadata"]["name"] == "named"


def test_create_without_any_name_is_422(widgets, widget):
    body = widget()
    body["metadata"] = {}
    answer = widgets.create(body)
    assert answer.status_code == 422
    missing = {
        "reason": "FieldValueRequired",
        "message": "Required value: name or generateName is required",
        "field": "metadata.name",
    }
    assert missing in answer.json()["details"]["causes"]


def test_namespace_is_filled_in_from_the_path(widgets, widget, namespace):
    assert widgets.create(widget("a")).json()["metadata"]["namespace"] == namespace


def test_another_namespace_in_the_body_is_400(widgets, widget):
    body = widget("a")
    body["metadata"]["namespace"] = "elsewhere"
    answer = widgets.create(body)
    assert answer.status_code == 400
    assert (
        answer.json()["message"]
        == "the namespace of the provided object does not match the namespace sent on the request"
    )


def test_replace_raises_the_resource_version_and_the_generation(widgets, widget):
    made = widgets.create(widget("a", size=1)).json()
    made["spec"]["size"] = 2
    answer = widgets.replace(made)
    changed = answer.json()["metadata"]
    assert answer.status_code == 200
    assert changed["generation"] == 2
    assert int(changed["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert changed["uid"] == made["metadata"]["uid"]


def test_replace_of_labels_alone_keeps_the_generation(widgets, widget):
    made = widgets.create(widget("a")).json()
    made["metadata"]["labels"] = {"a": "b"}
    assert widgets.replace(made).json()["metadata"]["generation"] == 1


def test_replace_that_changes_nothing_keeps_the_resource_version(widgets, widget):
    made = widgets.create(widget("a")).json()
    assert widgets.replace(made).json()["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_replace_with_a_stale_resource_version_is_409_conflict(widgets, widget):
    made = widgets.create(widget("a", size=1)).json()
    made["spec"]["size"] = 2
    widgets.replace(made)
    made["spec"]["size"] = 3
    answer = widgets.replace(made)
    assert answer.status_code == 409
    assert answer.json()["reason"] == "Conflict"
    assert answer.json()["message"] == (
        'Operation cannot be fulfilled on widgets.blackbox.example.com "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert widgets.get("a").json()["spec"]["size"] == 2


def test_replace_of_a_custom_resource_needs_a_resource_version(widgets, widget):
    widgets.create(widget("a"))
    answer = widgets.replace(widget("a", size=7))
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "metadata.resourceVersion"


def test_replace_of_nothing_is_404(widgets, widget):
    body = widget("ghost")
    body["metadata"]["resourceVersion"] = "1"
    assert widgets.replace(body).status_code == 404


def test_replace_with_another_uid_is_409(widgets, widget):
    made = widgets.create(widget("a")).json()
    made["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"
    answer = widgets.replace(made)
    assert answer.status_code == 409
    assert "Precondition failed: UID in precondition" in answer.json()["message"]


def test_replace_with_another_name_in_the_body_is_400(widgets, widget, server):
    made = widgets.create(widget("a")).json()
    made["metadata"]["name"] = "b"
    answer = server.put(f"{widgets.path}/a", json=made)
    assert answer.status_code == 400
    assert answer.json()["message"] == "the name of the object (b) does not match the name on the URL (a)"


def test_replace_cannot_drop_the_uid(widgets, widget):
    made = widgets.create(widget("a")).json()
    del made["metadata"]["uid"]
    assert widgets.replace(made).json()["metadata"]["uid"]


@pytest.mark.parametrize("part", ["creationTimestamp", "uid"])
def test_replace_without_server_owned_metadata_keeps_it(widgets, widget, part):
    made = widgets.create(widget("a")).json()
    kept = made["metadata"].pop(part)
    assert widgets.replace(made).json()["metadata"][part] == kept


def test_cluster_scoped_objects_have_no_namespace(planets, namespace):
    body = {"apiVersion": "blackbox.example.com/v1", "kind": "Planet", "metadata": {"name": namespace}}
    made = planets.create(body)
    planets.delete(namespace)
    assert made.status_code == 201
    assert "namespace" not in made.json()["metadata"]


def test_dry_run_create_validates_and_keeps_nothing(widgets, widget):
    answer = widgets.create(widget("a"), dryRun="All")
    assert answer.status_code == 201
    assert answer.json()["spec"]["size"] == 1
    assert widgets.get("a").status_code == 404


def test_dry_run_create_still_refuses(widgets, widget):
    assert widgets.create(widget("a", size=101), dryRun="All").status_code == 422


def test_dry_run_replace_keeps_nothing(widgets, widget):
    made = widgets.create(widget("a", size=1)).json()
    made["spec"]["size"] = 5
    assert widgets.replace(made, dryRun="All").json()["spec"]["size"] == 5
    assert widgets.get("a").json()["spec"]["size"] == 1


def test_dry_run_delete_keeps_the_object(widgets, widget):
    widgets.create(widget("a"))
    assert widgets.delete("a", dryRun="All").status_code == 200
    assert widgets.get("a").status_code == 200


def test_unknown_dry_run_is_422(widgets, widget):
    answer = widgets.create(widget("a"), dryRun="Some")
    assert answer.status_code == 422
    assert "dryRun" in answer.json()["message"]
