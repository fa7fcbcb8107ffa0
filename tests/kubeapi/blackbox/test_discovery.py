"""What a client learns before its first request: groups, resources, schemas, versions."""

import json

import pytest

from tests.kubeapi.blackbox.api import Collection
from tests.kubeapi.blackbox.conftest import CRDS
from tests.kubeapi.serving import eventually

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_version_names_a_kubernetes(server):
    body = server.get("/version").json()
    assert body["major"] == "1"
    assert {"minor", "gitVersion", "platform"} <= body.keys()


def test_resources_of_a_group_version(server):
    body = server.get("/apis/blackbox.example.com/v1").json()
    assert (body["kind"], body["groupVersion"]) == ("APIResourceList", "blackbox.example.com/v1")
    by_name = {one["name"]: one for one in body["resources"]}
    assert set(by_name) == {"widgets", "widgets/status", "widgets/scale", "planets"}
    widgets = by_name["widgets"]
    assert (widgets["kind"], widgets["singularName"], widgets["namespaced"]) == ("Widget", "widget", True)
    assert widgets["shortNames"] == ["wd"]
    assert widgets["categories"] == ["toys"]
    assert set(widgets["verbs"]) == {"delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"}
    assert by_name["planets"]["namespaced"] is False
    assert (by_name["widgets/scale"]["group"], by_name["widgets/scale"]["kind"]) == ("autoscaling", "Scale")


def test_version_that_is_not_served_has_no_resources(server):
    assert server.get("/apis/blackbox.example.com/v1alpha1").status_code == 404


def test_group_prefers_its_newest_stable_version(server):
    body = server.get("/apis/blackbox.example.com").json()
    assert body["kind"] == "APIGroup"
    assert body["preferredVersion"] == {"groupVersion": "blackbox.example.com/v1", "version": "v1"}
    assert [one["version"] for one in body["versions"]] == ["v1", "v1beta1"]


def test_unknown_group_is_404(server):
    assert server.get("/apis/ghost.example.com/v1").status_code == 404


def test_unknown_resource_is_404(server):
    assert server.get("/apis/blackbox.example.com/v1/ghosts").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/apis/ghost.example.com/v1",
        "/apis/ghost.example.com/v1/ghosts/x",
        "/apis/blackbox.example.com/v1/ghosts",
        "/apis/blackbox.example.com/v9/widgets",
        "/ghosts",
    ],
)
def test_what_nothing_serves_is_no_status(server, path):
    answer = server.get(path)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/api/v1/ghosts", "/api/v1/namespaces/default/ghosts/x", "/api/v9"])
def test_what_a_built_in_group_does_not_have_is_a_status(server, path):
    body = server.get(path).json()
    assert (body["kind"], body["reason"], body["code"]) == ("Status", "NotFound", 404)
    assert body["message"] == "the server could not find the requested resource"


def test_deprecated_version_warns(server, namespace):
    planets = Collection(server, "/apis/blackbox.example.com/v1beta1/planets")
    answer = planets.all()
    assert answer.headers["warning"] == '299 - "use blackbox.example.com/v1 Planet"'


def test_object_is_served_in_each_version(server, planets, namespace):
    planets.create(
        {"apiVersion": "blackbox.example.com/v1", "kind": "Planet", "metadata": {"name": namespace}, "spec": {"a": 1}}
    )
    old = Collection(server, "/apis/blackbox.example.com/v1beta1/planets").get(namespace).json()
    planets.delete(namespace)
    assert old["apiVersion"] == "blackbox.example.com/v1beta1"
    assert old["spec"] == {"a": 1}


