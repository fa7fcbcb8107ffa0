"""Who may pass, through the real gateway: exact codes, and what backends get to see."""

import json
import ssl
import time

import httpx
import pytest
from lightkube.models.authentication_v1 import TokenRequest, TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount, ServiceAccountToken

from tests.gateway.conftest import CACHE_TTL, Caller, Rig
from tests.gateway.world import eventually, fresh

LARGE = (100_000, "1h")
AUDIENCE = "https://kubernetes.default.svc"


@pytest.fixture
def caller(rig: Rig) -> Caller:
    return rig.limited(LARGE)


def service_account(rig: Rig) -> tuple[str, str]:
    """Namespace and name of a fresh ServiceAccount."""
    namespace, name = fresh("sa"), "caller"
    rig.world.namespace(namespace)
    rig.world.kube.create(ServiceAccount(metadata=ObjectMeta(name=name, namespace=namespace)))
    return namespace, name


def token(rig: Rig, account: tuple[str, str], audience: str = AUDIENCE) -> str:
    request = TokenRequest(metadata=ObjectMeta(), spec=TokenRequestSpec(audiences=[audience]))
    answer = rig.world.kube.create(ServiceAccountToken.from_dict(request.to_dict()), account[1], namespace=account[0])
    return answer.status.token


@pytest.mark.parametrize(
    ("credential", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer garbage", 401),
        ("Bearer eyJhbGciOiJub25lIn0.e30.", 401),
        ("Basic YTpi", 401),
        ("Bearer sk-oai-", 403),
        ("Bearer sk-oai-unknown_x", 403),
        ("Token KEY", 401),
        ("bearer KEY", 401),
        ("Bearer  KEY", 401),
        ("BEARER KEY", 401),
        ("Bearer KEY", 200),
    ],
)
@pytest.mark.parametrize("where", ["path", "body", "listing"])
def test_each_credential_gets_its_exact_code(
    rig: Rig, caller: Caller, credential: str | None, status: int, where: str
) -> None:
    headers = {} if credential is None else {"Authorization": credential.replace("KEY", caller.key)}
    if where == "listing":
        answer = rig.http.get(rig.url + "/v1/models", headers=headers)
    else:
        path = caller.model.path if where == "path" else "/v1/chat/completions"
        answer = rig.http.post(rig.url + path, json=caller.body(), headers=headers)
    assert answer.status_code == status
    if status == 401:
        challenges = answer.headers.get_list("www-authenticate")
        assert challenges == ['Bearer realm="api-keys"', 'Bearer realm="openshift-identities"']
        assert (answer.headers["x-ext-auth-reason"], answer.text) == ("Authentication required", "")
    if status == 403:
        assert answer.headers["content-type"] == "text/plain"
        assert (answer.headers["x-ext-auth-reason"], answer.text) == ("unauthorized", "Access denied")


@pytest.mark.row("MAAS-AUTH-030", "MAAS-AUTH-031")
@pytest.mark.parametrize("name", ["X-MaaS-Username", "x-MAAS-username", "X-MaaS-Group"])
@pytest.mark.parametrize("value", ["admin", ""])
def test_identity_headers_of_a_client_are_refused_and_nothing_arrives(
    rig: Rig, caller: Caller, name: str, value: str
) -> None:
    request_id = fresh("spoof")
    headers = caller.headers | {"X-Request-Id": request_id}
    spoofed = rig.http.post(rig.url + caller.model.path, json=caller.body(), headers=headers | {name: value})
    assert spoofed.status_code == 403
    assert caller.key not in spoofed.text
    assert rig.models.of(request_id) == []
    assert rig.http.get(rig.url + "/v1/models", headers=headers | {name: value}).status_code == 403
    assert rig.http.post(rig.url + caller.model.path, json=caller.body(), headers=headers).status_code == 200


def test_a_spoofed_header_without_a_credential_is_unauthenticated_first(rig: Rig) -> None:
    assert rig.http.get(rig.url + "/v1/models", headers={"X-MaaS-Group": "admins"}).status_code == 401


@pytest.mark.row("MAAS-AUTH-036")
def test_the_model_server_sees_neither_identity_nor_credential(rig: Rig, caller: Caller) -> None:
    request_id = fresh("seen")
    headers = caller.headers | {"X-MaaS-Subscription": "other", "X-MaaS-Tenant": "x", "X-Request-Id": request_id}
    headers |= {"X-Gateway-Model-Name": caller.model.alias, "X-Api-Key": "abc", "Accept-Encoding": "gzip"}
    assert rig.http.post(rig.url + caller.model.path, json=caller.body(), headers=headers).status_code == 200
    seen = rig.models.of(request_id)[0].headers
    assert not [name for name in seen if name.startswith("x-maas-")]
    assert not {"authorization", "x-api-key", "x-gateway-model-name", "accept-encoding"} & set(seen)


