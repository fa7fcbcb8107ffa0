"""What the MaaS controller makes of its objects, as pure functions."""

from dataclasses import replace
from typing import Any

import pytest

from harness.simulator.controllers.maas.accessstatus import access_status
from harness.simulator.controllers.maas.backend import Backend, endpoint_of, references
from harness.simulator.controllers.maas.gatewaypolicy import api_route, auth_policy, default_deny
from harness.simulator.controllers.maas.modelstatus import governance, identity, model_status
from harness.simulator.controllers.maas.names import DEFAULT_TENANT, Settings
from harness.simulator.controllers.maas.quirks import UPSTREAM, Quirk, parse
from harness.simulator.controllers.maas.subscriptionstatus import Listed, subscription_status
from harness.simulator.controllers.maas.tokenlimit import Ledger, limit_of, limit_policy, limits, window_seconds
from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.manifest import Key
from tests.controllers.objects import made, said, subscription

MODEL = Key("llm", "m1")
GATEWAY = Key("openshift-ingress", "maas-default-gateway")
RATES = [{"limit": 100, "window": "1m"}]
PARENT = {"name": GATEWAY.name, "namespace": GATEWAY.namespace}
ROUTE = made("HTTPRoute", "m1-kserve-route", spec={"parentRefs": [PARENT]})
BACKEND = Backend(
    GATEWAY, route=ROUTE, attached=True, ready=True, endpoint="https://x/", alias="publishers/llm/models/a"
)


class TestLimits:
    @pytest.mark.row("MAAS-RATE-015")
    def test_each_subscription_has_a_limit_of_its_own(self) -> None:
        found = limits([subscription("b", (MODEL, RATES)), subscription("a", (MODEL, RATES))], MODEL)
        assert list(found) == ["subs-a-m1-tokens", "subs-b-m1-tokens"]
        one = found["subs-a-m1-tokens"]
        assert one["rates"] == RATES
        assert one["counters"] == [{"expression": "auth.identity.userid"}]
        assert 'auth.identity.selected_subscription_key == "subs/a@llm/m1"' in one["when"][0]["predicate"]
        assert "/v1/models" in one["when"][0]["predicate"]

    @pytest.mark.row("MAAS-RATE-017")
    def test_of_two_entries_for_a_model_the_first_counts(self) -> None:
        twice = subscription("a", (MODEL, RATES), (MODEL, [{"limit": 1, "window": "1h"}]))
        assert limits([twice], MODEL)["subs-a-m1-tokens"]["rates"] == RATES

    @pytest.mark.row("MAAS-RATE-018", "MAAS-CRD-045")
    def test_a_window_that_cannot_be_enforced_shuts_instead_of_opening(self) -> None:
        endless = subscription("a", (MODEL, [{"limit": 5, "window": "9999h"}]))
        assert limits([endless], MODEL)["subs-a-m1-tokens"]["rates"] == [{"limit": 0, "window": "1m"}]
        assert limits([endless], MODEL, UPSTREAM) == {}

    @pytest.mark.row("MAAS-RATE-016")
    def test_names_that_run_together_stay_apart(self) -> None:
        first = subscription("b-c", (MODEL, RATES), namespace="a")
        second = subscription("c", (MODEL, RATES), namespace="a-b")
        assert len(limits([first, second], MODEL)) == 2
        assert len(limits([first, second], MODEL, UPSTREAM)) == 1

    @pytest.mark.row("MAAS-RATE-025")
    def test_a_query_does_not_pass_for_a_listing(self) -> None:
        predicate = limits([subscription("a", (MODEL, RATES))], MODEL)["subs-a-m1-tokens"]["when"][0]["predicate"]
        assert 'request.path.matches("^[^?]*/v1/models([?].*)?$")' in predicate
        quirky = limits([subscription("a", (MODEL, RATES))], MODEL, UPSTREAM)["subs-a-m1-tokens"]["when"][0][
            "predicate"
        ]
        assert 'request.path.endsWith("/v1/models")' in quirky

    def test_quirks_are_chosen_one_by_one_or_all(self) -> None:
        assert parse("none") == frozenset()
        assert parse("upstream") == UPSTREAM
        assert parse("MAAS-RATE-018, MAAS-RATE-025") == {
            Quirk.REFUSED_WINDOW_IS_NO_LIMIT,
            Quirk.QUERY_PASSES_FOR_LISTING,
        }
        with pytest.raises(ValueError, match=r"expected none, upstream, or some of MAAS-RATE-016.*came 'MAAS-X'"):
            parse("MAAS-X")

    @pytest.mark.parametrize(
        ("window", "seconds"),
        [("1s", 1), ("10m", 600), ("8784h", 31622400), ("8785h", None), ("0s", None), ("1d", None)],
    )
    def test_windows(self, window: str, seconds: int | None) -> None:
        assert window_seconds(window) == seconds

    @pytest.mark.row("MAAS-RATE-014")
    def test_the_policy_belongs_to_the_route_and_lists_its_subscriptions(self) -> None:
        policy = limit_policy(MODEL, ROUTE, [subscription("b", (MODEL, RATES)), subscription("a", (MODEL, RATES))])
        assert policy is not None
        assert (policy["metadata"]["namespace"], policy["metadata"]["name"]) == ("llm", "maas-trlp-m1")
        assert policy["metadata"]["annotations"]["maas.opendatahub.io/subscriptions"] == "subs/a,subs/b"
        assert policy["metadata"]["ownerReferences"][0]["uid"] == ROUTE["metadata"]["uid"]
        assert policy["spec"]["targetRef"]["name"] == "m1-kserve-route"

    def test_without_subscriptions_there_is_no_policy(self) -> None:
        assert limit_policy(MODEL, ROUTE, []) is None


