"""Webhooks: what they are asked, what their answers do, and what happens when they do not answer."""

import asyncio
import base64
import json
from typing import Any

import pytest
import trustme

from tests.kubeapi.in_process import Answer, InProcess
from tests.kubeapi.webhook_controller import RULE, Controller

MAPS = "/api/v1/namespaces/default/configmaps"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
VALIDATING, MUTATING = f"{HOOKS}/validatingwebhookconfigurations", f"{HOOKS}/mutatingwebhookconfigurations"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def made(server: InProcess, *requests: tuple[Any, ...], **last: Any) -> Answer:
    """The answer to the last of some requests."""

    async def run() -> Answer:
        for method, path, body in requests[:-1]:
            answer = await server.call(method, path, body)
            assert answer.code in {200, 201}, answer.raw
        return await server.call(*requests[-1], **last)

    return asyncio.run(run())


def test_a_refusal_carries_the_webhooks_words_and_code(server: InProcess, controller: Controller) -> None:
    controller.decide = lambda _request: {
        "allowed": False,
        "status": {"message": "not here", "code": 403, "reason": "Forbidden"},
    }
    answer = made(server, ("POST", VALIDATING, controller.hook()), ("POST", MAPS, {"metadata": {"name": "a"}}))
    assert answer.code == 403
    assert answer.body["message"] == 'admission webhook "check.example.com" denied the request: not here'
    assert server.do("GET", f"{MAPS}/a").code == 404


def test_a_refusal_without_words(server: InProcess, controller: Controller) -> None:
    controller.decide = lambda _request: {"allowed": False}
    answer = made(server, ("POST", VALIDATING, controller.hook()), ("POST", MAPS, {"metadata": {"name": "a"}}))
    assert (answer.code, answer.body["message"]) == (
        400,
        'admission webhook "check.example.com" denied the request without explanation',
    )


