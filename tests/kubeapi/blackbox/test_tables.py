"""Tables: what `kubectl get` prints is what the server says."""

from tests.kubeapi.blackbox.api import TABLE


def test_table_has_the_columns_of_the_definition(widgets, widget):
    widgets.create(widget("a", color="blue", size=5))
    table = widgets.all(accept=TABLE).json()
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [(one["name"], one["type"], one["priority"]) for one in table["columnDefinitions"]] == [
        ("Name", "string", 0),
        ("Color", "string", 0),
        ("Size", "integer", 1),
        ("Age", "date", 0),
    ]
    name, color, size, _age = table["rows"][0]["cells"]
    assert (name, color, size) == ("a", "blue", 5)


def test_row_carries_metadata_alone(widgets, widget):
    widgets.create(widget("a"))
    row = widgets.all(accept=TABLE).json()["rows"][0]["object"]
    assert row["kind"] == "PartialObjectMetadata"
    assert row["metadata"]["name"] == "a"
    assert "spec" not in row


def test_row_carries_the_object_when_asked(widgets, widget):
    widgets.create(widget("a"))
    assert widgets.all(accept=TABLE, includeObject="Object").json()["rows"][0]["object"]["spec"]["size"] == 1


def test_row_carries_nothing_when_asked(widgets, widget):
    widgets.create(widget("a"))
    assert widgets.all(accept=TABLE, includeObject="None").json()["rows"][0]["object"] is None


def test_missing_value_is_an_empty_cell(planets, widgets, widget, namespace):
    planets.create({"apiVersion": "blackbox.example.com/v1", "kind": "Planet", "metadata": {"name": namespace}})
    table = planets.get(namespace, accept=TABLE).json()
    planets.delete(namespace)
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Age"]


def test_one_object_is_a_table_of_one_row(widgets, widget):
    widgets.create(widget("a"))
    assert len(widgets.get("a", accept=TABLE).json()["rows"]) == 1


def test_table_or_plain_json_as_the_client_prefers(widgets, widget):
    widgets.create(widget("a"))
    assert widgets.all(accept=f"{TABLE},application/json").json()["kind"] == "Table"
    assert widgets.all(accept=f"application/json,{TABLE}").json()["kind"] == "WidgetList"


def test_watch_of_a_table(widgets, widget, server):
    widgets.create(widget("a"))
    answer = server.get(widgets.path, params={"watch": "true", "timeoutSeconds": "1"}, headers={"Accept": TABLE})
    assert '"kind":"Table"' in answer.text.splitlines()[0]


def test_table_of_pods_knows_its_columns(whole, namespace):
    table = whole.get(f"/api/v1/namespaces/{namespace}/pods", headers={"Accept": TABLE}).json()
    assert [one["name"] for one in table["columnDefinitions"] if one["priority"] == 0] == [
        "Name",
        "Ready",
        "Status",
        "Restarts",
        "Age",
    ]


def test_table_of_namespaces_knows_its_columns(whole, namespace):
    table = whole.get(f"/api/v1/namespaces/{namespace}", headers={"Accept": TABLE}).json()
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Status", "Age"]
    assert table["rows"][0]["cells"][:2] == [namespace, "Active"]