class TestLedger:
    def policy(self, generation: int, **limits: Any) -> dict[str, Any]:
        return made("TokenRateLimitPolicy", "p", metadata={"generation": generation}, spec={"limits": limits})

    def test_a_limit_counts_from_the_generation_that_brought_it(self) -> None:
        ledger = Ledger()
        ledger.note(self.policy(1, a=1))
        ledger.note(self.policy(2, a=1, b=1))
        ledger.note(self.policy(3, a=9, b=1))
        latest = self.policy(3, a=9, b=1)
        assert (ledger.since(latest, "a"), ledger.since(latest, "b")) == (3, 2)

    def test_a_limit_that_went_and_came_back_counts_anew(self) -> None:
        ledger = Ledger()
        for policy in (self.policy(1, a=1), self.policy(2), self.policy(3, a=1)):
            ledger.note(policy)
        assert ledger.since(self.policy(3, a=1), "a") == 3

    def test_what_this_process_has_not_written_needs_the_latest(self) -> None:
        assert Ledger().since(self.policy(7, a=1), "a") == 7

    def test_an_edit_that_comes_back_before_the_write_is_answered_counts_from_its_own_generation(self) -> None:
        ledger = Ledger()
        ledger.note(self.policy(3, a=1))
        assert ledger.since(self.policy(5, a=2), "a") == 5
        assert ledger.since(self.policy(5, a=1), "a") == 3


