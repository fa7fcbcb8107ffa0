"""Several versions of one kind: by name alone, and through a webhook."""

import asyncio
from typing import Any

import pytest

from tests.kubeapi.in_process import CRDS, Answer, InProcess
from tests.kubeapi.webhook_controller import Controller

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
V1, V2 = (f"/apis/example.com/{version}/namespaces/default/gadgets" for version in ("v1", "v2"))


def version(name: str, field: str, *, storage: bool) -> dict[str, Any]:
    spec = {"type": "object", "properties": {field: {"type": "string"}, "shared": {"type": "integer"}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {"name": name, "served": True, "storage": storage, "schema": schema, "subresources": {"status": {}}}


def definition(conversion: dict[str, Any]) -> dict[str, Any]:
    versions = [version("v1", "host", storage=False), version("v2", "address", storage=True)]
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "kind": "Gadget"},
        "versions": versions,
    }
    meta = {"name": "gadgets.example.com"}
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**kind, "metadata": meta, "spec": {**spec, "conversion": conversion}}


def gadget(api_version: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": "Gadget", "metadata": {"name": "g"}, "spec": spec}


def renaming(request: dict[str, Any]) -> dict[str, Any]:
    """v1 calls `host` what v2 calls `address`."""
    wanted = request["desiredAPIVersion"]
    old, new = ("host", "address") if wanted.endswith("v2") else ("address", "host")
    objects = []
    for each in request["objects"]:
        spec = {new if name == old else name: value for name, value in each["spec"].items()}
        objects.append({**each, "apiVersion": wanted, "spec": spec})
    return {"result": {"status": "Success"}, "convertedObjects": objects}


def by_webhook(controller: Controller) -> dict[str, Any]:
    client = {"url": f"https://127.0.0.1:{controller.port}/convert", "caBundle": controller.bundle}
    return {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}


def answers(server: InProcess, *requests: tuple[Any, ...]) -> list[Answer]:
    async def run() -> list[Answer]:
        found = []
        for method, path, body, *rest in requests:
            found.append(await server.call(method, path, body, **(rest[0] if rest else {})))
        return found

    return asyncio.run(run())


def test_by_name_alone_fields_of_other_versions_are_lost() -> None:
    _, made, read = answers(
        InProcess(),
        ("POST", DEFINITIONS, definition({"strategy": "None"})),
        ("POST", V1, gadget("example.com/v1", host="a", shared=1)),
        ("GET", f"{V2}/g", None),
    )
    assert made.code == 201
    assert (read.body["apiVersion"], read.body["spec"]) == ("example.com/v2", {"shared": 1})


def test_a_webhook_translates_on_every_way(controller: Controller) -> None:
    controller.decide = renaming
    merge = {"media": "application/merge-patch+json"}
    _, made, read, patched, listed, back = answers(
        InProcess(),
        ("POST", DEFINITIONS, definition(by_webhook(controller))),
        ("POST", V1, gadget("example.com/v1", host="a")),
        ("GET", f"{V2}/g", None),
        ("PATCH", f"{V1}/g", {"spec": {"host": "b"}}, merge),
        ("GET", V2, None),
        ("GET", f"{V1}/g", None),
    )
    assert (made.body["apiVersion"], made.body["spec"]) == ("example.com/v1", {"host": "a"})
    assert read.body["spec"] == {"address": "a"}
    assert patched.body["spec"] == {"host": "b"}
    assert [item["spec"] for item in listed.body["items"]] == [{"address": "b"}]
    assert (back.body["spec"], back.body["metadata"]["generation"]) == ({"host": "b"}, 2)


def test_watches_speak_the_asked_version(controller: Controller) -> None:
    controller.decide = renaming
    *_, watched = answers(
        InProcess(),
        ("POST", DEFINITIONS, definition(by_webhook(controller))),
        ("POST", V2, gadget("example.com/v2", address="a")),
        ("GET", V1, None, {"query": "watch=1&timeoutSeconds=1"}),
    )
    assert watched.body["object"]["spec"] == {"host": "a"}


@pytest.mark.parametrize(
    "response",
    [
        {"result": {"status": "Failure", "message": "cannot"}},
        {"result": {"status": "Success"}, "convertedObjects": []},
        {"result": {"status": "Success"}, "convertedObjects": [{"apiVersion": "example.com/v1", "kind": "Gadget"}]},
        {"result": {"status": "Success"}, "convertedObjects": [5]},
        {"uid": "another"},
    ],
)
def test_a_webhook_that_fails_is_named(controller: Controller, response: dict[str, Any]) -> None:
    controller.decide = lambda _request: response
    _, made = answers(
        InProcess(),
        ("POST", DEFINITIONS, definition(by_webhook(controller))),
        ("POST", V1, gadget("example.com/v1", host="a")),
    )
    assert made.code == 500
    assert "conversion webhook for example.com, Kind=Gadget failed: " in made.body["message"]


def test_metadata_is_not_the_webhooks_to_change(controller: Controller) -> None:
    def meddling(request: dict[str, Any]) -> dict[str, Any]:
        response = renaming(request)
        for each in response["convertedObjects"]:
            each["metadata"] = {**each["metadata"], "name": "other", "labels": {"by": "hook"}}
        return response

    controller.decide = meddling
    _, made, read = answers(
        InProcess(),
        ("POST", DEFINITIONS, definition(by_webhook(controller))),
        ("POST", V2, gadget("example.com/v2", address="a")),
        ("GET", f"{V1}/g", None),
    )
    assert made.code == 201
    assert (read.body["metadata"]["name"], read.body["metadata"]["labels"]) == ("g", {"by": "hook"})


def test_an_llm_inference_service_is_written_as_v1alpha1_and_read_as_v1alpha2() -> None:
    path = "/apis/serving.kserve.io/{}/namespaces/default/llminferenceservices"
    service = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "LLMInferenceService",
        "metadata": {"name": "m"},
        "spec": {"model": {"uri": "hf://org/model", "name": "m"}, "replicas": 1},
    }
    made, read = answers(
        InProcess(crds=(CRDS,)),
        ("POST", path.format("v1alpha1"), service),
        ("GET", path.format("v1alpha2") + "/m", None),
    )
    assert made.code == 201, made.raw
    assert (read.body["apiVersion"], read.body["spec"]["model"]["uri"]) == (
        "serving.kserve.io/v1alpha2",
        "hf://org/model",
    )
