"""The authorizer's questions: whose key, and which subscription pays."""

import httpx
import pytest

from harness.simulator.maas_api.record import Status

from .instance import Instance
from .test_keys import MICROSECONDS, names, record

REFUSED = {"accessAllowed": False, "phase": "", "ready": False}


@pytest.fixture
def offers(maas: Instance) -> Instance:
    """Carol owns `first` (m1, m2) and `second` (m2); both models may be called by everybody."""
    maas.model("m1")
    maas.model("m2")
    maas.subscription(
        "first",
        ["m1", "m2"],
        users=("carol",),
        priority=3,
        token_metadata={"organizationId": "o", "costCenter": "c", "labels": {"a": "b"}},
    )
    maas.subscription("second", ["m2"], groups=("team",))
    maas.policy("access", ["m1", "m2"], groups=("system:authenticated",))
    return maas


@pytest.mark.row("MAAS-KEY-100")
def test_a_valid_key_tells_who_holds_it(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice, name="laptop")
    assert maas.validate(key["key"]) == {
        "valid": True,
        "userId": key["id"],
        "username": "alice",
        "keyId": key["id"],
        "keyName": "laptop",
        "groups": ["system:authenticated"],
        "subscription": "basic",
        "tenant": "models-as-a-service",
    }


@pytest.mark.row("MAAS-KEY-101", "MAAS-MT-003")
def test_an_invalid_key_is_a_normal_answer(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice)["key"]
    reasons = {
        text: maas.validate(text)
        for text in ("nonsense", "sk-oai-", "sk-oai-a", "sk-oai-a_b_c", f"{key} ", "sk-oai-a_b", key[:-1])
    }
    found = {text: answer["reason"] for text, answer in reasons.items()}
    malformed = dict.fromkeys(["nonsense", "sk-oai-", "sk-oai-a", "sk-oai-a_b_c", f"{key} "], "invalid key format")
    assert found == malformed | dict.fromkeys(["sk-oai-a_b", key[:-1]], "key not found")
    assert all(answer == {"valid": False, "tenant": "", "reason": answer["reason"]} for answer in reasons.values())


@pytest.mark.row("MAAS-KEY-101", "MAAS-MT-003")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": Status.REVOKED}, "key revoked or expired"),
        ({"status": Status.EXPIRED}, "key revoked or expired"),
        ({"expires_at": 1_700_000_500 * MICROSECONDS}, "key revoked or expired"),
        ({"subscription": ""}, "key has no subscription bound"),
        ({"tenant": "other"}, "key not found"),
    ],
)
def test_a_stored_key_can_be_invalid(maas: Instance, changes: dict[str, object], reason: str) -> None:
    from harness.simulator.maas_api.credential import Credential

    credential = Credential("id", "secret")
    maas.store_key(record(1, key_hash=credential.digest(), **changes))
    assert maas.validate(credential.reveal()) == {"valid": False, "tenant": "", "reason": reason}


@pytest.mark.row("MAAS-KEY-102")
@pytest.mark.parametrize("body", [{}, {"key": ""}, {"key": None}])
def test_validation_needs_a_key(maas: Instance, body: dict[str, object]) -> None:
    response = maas.anonymous.post("/internal/v1/api-keys/validate", json=body)
    assert (response.status_code, response.json()) == (400, {"error": "key is required"})


@pytest.mark.row("MAAS-KEY-105")
def test_cleanup_removes_old_ephemeral_keys_alone(maas: Instance) -> None:
    from harness.simulator.maas_api.service import microseconds

    minute, now = 60 * MICROSECONDS, microseconds()
    maas.store_key(record(1, ephemeral=True, expires_at=now - 31 * minute, labels={"a": "b"}))
    maas.store_key(record(2, ephemeral=True, expires_at=now - 29 * minute))
    maas.store_key(record(3, ephemeral=True, expires_at=now + 31 * minute))
    maas.store_key(record(4, expires_at=now - 31 * minute))
    response = maas.anonymous.post("/internal/v1/api-keys/cleanup")
    assert (response.status_code, response.json()["deletedCount"]) == (200, 1)
    assert names(maas.caller("alice"), filters={"includeEphemeral": True}) == ["key-004", "key-003", "key-002"]