class TestSubscriptionStatus:
    def listed(self, *conditions: str, generation: int = 1, **changes: Any) -> Listed:
        policy = limit_policy(MODEL, ROUTE, [subscription("a", (MODEL, RATES))])
        assert policy is not None
        policy["metadata"] |= {"uid": "p", "generation": generation}
        policy["status"] = {"conditions": said(*conditions)}
        return replace(Listed(MODEL, True, GATEWAY, BACKEND, policy), **changes)

    def status(self, *listed: Listed, peers: tuple[dict[str, Any], ...] = (), **spec: Any) -> dict[str, Any]:
        subject = subscription("a", (MODEL, spec.pop("rates", RATES)))
        return subscription_status(subject, list(listed), list(peers), Ledger(), "now")

    def test_active_when_the_limit_is_accepted_and_enforced(self) -> None:
        written = self.status(self.listed("Accepted", "Enforced"))
        assert written["phase"] == "Active"
        assert written["modelRefStatuses"][0] | {"message": ""} == {
            "name": "m1", "namespace": "llm", "ready": True, "reason": "Valid", "message": "",
        }  # fmt: skip
        entry = written["tokenRateLimitStatuses"][0]
        assert (entry["name"], entry["model"], entry["ready"], entry["reason"]) == (
            "maas-trlp-m1",
            "m1",
            True,
            "Accepted",
        )
        assert find(written["conditions"], "Ready")["reason"] == "Reconciled"

    @pytest.mark.parametrize(
        ("listed_as", "reason"),
        [
            (["Accepted"], "NotEnforced"),
            (["Accepted", "-Enforced"], "NotEnforced"),
            ([], "NotAccepted"),
            (["-Accepted", "Enforced"], "NotAccepted"),
        ],
    )
    def test_degraded_while_the_limit_is_not_in_force(self, listed_as: list[str], reason: str) -> None:
        written = self.status(self.listed(*listed_as))
        assert (written["phase"], written["tokenRateLimitStatuses"][0]["reason"]) == ("Degraded", reason)

    def test_an_enforcement_of_an_older_generation_does_not_count(self) -> None:
        assert self.status(self.listed("Accepted", "Enforced", generation=2))["phase"] == "Degraded"

    def test_edited_rates_wait_for_the_policy(self) -> None:
        written = self.status(self.listed("Accepted", "Enforced"), rates=[{"limit": 1, "window": "1m"}])
        assert written["tokenRateLimitStatuses"][0]["reason"] == "NotEnforced"

    def test_without_a_policy_it_is_not_created_yet(self) -> None:
        entry = self.status(self.listed(policy=None))["tokenRateLimitStatuses"][0]
        assert (entry["reason"], entry["message"]) == ("NotFound", "TokenRateLimitPolicy not created yet")

    def test_without_a_route_the_backend_is_not_ready(self) -> None:
        found = self.listed(policy=None, backend=Backend(GATEWAY, "Pending", "Waiting for HTTPRoute to be created"))
        assert self.status(found)["tokenRateLimitStatuses"][0]["reason"] == "BackendNotReady"

    def test_all_models_missing_is_failure(self) -> None:
        written = self.status(Listed(MODEL, False, GATEWAY))
        assert (written["phase"], written["modelRefStatuses"][0]["reason"]) == ("Failed", "NotFound")
        assert written["tokenRateLimitStatuses"] == []
        assert find(written["conditions"], "Ready")["reason"] == "ReconcileFailed"

    def test_some_models_missing_is_degradation(self) -> None:
        written = self.status(self.listed("Accepted", "Enforced"), Listed(Key("llm", "ghost"), False, GATEWAY))
        assert written["phase"] == "Degraded"
        assert find(written["conditions"], "Ready")["reason"] == "PartialFailure"
        assert [entry["ready"] for entry in written["modelRefStatuses"]] == [True, False]

    def test_a_model_behind_another_tenants_gateway_is_failure(self) -> None:
        written = self.status(self.listed("Accepted", "Enforced", gateway=Key("openshift-ingress", "other")))
        assert written["phase"] == "Failed"
        assert (
            "is not attached to tenant gateway openshift-ingress/other"
            in find(written["conditions"], "Ready")["message"]
        )

    def test_a_window_too_long_is_no_valid_spec(self) -> None:
        written = self.status(self.listed("Accepted", "Enforced"), rates=[{"limit": 1, "window": "9999h"}])
        assert (written["phase"], written["tokenRateLimitStatuses"][0]["reason"]) == ("Degraded", "InvalidSpec")

    def test_peers_of_the_same_priority_are_named(self) -> None:
        written = self.status(self.listed("Accepted", "Enforced"), peers=(subscription("peer"),))
        duplicate = find(written["conditions"], "SpecPriorityDuplicate")
        assert (duplicate["status"], duplicate["reason"]) == ("True", "SharedPriority")
        assert "peer" in duplicate["message"]

    def test_in_a_crowd_of_peers_an_arrival_changes_no_word(self) -> None:
        crowd = [subscription(f"p{number:02}") for number in range(30)]
        fewer = self.status(self.listed("Accepted", "Enforced"), peers=tuple(crowd[:-1]))
        assert fewer == self.status(self.listed("Accepted", "Enforced"), peers=tuple(crowd))

    def test_without_peers_there_is_no_duplicate(self) -> None:
        duplicate = find(self.status(self.listed("Accepted", "Enforced"))["conditions"], "SpecPriorityDuplicate")
        assert (duplicate["status"], duplicate["reason"]) == ("False", "NoDuplicatePeers")


