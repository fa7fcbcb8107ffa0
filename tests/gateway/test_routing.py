"""Routes from Gateway API objects on the real gateway: how requests find their model, and how changes take effect."""

import threading

import httpx
import pytest

from tests.gateway.conftest import Rig, sse
from tests.gateway.doubles import ModelServer, served
from tests.gateway.stack import INGRESS, MAAS, STANDARD
from tests.gateway.world import PARENT, AuthPolicy, Gateway, HTTPRoute, Service, eventually, fresh

URLS_ANNOTATION = "maas-conformance.dev/listener-urls"
LARGE = (10_000_000, "1h")


def test_path_body_and_published_path_reach_the_same_model(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    arrived = []
    for path in (caller.model.path, "/v1/chat/completions", f"/{caller.model.alias}/v1/chat/completions"):
        request_id = fresh("way")
        rig.maas.grant(caller.user, caller.model.alias, resolved=caller.model.reference)
        headers = caller.headers | {"X-Request-Id": request_id}
        assert rig.http.post(rig.url + path, json=caller.body(), headers=headers).status_code == 200
        arrived += [item.path for item in rig.models.of(request_id)]
    assert arrived == ["/v1/chat/completions"] * 3
    assert caller.used() == 45


def test_the_body_decides_and_a_clients_model_header_never(rig: Rig) -> None:
    own, foreign = rig.limited(LARGE), rig.limited(LARGE)
    request_id = fresh("forged")
    headers = own.headers | {"X-Gateway-Model-Name": foreign.model.alias, "X-Request-Id": request_id}
    assert rig.http.post(rig.url + "/v1/chat/completions", json=own.body(), headers=headers).status_code == 200
    assert rig.models.of(request_id)[0].document["model"] == own.model.alias
    assert own.used() == 15
    without = rig.http.post(rig.url + "/v1/chat/completions", json={"messages": []}, headers=headers)
    assert without.status_code == 404


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'"x"', b"null", b"", b"\xff\xfe", b'{"model": 7}', b'{"model": {"a": 1}}']
)
def test_a_body_without_a_readable_model_finds_no_route(rig: Rig, content: bytes) -> None:
    caller = rig.limited(LARGE)
    headers = caller.headers | {"Content-Type": "application/json"}
    answer = rig.http.post(rig.url + "/v1/chat/completions", content=content, headers=headers)
    assert 400 <= answer.status_code < 500
    assert caller.used() == 0


@pytest.mark.parametrize("path", ["/nope", "/llm/nope/v1/chat/completions", "/v1/tenants", "/"])
def test_what_no_route_matches_needs_a_credential_and_is_never_served(rig: Rig, path: str) -> None:
    caller = rig.limited(LARGE)
    assert rig.http.get(rig.url + path).status_code == 401
    expected = 403 if path.startswith("/llm") else 404
    assert rig.http.get(rig.url + path, headers=caller.headers).status_code == expected


@pytest.mark.parametrize("suffix", ["x", "/../../other", "%2f..%2f"])
def test_prefixes_match_whole_path_elements_after_normalisation(rig: Rig, suffix: str) -> None:
    caller = rig.limited(LARGE)
    base = f"/{caller.model.reference}"
    answer = rig.http.get(rig.url + base + suffix, headers=caller.headers)
    assert answer.status_code == (403 if suffix != "/../../other" else 404)


def test_the_rewritten_path_has_one_leading_slash_and_keeps_its_query(rig: Rig) -> None:
    caller, request_id = rig.limited(LARGE), fresh("rewrite")
    headers = caller.headers | {"X-Request-Id": request_id}
    base = f"{rig.url}/{caller.model.reference}"
    rig.http.get(base + "/v1/models?a=1", headers=headers)
    rig.http.get(base + "//health", headers=headers)
    assert [item.path for item in rig.models.of(request_id)] == ["/v1/models", "/health"]