def test_what_a_webhook_is_asked(server: InProcess, controller: Controller) -> None:
    made(
        server,
        ("POST", VALIDATING, controller.hook()),
        ("POST", MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}}),
        ("PUT", f"{MAPS}/a", {"metadata": {"name": "a"}, "data": {"x": "2"}}),
        ("DELETE", f"{MAPS}/a"),
    )
    create, update, delete = controller.seen
    assert [r["operation"] for r in controller.seen] == ["CREATE", "UPDATE", "DELETE"]
    assert (create["object"]["data"], create["oldObject"]) == ({"x": "1"}, None)
    assert (update["object"]["data"], update["oldObject"]["data"]) == ({"x": "2"}, {"x": "1"})
    assert (delete["object"], delete["oldObject"]["data"]) == (None, {"x": "2"})
    assert create["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (create["namespace"], create["name"], create["userInfo"]["username"]) == ("default", "a", "kubernetes-admin")


def test_a_mutating_webhook_changes_the_object(server: InProcess, controller: Controller) -> None:
    patch = base64.b64encode(json.dumps([{"op": "add", "path": "/data", "value": {"by": "hook"}}]).encode()).decode()
    controller.decide = lambda _request: {"allowed": True, "patchType": "JSONPatch", "patch": patch}
    answer = made(server, ("POST", MUTATING, controller.hook()), ("POST", MAPS, {"metadata": {"name": "a"}}))
    assert answer.body["data"] == {"by": "hook"}


def test_warnings_reach_the_client(server: InProcess, controller: Controller) -> None:
    controller.decide = lambda _request: {"allowed": True, "warnings": ["mind the gap"]}
    answer = made(server, ("POST", VALIDATING, controller.hook()), ("POST", MAPS, {"metadata": {"name": "a"}}))
    assert (b"warning", b'299 - "mind the gap"') in answer.headers


def test_a_webhook_that_is_away_fails_closed(server: InProcess, controller: Controller) -> None:
    service = {"service": {"namespace": "default", "name": "hooks", "path": "/check"}}
    away = {"metadata": {"name": "hooks"}, "spec": {"ports": [{"port": 443}]}}
    services = "/api/v1/namespaces/default/services"
    answer = made(
        server,
        ("POST", services, away),
        ("POST", VALIDATING, controller.hook(clientConfig=service)),
        ("POST", MAPS, {"metadata": {"name": "a"}}),
    )
    assert answer.code == 500
    assert 'failed calling webhook "check.example.com"' in answer.body["message"]
    assert 'no endpoints available for service "hooks"' in answer.body["message"]


@pytest.mark.parametrize(("hang_ups", "code"), [(1, 201), (2, 500)])
def test_a_connection_that_was_just_ending_is_no_refusal(
    server: InProcess, controller: Controller, hang_ups: int, code: int
) -> None:
    controller.hang_ups = hang_ups
    answer = made(server, ("POST", VALIDATING, controller.hook()), ("POST", MAPS, {"metadata": {"name": "a"}}))
    assert answer.code == code
    assert len(controller.seen) == (code == 201)


def test_a_webhook_that_is_away_may_be_ignored(server: InProcess, controller: Controller) -> None:
    config = {"url": "https://127.0.0.1:1/", "caBundle": controller.bundle}
    hook = controller.hook(clientConfig=config, failurePolicy="Ignore")
    assert made(server, ("POST", VALIDATING, hook), ("POST", MAPS, {"metadata": {"name": "a"}})).code == 201


def test_a_service_is_reached_through_its_endpoints(server: InProcess, controller: Controller) -> None:
    controller.decide = lambda _request: {"allowed": False, "status": {"message": "through the service"}}
    service = {"service": {"namespace": "default", "name": "hooks", "path": "/check"}, "caBundle": controller.bundle}
    piece = {
        "metadata": {
            "name": "hooks-1",
            "labels": {"kubernetes.io/service-name": "hooks"},
            "annotations": {"maas-conformance.dev/address": "127.0.0.1"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "port": controller.port}],
        "endpoints": [{"addresses": ["192.0.2.1"]}],
    }
    answer = made(
        server,
        (
            "POST",
            "/api/v1/namespaces/default/services",
            {"metadata": {"name": "hooks"}, "spec": {"ports": [{"port": 443}]}},
        ),
        ("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", piece),
        ("POST", VALIDATING, controller.hook(clientConfig=service)),
        ("POST", MAPS, {"metadata": {"name": "a"}}),
    )
    assert answer.body["message"].endswith("denied the request: through the service")


@pytest.mark.parametrize(
    "settings",
    [
        {"namespaceSelector": {"matchLabels": {"team": "x"}}},
        {"objectSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}},
        {"rules": [RULE | {"operations": ["UPDATE"]}]},
        {"rules": [RULE | {"resources": ["secrets"]}]},
        {"rules": [RULE | {"apiGroups": ["apps"]}]},
        {"rules": [RULE | {"scope": "Cluster"}]},
        {"matchConditions": [{"name": "big", "expression": "has(object.data) && size(object.data) > 3"}]},
    ],
)
def test_objects_that_are_not_selected_are_not_asked_about(
    server: InProcess, controller: Controller, settings: dict[str, Any]
) -> None:
    made(server, ("POST", VALIDATING, controller.hook(**settings)), ("POST", MAPS, {"metadata": {"name": "a"}}))
    assert controller.seen == []


@pytest.mark.parametrize(
    "settings",
    [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}},
        {"objectSelector": {"matchLabels": {"app": "x"}}},
        {"rules": [RULE | {"resources": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"]}]},
        {
            "matchConditions": [
                {"name": "named", "expression": "object.metadata.name == 'a' && request.operation == 'CREATE'"}
            ]
        },
    ],
)
def test_objects_that_are_selected_are_asked_about(
    server: InProcess, controller: Controller, settings: dict[str, Any]
) -> None:
    body = {"metadata": {"name": "a", "labels": {"app": "x"}}}
    made(server, ("POST", VALIDATING, controller.hook(**settings)), ("POST", MAPS, body))
    assert [request["name"] for request in controller.seen] == ["a"]


def test_a_webhook_whose_certificate_is_of_another_authority_is_not_believed(
    server: InProcess, controller: Controller
) -> None:
    config = {
        "url": f"https://127.0.0.1:{controller.port}/",
        "caBundle": base64.b64encode(trustme.CA().cert_pem.bytes()).decode(),
    }
    answer = made(
        server, ("POST", VALIDATING, controller.hook(clientConfig=config)), ("POST", MAPS, {"metadata": {"name": "a"}})
    )
    assert answer.code == 500
    assert controller.seen == []


def test_invalid_objects_never_reach_a_validating_webhook(server: InProcess, controller: Controller) -> None:
    answer = made(server, ("POST", VALIDATING, controller.hook()), ("POST", MAPS, {"metadata": {"name": "Not A Name"}}))
    assert (answer.code, controller.seen) == (422, [])
