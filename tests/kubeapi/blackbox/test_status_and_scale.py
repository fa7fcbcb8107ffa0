"""Subresources: status apart from spec, scale as a view."""


def test_create_drops_the_status(widgets, widget):
    assert "status" not in widgets.create(widget("a") | {"status": {"phase": "Ready"}}).json()


def test_replace_of_the_main_resource_keeps_the_status(widgets, widget):
    made = widgets.create(widget("a")).json()
    made = widgets.replace(made | {"status": {"phase": "Ready"}}, "status").json()
    made["status"] = {"phase": "Gone"}
    made["spec"]["size"] = 4
    changed = widgets.replace(made).json()
    assert (changed["status"]["phase"], changed["spec"]["size"]) == ("Ready", 4)


def test_status_write_changes_only_the_status(widgets, widget):
    made = widgets.create(widget("a", size=1)).json()
    made["spec"]["size"] = 9
    made["metadata"]["labels"] = {"a": "b"}
    changed = widgets.replace(made | {"status": {"phase": "Ready"}}, "status").json()
    assert changed["status"] == {"phase": "Ready"}
    assert changed["spec"]["size"] == 1
    assert "labels" not in changed["metadata"]


def test_status_write_keeps_the_generation(widgets, widget):
    made = widgets.create(widget("a")).json()
    changed = widgets.patch("a", {"status": {"phase": "Ready"}}, subresource="status").json()
    assert changed["metadata"]["generation"] == 1
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


def test_status_write_is_validated(widgets, widget):
    widgets.create(widget("a"))
    assert widgets.patch("a", {"status": {"replicas": "two"}}, subresource="status").status_code == 422


def test_status_write_prunes_unknown_fields(widgets, widget):
    widgets.create(widget("a"))
    changed = widgets.patch("a", {"status": {"phase": "x", "extra": 1}}, subresource="status").json()
    assert changed["status"] == {"phase": "x"}


def test_status_can_be_read(widgets, widget):
    widgets.create(widget("a"))
    assert widgets.get("a", "status").json()["kind"] == "Widget"


def test_stale_status_write_is_409(widgets, widget):
    made = widgets.create(widget("a")).json()
    widgets.patch("a", {"spec": {"size": 2}})
    assert widgets.replace(made | {"status": {"phase": "x"}}, "status").status_code == 409


def test_kind_without_a_status_subresource_has_none(planets, namespace):
    planets.create({"apiVersion": "blackbox.example.com/v1", "kind": "Planet", "metadata": {"name": namespace}})
    answer = planets.get(namespace, "status")
    planets.delete(namespace)
    assert answer.status_code == 404


def test_scale_shows_the_replicas(widgets, widget):
    widgets.create(widget("a", size=5, replicas=3))
    widgets.patch("a", {"status": {"replicas": 2, "selector": "app=a"}}, subresource="status")
    scale = widgets.get("a", "scale").json()
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": "app=a"}


def test_scale_sets_the_replicas(widgets, widget):
    widgets.create(widget("a", size=5, replicas=3))
    answer = widgets.patch("a", {"spec": {"replicas": 4}}, subresource="scale")
    assert answer.json()["spec"] == {"replicas": 4}
    assert widgets.get("a").json()["spec"]["replicas"] == 4


def test_scale_is_validated_like_the_object(widgets, widget):
    widgets.create(widget("a", size=5, replicas=3))
    assert widgets.patch("a", {"spec": {"replicas": 6}}, subresource="scale").status_code == 422


def test_negative_scale_is_422(widgets, widget):
    widgets.create(widget("a", size=5, replicas=3))
    assert widgets.patch("a", {"spec": {"replicas": -1}}, subresource="scale").status_code == 422