def test_new_definition_is_served_once_established_and_gone_once_deleted(server, namespace):
    plural = namespace.replace("-", "") + "s"
    name = f"{plural}.late.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": "late.example.com",
            "names": {"kind": plural.capitalize(), "plural": plural},
            "scope": "Cluster",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    definitions = Collection(server, CRDS)
    made = definitions.create(body).json()
    assert made["spec"]["names"]["singular"] == plural
    assert made["spec"]["names"]["listKind"] == f"{plural.capitalize()}List"
    path = f"/apis/late.example.com/v1/{plural}"
    eventually(lambda: server.get(path).status_code == 200, "the new kind is served")
    server.post(
        path, json={"apiVersion": "late.example.com/v1", "kind": plural.capitalize(), "metadata": {"name": "x"}}
    ).raise_for_status()
    definitions.delete(name)
    eventually(lambda: definitions.get(name).status_code == 404, "the definition is gone", 30)
    eventually(lambda: server.get(path).status_code == 404, "the kind is no longer served")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda crd: crd["metadata"].update(name="wrong.example.com"), "metadata.name"),
        (lambda crd: crd["spec"].update(scope="Galaxy"), "spec.scope"),
        (lambda crd: crd["spec"]["versions"][0].pop("schema"), "spec.versions[0].schema.openAPIV3Schema"),
        (lambda crd: crd["spec"]["versions"][0].update(storage=False), "spec.versions"),
        (lambda crd: crd["spec"].update(group="nodots"), "spec.group"),
        (lambda crd: crd["spec"]["names"].update(kind=""), "spec.names.kind"),
        (
            lambda crd: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].update(
                properties={"spec": {"properties": {}}}
            ),
            "spec.validation.openAPIV3Schema.properties[spec].type",
        ),
        (
            lambda crd: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].update(
                {"x-kubernetes-validations": [{"rule": "self.+"}]}
            ),
            "spec.validation.openAPIV3Schema.x-kubernetes-validations[0].rule",
        ),
    ],
)
def test_bad_definitions_are_422(server, namespace, change, field):
    plural = namespace.replace("-", "") + "s"
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.bad.example.com"},
        "spec": {
            "group": "bad.example.com",
            "names": {"kind": "Bad", "plural": plural},
            "scope": "Cluster",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    change(crd)
    answer = Collection(server, CRDS).create(crd)
    assert answer.status_code == 422
    assert field in {one["field"] for one in answer.json()["details"]["causes"]}


def test_openapi_v3_of_the_group(server):
    paths = server.get("/openapi/v3").json()["paths"]
    document = server.get(paths["apis/blackbox.example.com/v1"]["serverRelativeURL"]).json()
    kinds = [
        one
        for schema in document["components"]["schemas"].values()
        for one in schema.get("x-kubernetes-group-version-kind", ())
    ]
    assert {"group": "blackbox.example.com", "version": "v1", "kind": "Widget"} in kinds
    operation = document["paths"]["/apis/blackbox.example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "fieldValidation" in {one["name"] for one in operation["parameters"]}


def test_groups_of_a_whole_server(whole):
    groups = {one["name"] for one in whole.get("/apis").json()["groups"]}
    assert {
        "apps",
        "apiextensions.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "rbac.authorization.k8s.io",
        "blackbox.example.com",
    } <= groups


def test_core_versions_of_a_whole_server(whole):
    assert whole.get("/api").json()["versions"] == ["v1"]


def test_aggregated_discovery(whole):
    answer = whole.get("/apis", headers={"Accept": AGGREGATED})
    assert "APIGroupDiscoveryList" in answer.headers["content-type"]
    group = next(one for one in answer.json()["items"] if one["metadata"]["name"] == "blackbox.example.com")
    version = group["versions"][0]
    widgets = next(one for one in version["resources"] if one["resource"] == "widgets")
    assert (version["version"], widgets["scope"], widgets["responseKind"]["kind"]) == ("v1", "Namespaced", "Widget")
    assert {one["subresource"] for one in widgets["subresources"]} == {"status", "scale"}


def test_core_resources(whole):
    by_name = {one["name"]: one for one in whole.get("/api/v1").json()["resources"]}
    assert {
        "namespaces",
        "pods",
        "services",
        "secrets",
        "configmaps",
        "serviceaccounts",
        "serviceaccounts/token",
        "events",
    } <= by_name.keys()
    assert by_name["pods"]["shortNames"] == ["po"]


def test_health_endpoints(whole):
    for path in ("/healthz", "/livez", "/readyz"):
        assert whole.get(path).text == "ok"


def test_discovery_is_json(server):
    assert json.loads(server.get("/apis/blackbox.example.com/v1").content)["apiVersion"] == "v1"