@pytest.mark.row("MAAS-KEY-106", "MAAS-REV-010")
def test_a_tenants_keys_can_be_revoked_at_once(maas: Instance) -> None:
    maas.store_key(record(1))
    maas.store_key(record(2, username="bob"))
    maas.store_key(record(3, tenant="other"))
    for tenant in ("other", "%20"):
        assert maas.anonymous.delete(f"/internal/v1/tenants/{tenant}/api-keys").status_code == 400
    assert names(maas.caller("alice"), filters={"status": ["active"]}) == ["key-001"]
    response = maas.anonymous.delete("/internal/v1/tenants/models-as-a-service/api-keys")
    assert (response.status_code, response.json()["revokedCount"]) == (200, 2)
    assert names(maas.caller("alice"), filters={"status": ["revoked"]}) == ["key-001"]


@pytest.mark.row("MAAS-SUB-020", "MAAS-SUB-021")
@pytest.mark.parametrize("body", [{}, {"username": " "}, {"groups": ["team"]}])
def test_selection_needs_a_user(offers: Instance, body: dict[str, object]) -> None:
    answer = offers.select(**body)
    assert answer == REFUSED | {"error": "bad_request", "message": "username is required"}


@pytest.mark.row("MAAS-SUB-022", "MAAS-AUTH-059")
def test_a_selection_carries_what_the_gateway_needs(offers: Instance) -> None:
    answer = offers.select(username="carol", groups=["system:authenticated"], requestedModel="llm/m1")
    limits = [{"limit": 100, "window": "1m"}]
    assert answer == {
        "name": "first",
        "namespace": "models-as-a-service",
        "priority": 3,
        "modelRefs": [{"name": name, "namespace": "llm", "tokenRateLimits": limits} for name in ("m1", "m2")],
        "organizationId": "o",
        "costCenter": "c",
        "labels": {"a": "b"},
        "resolvedModel": "llm/m1",
        "accessAllowed": True,
        "phase": "Active",
        "ready": True,
    }


@pytest.mark.row("MAAS-SUB-023", "MAAS-RATE-013")
@pytest.mark.parametrize("wanted", ["llm/m1", "publishers/llm/models/m1", "m1"])
def test_every_name_of_a_model_resolves_to_the_same(offers: Instance, wanted: str) -> None:
    answer = offers.select(username="carol", groups=["system:authenticated"], requestedModel=wanted)
    assert (answer["resolvedModel"], answer["accessAllowed"]) == ("llm/m1", True)


@pytest.mark.row("MAAS-SUB-024", "MAAS-SUB-025", "MAAS-AUTH-060")
@pytest.mark.parametrize("wanted", ["unknown", "other/first", "models-as-a-service/unknown", "a/b/c"])
def test_an_unknown_subscription_is_not_found(offers: Instance, wanted: str) -> None:
    answer = offers.select(username="carol", groups=[], requestedModel="llm/m1", requestedSubscription=wanted)
    assert answer == REFUSED | {"error": "not_found", "message": "requested subscription not found"}


@pytest.mark.row("MAAS-SUB-025")
@pytest.mark.parametrize("wanted", ["first", "models-as-a-service/first"])
def test_a_subscription_is_requested_with_or_without_namespace(offers: Instance, wanted: str) -> None:
    assert (
        offers.select(username="carol", groups=[], requestedModel="llm/m2", requestedSubscription=wanted)["name"]
        == "first"
    )


@pytest.mark.row("MAAS-AUTH-060", "MAAS-SUB-026")
def test_a_foreign_subscription_is_denied(offers: Instance) -> None:
    answer = offers.select(username="dave", groups=[], requestedModel="llm/m1", requestedSubscription="first")
    assert answer == REFUSED | {"error": "access_denied", "message": "access denied to requested subscription"}