@pytest.mark.row("MAAS-AUTH-039")
def test_maas_api_gets_the_identity_and_only_the_gateways(rig: Rig, caller: Caller) -> None:
    headers = caller.headers | {"X-MaaS-Subscription": "other", "X-MaaS-Tenant": "spoofed"}
    seen = rig.http.get(rig.url + "/v1/models", headers=headers).json()["headers"]
    assert seen["x-maas-username"] == [caller.user]
    assert [json.loads(value) for value in seen["x-maas-group"]] == [["system:authenticated"]]
    assert seen["x-maas-subscription"] == ["s1"]
    assert "x-maas-tenant" not in seen


@pytest.mark.row("MAAS-AUTH-039")
def test_a_token_identifies_its_service_account_and_may_choose_a_subscription(rig: Rig) -> None:
    account = service_account(rig)
    headers = {"Authorization": f"Bearer {token(rig, account)}"}
    seen = rig.http.get(rig.url + "/v1/models", headers=headers).json()["headers"]
    assert seen["x-maas-username"] == [f"system:serviceaccount:{account[0]}:{account[1]}"]
    groups = json.loads(seen["x-maas-group"][0])
    assert groups[0] == "system:authenticated"
    assert f"system:serviceaccounts:{account[0]}" in groups
    assert groups.count("system:authenticated") == 1
    assert "x-maas-subscription" not in seen
    chosen = rig.http.get(rig.url + "/v1/models", headers=headers | {"X-MaaS-Subscription": "mine"}).json()["headers"]
    assert chosen["x-maas-subscription"] == ["mine"]
    empty = rig.http.get(rig.url + "/v1/models", headers=headers | {"X-MaaS-Subscription": ""}).json()["headers"]
    assert "x-maas-subscription" not in empty


def test_a_token_for_another_audience_is_refused(rig: Rig) -> None:
    other = token(rig, service_account(rig), "https://elsewhere.example")
    assert rig.http.get(rig.url + "/v1/models", headers={"Authorization": f"Bearer {other}"}).status_code == 401


def test_a_token_infers_with_the_subscription_that_its_header_names(rig: Rig, caller: Caller) -> None:
    account = service_account(rig)
    user = f"system:serviceaccount:{account[0]}:{account[1]}"
    rig.maas.grant(user, caller.model.reference, resolved=caller.model.reference)
    headers = {"Authorization": f"Bearer {token(rig, account)}", "X-MaaS-Subscription": "s1"}
    assert rig.http.post(rig.url + caller.model.path, json=caller.body(), headers=headers).status_code == 200
    asked = [question for kind, question in rig.maas.calls if kind == "select" and question["username"] == user]
    assert asked[0]["requestedSubscription"] == "s1"
    assert asked[0]["requestedModel"] == caller.model.reference


def test_a_header_never_changes_the_subscription_of_a_key(rig: Rig, caller: Caller) -> None:
    headers = caller.headers | {"X-MaaS-Subscription": "other"}
    assert rig.http.post(rig.url + caller.model.path, json=caller.body(), headers=headers).status_code == 200
    asked = {
        question["requestedSubscription"] for _, question in rig.maas.calls if question.get("username") == caller.user
    }
    assert asked == {"s1"}


def test_a_key_without_a_subscription_manages_but_does_not_infer(rig: Rig, caller: Caller) -> None:
    headers = {"Authorization": f"Bearer {rig.maas.key(caller.user, '')}"}
    assert rig.http.get(rig.url + "/v1/models", headers=headers).status_code == 200
    assert rig.http.post(rig.url + caller.model.path, json=caller.body(), headers=headers).status_code == 403


def test_a_refusal_of_the_selector_reaches_the_client_with_its_reason(rig: Rig, caller: Caller) -> None:
    other = rig.world.model(rig.model_port)
    answer = rig.http.post(rig.url + other.path, json={"model": other.alias}, headers=caller.headers)
    assert (answer.status_code, answer.headers["x-ext-auth-reason"]) == (403, "model_not_in_subscription")
    assert (answer.headers["content-type"], answer.text) == ("text/plain", "not part of the subscription")