class TestModelStatus:
    def model(self, **fields: Any) -> dict[str, Any]:
        return made("MaaSModelRef", "m1", spec={"modelRef": {"kind": "LLMInferenceService", "name": "m1"}}, **fields)

    def status(self, backend: Backend, paired: bool, **fields: Any) -> dict[str, Any]:
        subject = self.model(**fields)
        return model_status(subject, backend, governance(subject, paired, paired), identity(subject, "a", []), "now")

    def test_ready_when_governed_and_healthy(self) -> None:
        written = self.status(BACKEND, paired=True)
        assert (written["phase"], written["endpoint"]) == ("Ready", "https://x/")
        ready = find(written["conditions"], "Ready")
        assert (ready["reason"], ready["message"]) == ("Reconciled", "Governed and runtime-healthy")
        assert written["resolvedModelAlias"] == "publishers/llm/models/a"
        assert (written["httpRouteName"], written["httpRouteGatewayName"]) == (
            "m1-kserve-route",
            "maas-default-gateway",
        )

    @pytest.mark.parametrize(
        ("ready", "message"),
        [(True, "Awaiting governance pairing"), (False, "Awaiting governance pairing and backend readiness")],
    )
    def test_pending_while_nobody_governs(self, ready: bool, message: str) -> None:
        written = self.status(replace(BACKEND, ready=ready), paired=False)
        found = find(written["conditions"], "Ready")
        assert (written["phase"], found["reason"], found["message"]) == ("Pending", "BackendNotReady", message)
        assert "endpoint" not in written

    def test_unhealthy_when_governed_without_a_backend(self) -> None:
        written = self.status(replace(BACKEND, ready=False), paired=True)
        assert written["phase"] == "Unhealthy"
        assert find(written["conditions"], "RuntimeReady")["reason"] == "RuntimeHealthFailure"
        assert "endpoint" not in written

    def test_trouble_with_the_route_goes_before_governance(self) -> None:
        written = self.status(
            Backend(GATEWAY, "Failed", "HTTPRoute x does not reference gateway y", ROUTE), paired=True
        )
        assert (written["phase"], find(written["conditions"], "Ready")["reason"]) == ("Failed", "ReconcileFailed")

    @pytest.mark.row("MAAS-CRD-005")
    def test_an_override_replaces_the_endpoint_of_a_ready_model(self) -> None:
        subject = self.model()
        subject["spec"]["endpointOverride"] = "https://over.example/y"
        paired = governance(subject, True, True)
        assert model_status(subject, BACKEND, paired, paired, "now")["endpoint"] == "https://over.example/y"

    @pytest.mark.row("MAAS-STAT-009")
    def test_the_alias_outlives_its_source(self) -> None:
        written = self.status(Backend(GATEWAY, "Pending", "no route"), True, status={"resolvedModelAlias": "kept"})
        assert written["resolvedModelAlias"] == "kept"

    def test_a_loss_of_governance_is_told_from_a_lack(self) -> None:
        assert governance(self.model(), True, False).reason == "NoPairingFound"
        paired = governance(self.model(), True, True).written([], "now")
        assert governance(self.model(status={"conditions": [paired]}), False, True).reason == "GovernanceGap"

    def test_a_shared_alias_is_a_conflict(self) -> None:
        assert identity(self.model(), "a", [made("MaaSModelRef", "m2")]).reason == "ModelNameConflict"
        assert identity(self.model(), "", []).status == "Unknown"


class TestEndpoint:
    def service(self, *urls: tuple[str, str], url: str = "") -> dict[str, Any]:
        return {"status": {"url": url, "addresses": [{"name": name, "url": target} for name, target in urls]}}

    @pytest.mark.row("MAAS-LLM-005")
    def test_model_routing_goes_first_and_https_before_http(self) -> None:
        found = self.service(
            ("gateway-external", "https://a/llm/m1"),
            ("gateway-external-model-routing", "http://a/"),
            ("gateway-external-model-routing", "https://a/"),
        )
        assert endpoint_of(found, ROUTE) == "https://a/"

    def test_only_hosts_of_the_route_count_when_it_names_any(self) -> None:
        route = made("HTTPRoute", "r", spec={"hostnames": ["Right.example"]})
        found = self.service(
            ("gateway-external", "https://wrong.example/x"), ("gateway-external", "https://right.example/x")
        )
        assert endpoint_of(found, route) == "https://right.example/x"

    @pytest.mark.row("MAAS-LLM-006")
    def test_without_named_addresses_a_base_then_the_url_decides(self) -> None:
        assert endpoint_of(
            self.service(("internal", "http://10.0.0.1/x"), ("internal-model-routing", "http://10.0.0.1/")), ROUTE
        ) == ("http://10.0.0.1/")
        assert endpoint_of(self.service(("internal", "http://10.0.0.1/x"), url="http://u/"), ROUTE) == "http://u/"

    def test_a_parent_without_namespace_means_the_routes_own(self) -> None:
        route = made("HTTPRoute", "r", GATEWAY.namespace, spec={"parentRefs": [{"name": GATEWAY.name}]})
        assert references(route, GATEWAY)
        assert not references(made("HTTPRoute", "r", "llm", spec={"parentRefs": [{"name": GATEWAY.name}]}), GATEWAY)