@pytest.mark.row("MAAS-AUTH-051", "MAAS-AUTH-052", "MAAS-AUTH-060")
@pytest.mark.parametrize(
    "body", [{"requestedSubscription": "second", "requestedModel": "llm/m1"}, {"requestedModel": "llm/ghost"}]
)
def test_a_model_outside_the_subscription_is_denied(offers: Instance, body: dict[str, str]) -> None:
    answer = offers.select(username="carol", groups=["team"], **body)
    assert answer["error"] == "model_not_in_subscription"
    assert answer["accessAllowed"] is False


@pytest.mark.row("MAAS-AUTH-050", "MAAS-AUTH-055")
def test_access_and_subscription_are_both_needed(offers: Instance) -> None:
    assert offers.select(username="carol", groups=[], requestedModel="llm/m1")["accessAllowed"] is False
    assert (
        offers.select(username="carol", groups=["system:authenticated"], requestedModel="llm/m1")["accessAllowed"]
        is True
    )
    denied = offers.select(username="dave", groups=["system:authenticated"], requestedModel="llm/m1")
    assert (denied["accessAllowed"], denied["error"]) == (False, "not_found")


@pytest.mark.row("MAAS-AUTH-053")
def test_one_of_several_policies_is_enough(offers: Instance) -> None:
    offers.policy("access", ["m1"], users=("dave",))
    offers.policy("second", ["m1"], users=("carol",))
    assert offers.select(username="carol", groups=[], requestedModel="llm/m1")["accessAllowed"] is True
    offers.catalogue.policies.remove("models-as-a-service", "second")
    assert offers.select(username="carol", groups=[], requestedModel="llm/m1")["accessAllowed"] is False


@pytest.mark.row("MAAS-AUTH-054", "MAAS-AUTH-055")
@pytest.mark.parametrize(
    ("username", "groups"), [("carol", []), ("dave", ["team"]), ("system:serviceaccount:ns:name", ["x"])]
)
def test_one_of_several_subscriptions_is_enough(offers: Instance, username: str, groups: list[str]) -> None:
    offers.subscription("third", ["m2"], users=("system:serviceaccount:ns:name",))
    assert offers.select(username=username, groups=groups, requestedModel="llm/m2")["ready"] is True


@pytest.mark.row("MAAS-AUTH-056", "MAAS-REV-009")
@pytest.mark.parametrize(
    ("change", "serves"),
    [
        ({"phase": "Active"}, True),
        ({"phase": "Degraded"}, True),
        ({"phase": "Pending"}, False),
        ({"phase": "Failed"}, False),
        ({"phase": ""}, False),
        ({"deleted": "2026-08-21T10:00:00Z"}, False),
    ],
)
@pytest.mark.parametrize("requested", [{}, {"requestedSubscription": "first"}])
def test_the_phase_decides_whether_a_subscription_serves(
    offers: Instance, change: dict[str, str], serves: bool, requested: dict[str, str]
) -> None:
    offers.subscription("first", ["m1"], users=("carol",), **change)
    answer = offers.select(username="carol", groups=[], requestedModel="llm/m1", **requested)
    assert answer["ready"] is serves
    assert answer.get("error") == (None if serves else "model_unhealthy")


@pytest.mark.row("MAAS-AUTH-057")
def test_a_degraded_subscription_serves_models_whose_limits_are_in_force(offers: Instance) -> None:
    offers.subscription("first", ["m1", "m2"], users=("carol",), phase="Degraded", limited=["m2"])
    answer = offers.select(username="carol", groups=[], requestedModel="llm/m1")
    assert (answer["error"], answer["message"]) == (
        "model_unhealthy",
        "subscription rate limiting policies are not ready",
    )
    assert offers.select(username="carol", groups=[], requestedModel="llm/m2")["name"] == "first"


@pytest.mark.row("MAAS-AUTH-058", "MAAS-AUTH-060")
def test_several_subscriptions_need_a_choice(offers: Instance) -> None:
    answer = offers.select(username="carol", groups=["team"], requestedModel="llm/m2")
    assert answer["error"] == "multiple_subscriptions"
    assert "X-MaaS-Subscription" in answer["message"]
    chosen = offers.select(username="carol", groups=["team"], requestedModel="llm/m2", requestedSubscription="second")
    assert chosen["name"] == "second"