def test_a_revoked_key_is_refused_within_the_bound_and_for_good(rig: Rig, caller: Caller) -> None:
    assert caller.post().status_code == 200
    del rig.maas.keys[caller.key]
    forgotten = time.monotonic() + CACHE_TTL + 0.01  # the clocks of two processes may differ by a tick
    while time.monotonic() < forgotten:
        caller.post()  # asking does not prolong what is remembered
    assert [caller.post().status_code for _ in range(3)] == [403, 403, 403]
    other = rig.caller(caller.model, user=caller.user)
    assert other.post().status_code == 200


def test_answers_are_repeated_within_the_bound_and_asked_once_for_a_burst(rig: Rig, caller: Caller) -> None:
    before = len(rig.maas.calls)
    began = time.monotonic()
    for _ in range(20):
        assert caller.post().status_code == 200
    terms = (
        1 + (time.monotonic() - began) // CACHE_TTL
    )  # an answer is good for one: a busy machine needs several for the burst
    asked = [
        kind
        for kind, question in rig.maas.calls[before:]
        if caller.key in str(question) or caller.user in str(question)
    ]
    assert asked[:2] == ["validate", "select"]
    assert max(asked.count("validate"), asked.count("select")) <= terms


@pytest.mark.parametrize("broken", ["validate", "select"])
@pytest.mark.parametrize("status", [500, 403])
def test_a_failing_maas_api_lets_nobody_in_even_when_its_error_looks_like_an_answer(
    rig: Rig, caller: Caller, broken: str, status: int
) -> None:
    rig.maas.broken[broken] = status
    try:
        answer = caller.post()
        assert answer.status_code == 503
        if broken == "validate":
            listing = rig.http.get(rig.url + "/v1/models", headers={"Authorization": "Bearer sk-oai-anything"})
            assert listing.status_code == 503
    finally:
        rig.maas.broken.clear()
    assert caller.post().status_code == 200


@pytest.mark.parametrize(
    "path", ["/internal/v1/api-keys/validate", "/internal/v1/subscriptions/select", "//internal/x", "/x/../internal/x"]
)
def test_internal_paths_of_maas_api_are_closed_to_everyone(rig: Rig, caller: Caller, path: str) -> None:
    assert rig.http.post(rig.url + "/maas-api" + path, json={}, headers=caller.headers).status_code == 403


def test_health_needs_no_credential_and_carries_no_identity(rig: Rig) -> None:
    answer = rig.http.get(rig.url + "/maas-api/health", headers={"X-MaaS-Username": "x", "X-MaaS-Group": "y"})
    assert (answer.status_code, answer.json()["path"]) == (200, "/health")
    assert not [name for name in answer.json()["headers"] if name.startswith("x-maas-")]
    assert rig.http.post(rig.url + "/maas-api/health").status_code == 401
    assert rig.http.get(rig.url + "/maas-api/healthy").status_code == 401


@pytest.mark.parametrize("value", ["'; DROP TABLE x;--", '"}]', "../..", "a" * 4000, "s1,s2"])
def test_odd_subscription_headers_never_break_anything(rig: Rig, value: str) -> None:
    headers = {"Authorization": f"Bearer {token(rig, service_account(rig))}", "X-MaaS-Subscription": value}
    assert rig.http.get(rig.url + "/v1/models", headers=headers).status_code == 200


def test_the_access_log_says_who_and_what_and_never_the_credential(rig: Rig, caller: Caller) -> None:
    request_id = fresh("logged")
    answer = rig.http.post(
        rig.url + caller.model.path, json=caller.body(), headers=caller.headers | {"X-Request-Id": request_id}
    )
    assert answer.headers["x-request-id"] == request_id

    def line() -> dict | None:
        lines = rig.stack.access_log().read_text(encoding="utf-8").splitlines()
        return next((json.loads(item) for item in lines if request_id in item), None)

    entry = eventually(line)
    expected = {
        "status": 200, "user": caller.user, "subscription": f"maas/s1@{caller.model.reference}", "model": caller.model.alias,
        "tokens_total": 15, "tokens_prompt": 5, "tokens_completion": 10, "path": caller.model.path, "method": "POST",
    }  # fmt: skip
    assert {name: entry[name] for name in expected} == expected
    everything = [part.log.read_text(encoding="utf-8") for part in rig.stack.parts.values()]
    assert not [
        text for text in [rig.stack.access_log().read_text(encoding="utf-8"), *everything] if caller.key in text
    ]


def test_https_and_http2_serve_the_same(rig: Rig, caller: Caller) -> None:
    ca = rig.stack.directory / "envoy" / "gateway-ca.crt"
    with httpx.Client(trust_env=False, verify=ssl.create_default_context(cafile=ca)) as client:
        answer = client.post(
            rig.stack.url(listener="https") + caller.model.path, json=caller.body(), headers=caller.headers
        )
    assert answer.status_code == 200