class TestAccessStatus:
    ACCESS = made("MaaSAuthPolicy", "a", "subs")
    ENFORCED = made(
        "AuthPolicy", "maas-gateway-auth", GATEWAY.namespace, status={"conditions": said("Accepted", "Enforced")}
    )

    def phase(self, models: dict[Key, bool], policy: dict[str, Any] | None) -> str:
        phase: str = access_status(self.ACCESS, models, policy, [], "now")["phase"]
        return phase

    def test_phases(self) -> None:
        ghost = Key("llm", "ghost")
        assert self.phase({MODEL: True}, self.ENFORCED) == "Active"
        assert self.phase({MODEL: True, ghost: False}, self.ENFORCED) == "Degraded"
        assert self.phase({ghost: False}, self.ENFORCED) == "Failed"
        assert self.phase({MODEL: True}, None) == "Pending"

    @pytest.mark.row("MAAS-STAT-032")
    def test_an_enforcement_of_an_older_generation_is_waited_out(self) -> None:
        edited = self.ENFORCED | {"metadata": self.ENFORCED["metadata"] | {"generation": 2}}
        written = access_status(self.ACCESS, {MODEL: True}, edited, [], "now")
        assert written["phase"] == "Pending"
        assert find(written["conditions"], "Ready")["message"].startswith("Waiting for gateway AuthPolicy")

    def test_a_strangers_policy_on_a_route_is_a_conflict(self) -> None:
        written = access_status(self.ACCESS, {MODEL: True}, self.ENFORCED, [made("AuthPolicy", "theirs")], "now")
        found = find(written["conditions"], "ConflictingAuthPolicy")
        assert (found["status"], found["reason"]) == ("True", "ConflictDetected")
        assert written["phase"] == "Active"
        assert written["authPolicies"] == []


class TestGatewayObjects:
    @pytest.mark.row("MAAS-GW-003")
    def test_the_route_to_maas_api_keeps_its_order(self) -> None:
        rules = api_route(GATEWAY, DEFAULT_TENANT, Settings())["spec"]["rules"]
        assert [rule["matches"][0]["path"]["value"] for rule in rules] == [
            "/v1/models", "/v1/subscriptions", "/v1/api-keys", "/maas-api",
        ]  # fmt: skip
        assert rules[3]["filters"][0]["urlRewrite"]["path"]["replacePrefixMatch"] == "/"
        assert {rule["backendRefs"][0]["port"] for rule in rules} == {8443}

    @pytest.mark.row("MAAS-GW-009")
    def test_the_default_denies_everything_but_management(self) -> None:
        limit = default_deny(GATEWAY, DEFAULT_TENANT)["spec"]["limits"]["deny-unsubscribed"]
        assert limit["rates"] == [{"limit": 0, "window": "1m"}]
        for prefix in ("/maas-api", "/v1/models", "/v1/subscriptions", "/v1/api-keys"):
            assert f'!request.path.startsWith("{prefix}")' in limit["when"][0]["predicate"]

    def test_names_by_tenant(self) -> None:
        other = Key("openshift-ingress", "blue")
        assert auth_policy(GATEWAY, DEFAULT_TENANT, Settings())["metadata"]["name"] == "maas-gateway-auth"
        assert auth_policy(other, "blue", Settings())["metadata"]["name"] == "blue-maas-auth"
        assert default_deny(other, "blue")["metadata"]["name"] == "gateway-default-deny-blue"
        assert api_route(other, "blue", Settings())["metadata"]["name"] == "maas-api-route-blue"

    def test_a_limit_is_found_by_what_it_compares(self) -> None:
        policy = limit_policy(MODEL, ROUTE, [subscription("a", (MODEL, RATES)), subscription("a-m1", (MODEL, RATES))])
        assert policy is not None
        found = limit_of(policy, Key("subs", "a"), MODEL)
        assert found is not None
        assert found[0] == "subs-a-m1-tokens"
        assert limit_of(policy, Key("subs", "b"), MODEL) is None