@pytest.mark.row("MAAS-AUTH-059")
def test_the_only_subscription_that_serves_is_chosen(offers: Instance) -> None:
    offers.subscription("first", ["m1", "m2"], users=("carol",), phase="Failed")
    assert offers.select(username="carol", groups=["team"], requestedModel="llm/m2")["name"] == "second"


@pytest.mark.row("MAAS-AUTH-062", "MAAS-AUTH-063", "MAAS-AUTH-064", "MAAS-SEC-007")
def test_a_path_names_the_backend_so_nobody_borrows_a_name(maas: Instance, upstream: Instance) -> None:
    question = {"username": "carol", "groups": ["x"]}
    answers = {}
    for name, instance in (("safe", maas), ("upstream", upstream)):
        instance.model("b", backend="x", alias="publishers/llm/models/x")
        instance.subscription("s", ["b"], users=("carol",))
        instance.policy("p", ["b"], users=("carol",))
        answers[name] = [
            instance.select(requestedModel=path, **question).get("resolvedModel") for path in ("llm/b", "llm/x")
        ]
    assert answers == {"safe": [None, "llm/b"], "upstream": ["llm/b", None]}


@pytest.mark.row("MAAS-SEC-006")
def test_nobody_takes_a_model_name_away(maas: Instance, upstream: Instance) -> None:
    answers = []
    for instance in (maas, upstream):
        instance.model("gpt", "victims", kind="ExternalModel", alias="gpt", created="2026-08-21T10:00:00Z")
        instance.model("gpt", "attackers", kind="ExternalModel", alias="gpt", created="2026-08-20T10:00:00Z")
        instance.subscription("s", ["victims/gpt"], users=("carol",))
        instance.policy("p", ["victims/gpt"], users=("carol",))
        answers.append(instance.select(username="carol", groups=["x"], requestedModel="gpt"))
    assert (answers[0]["resolvedModel"], answers[0]["accessAllowed"]) == ("victims/gpt", True)
    assert answers[1]["error"] == "model_not_in_subscription"


@pytest.mark.row("MAAS-RATE-017")
def test_a_repeated_model_keeps_its_first_limits(maas: Instance) -> None:
    from harness.simulator.maas_api.entities import TokenLimit, subscription_of

    from .documents import subscription

    document = subscription("s", ["m1", "m1"])
    document["spec"]["modelRefs"][1] = document["spec"]["modelRefs"][1] | {
        "tokenRateLimits": [{"limit": 5, "window": "1s"}]
    }
    found = subscription_of(document).model(("llm", "m1"))
    assert found
    assert found.limits == (TokenLimit(100, "1m"),)


@pytest.mark.row("MAAS-SEC-001", "MAAS-SEC-002", "MAAS-SEC-003")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/internal/v1/subscriptions/select", {"username": "carol", "groups": ["team"]}),
        ("DELETE", "/internal/v1/tenants/models-as-a-service/api-keys", None),
        ("POST", "/internal/v1/api-keys/validate", {"key": "sk-oai-a_b"}),
        ("POST", "/internal/v1/api-keys/cleanup", None),
    ],
)
@pytest.mark.parametrize(
    "mark", [{"X-MaaS-Username": "eve"}, {"X-MaaS-Group": '["a"]'}, {"X-Envoy-Original-Path": "/maas-api/internal"}]
)
def test_internal_operations_are_out_of_reach_of_the_gateway(
    maas: Instance, upstream: Instance, method: str, path: str, body: dict[str, object] | None, mark: dict[str, str]
) -> None:
    assert maas.anonymous.request(method, path, json=body).status_code == 200
    forwarded = maas.anonymous.request(method, path, json=body, headers=mark)
    assert (forwarded.status_code, forwarded.text) == (404, "404 page not found")
    assert upstream.anonymous.request(method, path, json=body, headers=mark).status_code == 200
