"""What nobody should send: each gets a Status that says what is wrong, and none a 500."""

import pytest

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("text", ["", "{", "nonsense", '{"a":', "\x00", '{"kind":"Widget"'])
def test_malformed_json_is_400(widgets, server, text):
    answer = server.post(widgets.path, content=text, headers=JSON)
    assert answer.status_code == 400
    assert (answer.json()["kind"], answer.json()["reason"]) == ("Status", "BadRequest")


@pytest.mark.parametrize("text", ["[]", "null", '"text"', "5"])
def test_json_that_is_no_object_is_400(widgets, server, text):
    assert server.post(widgets.path, content=text, headers=JSON).status_code == 400


def test_object_without_a_kind_is_400(widgets, server):
    answer = server.post(widgets.path, json={"metadata": {"name": "a"}, "spec": {}})
    assert answer.status_code == 400


def test_yaml_bodies_are_read(widgets, server):
    text = "apiVersion: blackbox.example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {}\n"
    assert server.post(widgets.path, content=text, headers={"Content-Type": "application/yaml"}).status_code == 201


def test_malformed_yaml_is_400(widgets, server):
    assert server.post(widgets.path, content="a: [", headers={"Content-Type": "application/yaml"}).status_code == 400


def test_unknown_media_type_is_415(widgets, server):
    answer = server.post(widgets.path, content="x", headers={"Content-Type": "text/csv"})
    assert answer.status_code == 415
    assert answer.json()["reason"] == "UnsupportedMediaType"


def test_unacceptable_media_type_is_406(widgets, server):
    answer = server.get(widgets.path, headers={"Accept": "text/csv"})
    assert answer.status_code == 406


@pytest.mark.parametrize(("method", "part"), [("POST", "/a/status"), ("DELETE", "/a/scale"), ("OPTIONS", "")])
def test_method_that_is_not_allowed_is_405(widgets, server, method, part):
    answer = server.request(method, widgets.path + part, json={})
    assert answer.status_code == 405
    assert answer.json()["reason"] == "MethodNotAllowed"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_write_without_a_name_is_400(widgets, server, method):
    media = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
    answer = server.request(method, widgets.path, content="{}", headers=media)
    assert answer.status_code == 400
    assert answer.json()["message"] == "name must be provided"


def test_metadata_of_the_wrong_type_is_400(widgets, widget, server):
    assert server.post(widgets.path, json=widget("a") | {"metadata": []}).status_code == 400


def test_label_of_the_wrong_type_is_400(widgets, widget, server):
    body = widget("a")
    body["metadata"]["labels"] = {"a": 1}
    assert server.post(widgets.path, json=body).status_code == 400


def test_deep_nesting_is_refused_or_stored_but_never_a_fault(widgets, server):
    text = (
        '{"apiVersion":"blackbox.example.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"free":'
        + '{"a":' * 20000
        + "1"
        + "}" * 20001
        + "}"
    )
    assert server.post(widgets.path, content=text, headers=JSON).status_code == 400


def test_body_above_the_limit_is_413(widgets, widget, server):
    answer = server.post(widgets.path, json=widget("a", free={"x": "y" * (3 * 1024 * 1024 + 1)}))
    assert answer.status_code == 413
    assert answer.json()["reason"] == "RequestEntityTooLarge"


def test_server_still_answers_after_all_that(widgets, widget):
    assert widgets.create(widget("a")).status_code == 201