def test_the_standard_gateway_serves_without_credentials_limits_or_changes(rig: Rig) -> None:
    model = rig.world.model(rig.model_port, STANDARD)
    request_id = fresh("plain")
    url = rig.stack.url(STANDARD) + model.path
    headers = {"X-Request-Id": request_id, "Authorization": "Bearer mine"}
    answer = rig.http.post(url, json={"stream": True, "double": {}}, headers=headers)
    assert (answer.status_code, [item for item in sse(answer.text) if "usage" in item]) == (200, [])
    arrival = rig.models.of(request_id)[0]
    assert arrival.headers["authorization"] == "Bearer mine"
    assert "stream_options" not in arrival.document
    assert rig.http.post(rig.url + model.path, headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_model_on_both_gateways_leaves_the_standard_one_standard(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    parents = [{**PARENT, "name": name} for name in (MAAS, STANDARD)]
    rig.world.patch(HTTPRoute, caller.model.namespace, caller.model.route, {"spec": {"parentRefs": parents}})
    rig.world.route_in_force(caller.model)
    assert rig.http.post(rig.stack.url(STANDARD) + caller.model.path, json={}).status_code == 200
    assert rig.http.post(rig.url + caller.model.path, json={}).status_code == 401


def test_statuses_say_programmed_accepted_and_where_listeners_are(rig: Rig) -> None:
    gateway = rig.world.kube.get(Gateway, MAAS, namespace=INGRESS)
    conditions = {item["type"]: item["status"] for item in gateway["status"]["conditions"]}
    assert conditions == {"Accepted": "True", "Programmed": "True"}
    assert gateway["status"]["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]
    assert rig.url in gateway["metadata"]["annotations"][URLS_ANNOTATION]
    policy = rig.world.kube.get(AuthPolicy, "maas-gateway-auth", namespace=INGRESS)
    assert {item["type"]: item["status"] for item in policy["status"]["conditions"]} == {
        "Accepted": "True",
        "Enforced": "True",
    }


def test_a_policy_for_something_absent_is_not_accepted_and_says_nothing_of_enforcement(rig: Rig) -> None:
    name = fresh("lost")
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "nowhere"}
    rig.world.create(AuthPolicy, INGRESS, name, {"targetRef": target})

    def conditions() -> list[tuple[str, str, str]]:
        found = (rig.world.kube.get(AuthPolicy, name, namespace=INGRESS).get("status") or {}).get("conditions") or []
        return [(item["type"], item["status"], item["reason"]) for item in found]

    assert eventually(conditions) == [("Accepted", "False", "TargetNotFound")]
    rig.world.kube.delete(AuthPolicy, name, namespace=INGRESS)


def test_a_missing_service_is_500_and_named_and_no_endpoints_are_503(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    service = f"{caller.model.name}-kserve-workload-svc"
    rig.world.endpoints(caller.model.namespace, service, [])
    eventually(lambda: caller.post().status_code == 503)
    rig.world.kube.delete(Service, service, namespace=caller.model.namespace)
    eventually(lambda: caller.post().status_code == 500)

    def reason() -> bool:
        route = rig.world.kube.get(HTTPRoute, caller.model.route, namespace=caller.model.namespace)
        conditions = {item["type"]: item["reason"] for item in route["status"]["parents"][0]["conditions"]}
        return conditions["Accepted"] == "Accepted" and conditions["ResolvedRefs"] == "BackendNotFound"

    eventually(reason)


def test_a_model_added_at_run_time_serves_once_its_policy_is_enforced_and_a_deleted_one_goes(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    assert caller.post().status_code == 200
    rig.world.kube.delete(HTTPRoute, caller.model.route, namespace=caller.model.namespace)
    eventually(lambda: caller.post().status_code == 404)


def test_no_request_is_lost_while_models_come_and_go_and_pods_are_replaced(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    service = f"{caller.model.name}-kserve-workload-svc"
    done = threading.Event()
    outcomes: list[str] = []

    def keep_calling(stream: bool) -> None:
        with httpx.Client(trust_env=False, verify=False, timeout=60) as client:
            while not done.is_set():
                body = caller.body({"tokens": 3, "delay": 0.002}, stream=stream)
                answer = client.post(rig.url + caller.model.path, json=body, headers=caller.headers)
                outcomes.append(str(answer.status_code) + ("" if not stream or "[DONE]" in answer.text else " cut"))

    threads = [threading.Thread(target=keep_calling, args=(bool(number % 2),)) for number in range(4)]
    with served(ModelServer("two").app()) as second:
        for thread in threads:
            thread.start()
        try:
            for number in range(6):
                other = rig.limited(LARGE)
                rig.world.endpoints(
                    caller.model.namespace, service, [second] if number % 2 else [rig.model_port, second]
                )
                rig.world.kube.delete(HTTPRoute, other.model.route, namespace=other.model.namespace)
            rig.world.endpoints(caller.model.namespace, service, [rig.model_port])
        finally:
            done.set()
            for thread in threads:
                thread.join()
    assert len(outcomes) > 50
    assert set(outcomes) == {"200"}


def test_a_burst_of_changes_is_applied_to_the_last_one(rig: Rig) -> None:
    models = [rig.world.model(rig.model_port) for _ in range(10)]
    for model in models:
        rig.world.kube.delete(HTTPRoute, model.route, namespace=model.namespace)
    callers = [rig.caller(model) for model in models]
    eventually(lambda: {caller.post().status_code for caller in callers} == {404})


def test_a_request_body_above_the_limit_is_refused(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    answer = rig.http.post(rig.url + caller.model.path, content=b"x" * (17 * 1024 * 1024), headers=caller.headers)
    assert answer.status_code == 413


def test_a_route_that_envoy_cannot_read_is_dropped_alone_and_says_so(rig: Rig) -> None:
    bad = rig.world.model(rig.model_port)
    rules = [{"matches": [{"path": {"type": "RegularExpression", "value": "/(["}}], "backendRefs": []}]
    rig.world.patch(HTTPRoute, bad.namespace, bad.route, {"spec": {"rules": rules}})

    def told() -> bool:
        route = rig.world.kube.get(HTTPRoute, bad.route, namespace=bad.namespace)
        conditions = {item["type"]: item["status"] for item in route["status"]["parents"][0]["conditions"]}
        return conditions.get("PartiallyInvalid") == "True"

    eventually(told)
    assert rig.limited(LARGE).post().status_code == 200
