"""Which models and subscriptions a caller sees."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from .instance import Instance

KEY = "Bearer sk-oai-0123456789abcdef_secret"


def listed(client: httpx.Client, **headers: str) -> list[dict[str, Any]]:
    response = client.get("/v1/models", headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert response.status_code == 200, response.text
    return response.json()["data"]


def owners(client: httpx.Client, **headers: str) -> list[str]:
    return [item["owned_by"] for item in listed(client, **headers)]


@pytest.fixture
def two_offers(maas: Instance) -> httpx.Client:
    """Carol owns `first` (m1, m2) and `second` (m2, m3) and may call all three models; `foreign` is not hers."""
    for name in ("m1", "m2", "m3", "m4"):
        maas.model(name)
    maas.subscription("first", ["m1", "m2"], users=("carol",))
    maas.subscription("second", ["m2", "m3"], groups=("team",), annotations={"openshift.io/display-name": "Second"})
    maas.subscription("foreign", ["m4"], users=("dave",))
    maas.policy("access", ["m1", "m2", "m3", "m4"], groups=("system:authenticated",))
    return maas.caller("carol", "system:authenticated", "team")


@pytest.mark.row("MAAS-LIST-001", "MAAS-LIST-002", "MAAS-LIST-005", "MAAS-LIST-006", "MAAS-LIST-003")
def test_the_form_of_a_listing(alice: httpx.Client) -> None:
    body = alice.get("/v1/models").json()
    assert body == {
        "object": "list",
        "data": [
            {
                "id": "publishers/llm/models/m1",
                "object": "model",
                "created": int(datetime(2026, 8, 21, 10, tzinfo=UTC).timestamp()),
                "owned_by": "llm/m1",
                "ready": True,
                "kind": "LLMInferenceService",
                "url": "https://gw.example",
                "subscriptions": [{"name": "basic"}],
            }
        ],
    }


@pytest.mark.row("MAAS-LIST-003", "MAAS-CRD-068")
def test_the_id_of_a_model(maas: Instance) -> None:
    maas.model("resolved", alias="publishers/llm/models/facebook/opt-125m")
    maas.model("unresolved", alias="")
    maas.model("ref", kind="ExternalModel", backend="gpt-4o", alias="gpt-4o")
    maas.subscription("s", ["resolved", "unresolved", "ref"], users=("carol",))
    maas.policy("p", ["resolved", "unresolved", "ref"], users=("carol",))
    ids = {item["owned_by"]: (item["id"], item["kind"]) for item in listed(maas.caller("carol"))}
    assert ids == {
        "llm/resolved": ("publishers/llm/models/facebook/opt-125m", "LLMInferenceService"),
        "llm/unresolved": ("unresolved", "LLMInferenceService"),
        "llm/ref": ("gpt-4o", "ExternalModel"),
    }


@pytest.mark.row("MAAS-LIST-006", "MAAS-CRD-005")
def test_the_url_prefers_the_routes_hostname(maas: Instance) -> None:
    maas.model("routed", hostname="maas.example.com", endpoint="https://override.example/y")
    maas.model("plain", endpoint="https://override.example/y")
    maas.model("bare", endpoint="")
    maas.subscription("s", ["routed", "plain", "bare"], users=("carol",))
    maas.policy("p", ["routed", "plain", "bare"], users=("carol",))
    urls = {item["owned_by"]: item.get("url") for item in listed(maas.caller("carol"))}
    assert urls == {
        "llm/routed": "https://maas.example.com",
        "llm/plain": "https://override.example/y",
        "llm/bare": None,
    }


@pytest.mark.row("MAAS-LIST-007")
@pytest.mark.parametrize("phase", ["Pending", "Unhealthy", "Failed", "Invalid", ""])
def test_only_ready_models_are_listed(alice: httpx.Client, maas: Instance, phase: str) -> None:
    assert owners(alice) == ["llm/m1"]
    maas.model("m1", phase=phase)
    assert owners(alice) == []
    maas.model("m1")
    assert owners(alice) == ["llm/m1"]


@pytest.mark.row("MAAS-LIST-009", "MAAS-LIST-014")
def test_a_token_sees_the_union_of_its_subscriptions(two_offers: httpx.Client) -> None:
    assert {item["owned_by"]: [offer["name"] for offer in item["subscriptions"]] for item in listed(two_offers)} == {
        "llm/m1": ["first"],
        "llm/m2": ["first", "second"],
        "llm/m3": ["second"],
    }


@pytest.mark.row("MAAS-LIST-009")
@pytest.mark.parametrize(
    "change", [{"phase": "Pending"}, {"phase": "Failed"}, {"phase": ""}, {"deleted": "2026-08-21T10:00:00Z"}]
)
def test_the_union_leaves_out_subscriptions_that_do_not_serve(
    two_offers: httpx.Client, maas: Instance, change: dict[str, str]
) -> None:
    maas.subscription("second", ["m2", "m3"], groups=("team",), **change)
    assert owners(two_offers) == ["llm/m1", "llm/m2"]
    maas.subscription("second", ["m2", "m3"], groups=("team",), phase="Degraded")
    assert owners(two_offers) == ["llm/m1", "llm/m2", "llm/m3"]


@pytest.mark.row("MAAS-LIST-009")
def test_the_union_leaves_out_models_that_no_policy_allows(two_offers: httpx.Client, maas: Instance) -> None:
    maas.policy("access", ["m1", "m3"], groups=("system:authenticated",))
    assert owners(two_offers) == ["llm/m1", "llm/m3"]


@pytest.mark.row("MAAS-LIST-010")
def test_a_key_sees_its_subscription_alone(two_offers: httpx.Client) -> None:
    assert owners(two_offers, Authorization=KEY, X_MaaS_Subscription="second") == ["llm/m2", "llm/m3"]


@pytest.mark.row("MAAS-AUTH-032")
def test_the_gateways_subscription_wins_over_a_forged_one(two_offers: httpx.Client, maas: Instance) -> None:
    forged = [("X-MaaS-Username", "carol"), ("X-MaaS-Group", '["team"]'), ("Authorization", KEY)]
    for names in (["first", "second"], ["first, second"], ["second", ""]):
        headers = forged + [("X-MaaS-Subscription", name) for name in names]
        response = maas.anonymous.get("/v1/models", headers=headers)
        offers = {offer["name"] for item in response.json()["data"] for offer in item["subscriptions"]}
        assert offers <= {"second"}, names


@pytest.mark.row("MAAS-LIST-011")
@pytest.mark.parametrize("credential", [KEY, "Bearer token"])
def test_a_bound_caller_sees_only_models_it_may_call(maas: Instance, upstream: Instance, credential: str) -> None:
    for instance, seen in ((maas, ["llm/m1"]), (upstream, ["llm/m1", "llm/m2"])):
        for name in ("m1", "m2"):
            instance.model(name)
        instance.subscription("s", ["m1", "m2"], users=("carol",))
        instance.policy("mine", ["m1"], users=("carol",))
        instance.policy("others", ["m2"], users=("dave",))
        client = instance.caller("carol")
        assert owners(client, Authorization=credential, X_MaaS_Subscription="s") == seen
        assert owners(client) == ["llm/m1"]


@pytest.mark.row("MAAS-LIST-012", "MAAS-AUTH-033")
def test_a_token_chooses_a_subscription_by_header(two_offers: httpx.Client) -> None:
    assert owners(two_offers, X_MaaS_Subscription="first") == ["llm/m1", "llm/m2"]
    assert owners(two_offers, X_MaaS_Subscription="models-as-a-service/second") == ["llm/m2", "llm/m3"]


@pytest.mark.row("MAAS-AUTH-034")
def test_an_empty_choice_is_none(two_offers: httpx.Client) -> None:
    assert owners(two_offers, X_MaaS_Subscription="") == ["llm/m1", "llm/m2", "llm/m3"]


@pytest.mark.row("MAAS-LIST-013")
def test_a_caller_without_subscription_sees_nothing(two_offers: httpx.Client, maas: Instance) -> None:
    assert listed(maas.caller("nobody")) == []


@pytest.mark.row("MAAS-LIST-014", "MAAS-CRD-053")
def test_subscriptions_are_described_where_annotated(maas: Instance) -> None:
    maas.model("m1")
    annotations = {"openshift.io/display-name": "Free", "openshift.io/description": "For trials"}
    maas.subscription("free", ["m1"], users=("carol",), annotations=annotations)
    maas.policy("p", ["m1"], users=("carol",))
    expected = {"name": "free", "displayName": "Free", "description": "For trials"}
    assert listed(maas.caller("carol"))[0]["subscriptions"] == [expected]
    entry = maas.caller("carol").get("/v1/subscriptions").json()[0]
    assert (entry["display_name"], entry["subscription_description"]) == ("Free", "For trials")


@pytest.mark.row("MAAS-LIST-015", "MAAS-LIST-016")
def test_entries_are_unique_and_ordered(maas: Instance) -> None:
    for namespace, name in (("b", "m"), ("a", "m"), ("a", "x")):
        maas.model(name, namespace, alias="same" if name == "m" else "first")
    maas.subscription("s", ["b/m", "a/m", "a/x", "a/m"], users=("carol",))
    maas.policy("p", ["b/m", "a/m", "a/x"], users=("carol",))
    client = maas.caller("carol")
    assert [(item["id"], item["owned_by"]) for item in listed(client)] == [
        ("first", "a/x"),
        ("same", "a/m"),
        ("same", "b/m"),
    ]
    assert [len(item["subscriptions"]) for item in listed(client)] == [1, 1, 1]
    assert listed(client) == listed(client)


@pytest.mark.row("MAAS-LIST-017")
def test_query_parameters_are_ignored(two_offers: httpx.Client) -> None:
    assert two_offers.get("/v1/models?limit=1&after=x").json() == two_offers.get("/v1/models").json()


@pytest.mark.row("MAAS-LIST-018")
def test_the_headers_of_a_listing(two_offers: httpx.Client) -> None:
    before = datetime.now(UTC)
    response = two_offers.get("/v1/models")
    checked = datetime.fromisoformat(response.headers["x-access-checked-at"])
    assert before - timedelta(seconds=1) <= checked <= datetime.now(UTC)
    assert response.headers["x-access-checked-at"].endswith("Z")
    denied = two_offers.get("/v1/models", headers={"X-MaaS-Subscription": "foreign"})
    assert denied.status_code == 403
    assert denied.headers["cache-control"] == "no-store"
    assert "x-access-checked-at" not in denied.headers


@pytest.mark.row("MAAS-LIST-019", "MAAS-AUTH-033", "MAAS-AUTH-035")
@pytest.mark.parametrize(
    "name", ["foreign", "gone", "'; DROP TABLE api_keys; --", "../first", '"first"', "other/first", "a/b/c"]
)
@pytest.mark.parametrize("credential", [KEY, "Bearer token"])
def test_foreign_and_unknown_subscriptions_look_the_same(two_offers: httpx.Client, name: str, credential: str) -> None:
    response = two_offers.get("/v1/models", headers={"X-MaaS-Subscription": name, "Authorization": credential})
    error = {"message": "access denied to requested subscription", "type": "permission_error"}
    assert (response.status_code, response.json()) == (403, {"error": error})


@pytest.mark.row("MAAS-LIST-020")
def test_a_key_without_subscription_lists_nothing(two_offers: httpx.Client) -> None:
    response = two_offers.get("/v1/models", headers={"Authorization": KEY})
    error = {"message": "API key has no subscription bound", "type": "permission_error"}
    assert (response.status_code, response.json()) == (403, {"error": error})


@pytest.mark.row("MAAS-LIST-021")
@pytest.mark.parametrize("phase", ["Failed", ""])
def test_a_subscription_that_failed_is_denied_not_broken(maas: Instance, upstream: Instance, phase: str) -> None:
    answers = []
    for instance in (maas, upstream):
        instance.model("m1")
        instance.subscription("s", ["m1"], users=("carol",), phase=phase)
        instance.policy("p", ["m1"], users=("carol",))
        answers.append(
            instance.caller("carol").get("/v1/models", headers={"Authorization": KEY, "X-MaaS-Subscription": "s"})
        )
    assert answers[0].status_code == 403
    assert answers[0].json()["error"]["type"] == "permission_error"
    assert answers[1].status_code == 500
    assert answers[1].json() == {"error": {"message": "Failed to select subscription", "type": "server_error"}}


@pytest.mark.row("MAAS-LIST-022", "MAAS-LIST-023")
@pytest.mark.parametrize("change", [{"phase": "Pending"}, {"deleted": "2026-08-21T10:00:00Z"}])
def test_a_bound_subscription_is_listed_while_it_waits(
    two_offers: httpx.Client, maas: Instance, change: dict[str, str]
) -> None:
    maas.subscription("second", ["m2", "m3"], groups=("team",), **change)
    assert owners(two_offers, Authorization=KEY, X_MaaS_Subscription="second") == ["llm/m2", "llm/m3"]


@pytest.mark.row("MAAS-LIST-025")
def test_models_come_from_all_namespaces_and_subscriptions_from_one(maas: Instance) -> None:
    maas.model("m", "elsewhere")
    maas.subscription("s", ["elsewhere/m"], users=("carol",))
    maas.policy("p", ["elsewhere/m"], users=("carol",))
    assert owners(maas.caller("carol")) == ["elsewhere/m"]


@pytest.mark.row("MAAS-LIST-026", "MAAS-CRD-009")
def test_details_come_from_annotations(maas: Instance) -> None:
    annotations = {
        "openshift.io/display-name": "Model One",
        "openshift.io/description": "The first",
        "opendatahub.io/genai-use-case": "chat",
        "opendatahub.io/context-window": "8192",
        "opendatahub.io/model-capabilities": '["vision","tools"]',
    }
    maas.model("m1", annotations=annotations)
    maas.model("m2", annotations=annotations | {"opendatahub.io/model-capabilities": "vision"})
    maas.model("m3")
    maas.subscription("s", ["m1", "m2", "m3"], users=("carol",))
    maas.policy("p", ["m1", "m2", "m3"], users=("carol",))
    details = {item["owned_by"]: item.get("modelDetails") for item in listed(maas.caller("carol"))}
    told = {"displayName": "Model One", "description": "The first", "genaiUseCase": "chat", "contextWindow": "8192"}
    assert details == {"llm/m1": told | {"modelCapabilities": ["vision", "tools"]}, "llm/m2": told, "llm/m3": None}


@pytest.mark.row("MAAS-LIST-027", "MAAS-REV-004", "MAAS-REV-005", "MAAS-REV-007")
def test_entitlements_count_at_once(two_offers: httpx.Client, maas: Instance) -> None:
    assert "llm/m3" in owners(two_offers)
    maas.policy("access", ["m1", "m2"], groups=("system:authenticated",))
    assert "llm/m3" not in owners(two_offers)
    maas.policy("extra", ["m3"], users=("carol",))
    assert "llm/m3" in owners(two_offers)
    maas.catalogue.subscriptions.remove("models-as-a-service", "second")
    assert "llm/m3" not in owners(two_offers)


@pytest.mark.row("MAAS-CRD-027")
def test_subjects_are_trimmed_and_compared_exactly(maas: Instance) -> None:
    maas.model("m1")
    maas.subscription("s", ["m1"], groups=("system:authenticated",))
    maas.policy("p", ["m1"], users=(" alice ",), groups=(" team ",))
    assert owners(maas.caller("alice")) == ["llm/m1"]
    assert owners(maas.caller("Alice")) == []
    assert owners(maas.caller("alic*")) == []
    assert owners(maas.caller("bob", "system:authenticated", "team")) == ["llm/m1"]
    assert owners(maas.caller("bob", "system:authenticated", "Team")) == []


@pytest.mark.row("MAAS-SUB-001", "MAAS-SUB-002", "MAAS-CRD-047", "MAAS-CRD-048")
def test_the_form_of_a_subscription(maas: Instance) -> None:
    maas.model("m1", annotations={"openshift.io/display-name": "One", "openshift.io/description": "First"})
    maas.model("ext", kind="ExternalModel", backend="gpt-4o", alias="gpt-4o")
    maas.policy("p", ["m1", "ext", "ghost"], users=("carol",))
    maas.subscription(
        "s",
        ["m1", "ext", "ghost"],
        users=("carol",),
        priority=7,
        limits=[{"limit": 10, "window": "1m"}, {"limit": 1000, "window": "24h"}],
        rate="0.002",
        token_metadata={"organizationId": "org", "costCenter": "cc", "labels": {"a": "b"}},
    )
    limits = [{"limit": 10, "window": "1m"}, {"limit": 1000, "window": "24h"}]
    common = {"token_rate_limits": limits, "billing_rate": {"per_token": "0.002"}}
    response = maas.caller("carol").get("/v1/subscriptions")
    assert (response.status_code, response.json()) == (
        200,
        [
            {
                "subscription_id_header": "s",
                "subscription_description": "",
                "priority": 7,
                "organization_id": "org",
                "cost_center": "cc",
                "labels": {"a": "b"},
                "model_refs": [
                    {
                        "name": "m1",
                        "model_name": "publishers/llm/models/m1",
                        "display_name": "One",
                        "description": "First",
                        "source": "internal",
                    }
                    | common,
                    {"name": "ext", "model_name": "gpt-4o", "source": "external"} | common,
                    {"name": "ghost", "source": "internal"} | common,
                ],
            }
        ],
    )


@pytest.mark.row("MAAS-CRD-046")
@pytest.mark.parametrize(("priority", "shown"), [(-5, 0), (0, 0), (3, 3)])
def test_a_negative_priority_counts_as_zero(alice: httpx.Client, maas: Instance, priority: int, shown: int) -> None:
    maas.subscription("basic", ["m1"], users=("alice",), priority=priority)
    assert alice.get("/v1/subscriptions").json()[0]["priority"] == shown


@pytest.mark.row("MAAS-SUB-003", "MAAS-SUB-004")
def test_only_serving_subscriptions_with_callable_models_are_listed(two_offers: httpx.Client, maas: Instance) -> None:
    def seen() -> dict[str, list[str]]:
        body = two_offers.get("/v1/subscriptions").json()
        return {entry["subscription_id_header"]: [model["name"] for model in entry["model_refs"]] for entry in body}

    assert list(seen()) == ["first", "second"]
    maas.policy("access", ["m2"], groups=("system:authenticated",))
    assert seen() == {"first": ["m2"], "second": ["m2"]}
    maas.policy("access", ["m1"], groups=("system:authenticated",))
    assert seen() == {"first": ["m1"]}
    for change in ({"phase": "Pending"}, {"phase": "Failed"}, {"deleted": "2026-08-21T10:00:00Z"}):
        maas.subscription("first", ["m1"], users=("carol",), **change)
        assert seen() == {}


@pytest.mark.row("MAAS-SUB-005")
def test_the_list_is_not_narrowed_to_a_keys_subscription(two_offers: httpx.Client) -> None:
    body = two_offers.get("/v1/subscriptions", headers={"Authorization": KEY, "X-MaaS-Subscription": "first"}).json()
    assert [entry["subscription_id_header"] for entry in body] == ["first", "second"]


@pytest.mark.row("MAAS-SUB-010", "MAAS-SUB-011")
def test_subscriptions_of_a_model(two_offers: httpx.Client, maas: Instance) -> None:
    def seen(model: str) -> list[str]:
        return [entry["subscription_id_header"] for entry in two_offers.get(f"/v1/model/{model}/subscriptions").json()]

    assert (seen("m2"), seen("m3"), seen("m4"), seen("unknown")) == (["first", "second"], ["second"], [], [])
    maas.policy("access", ["m1", "m3"], groups=("system:authenticated",))
    assert (seen("m2"), seen("m3")) == ([], ["second"])
    maas.subscription("second", ["m2", "m3"], groups=("team",), phase="Failed")
    body = two_offers.get("/v1/model/m3/subscriptions").json()
    assert [model["name"] for model in body[0]["model_refs"]] == ["m2", "m3"]
