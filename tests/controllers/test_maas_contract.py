"""The MaaS controller as a process on a real API server."""

from typing import Any

import pytest

from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.kind import (
    AUTH_POLICY,
    EVENT,
    HTTP_ROUTE,
    LLM_INFERENCE_SERVICE,
    MAAS_AUTH_POLICY,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    NAMESPACE,
    TOKEN_RATE_LIMIT_POLICY,
)
from harness.simulator.controllers.runtime.manifest import Key
from tests.controllers.conftest import Platform
from tests.controllers.world import MAAS_GATEWAY, TENANT, World, condition, gone, phase

INGRESS = "openshift-ingress"


@pytest.fixture
def world(platform: Platform) -> World:
    return World(platform.client)


def limits(policy: dict[str, Any] | None) -> set[str]:
    return set(((policy or {}).get("spec") or {}).get("limits") or {})


class TestModel:
    @pytest.mark.row("MAAS-CTRL-007")
    def test_it_becomes_ready_in_any_order_of_its_parts(self, world: World) -> None:
        key, client = Key(world.namespace, "m1"), world.client
        world.subscribe("sub", key)
        world.allow("access", key)
        world.model("m1")
        client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Pending"))
        world.service("m1")
        client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Unhealthy"))
        world.available("m1")
        ready = client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Ready"))
        assert ready is not None
        assert ready["status"]["endpoint"] == "http://127.0.0.1/"
        assert ready["status"]["resolvedModelAlias"] == f"publishers/{world.namespace}/models/org/m1"
        assert ready["metadata"]["finalizers"] == ["maas.opendatahub.io/model-cleanup"]
        client.until(MAAS_SUBSCRIPTION, world.name("sub"), TENANT, phase("Active"))
        client.until(MAAS_AUTH_POLICY, world.name("access"), TENANT, phase("Active"))

    @pytest.mark.row("MAAS-STAT-003", "MAAS-STAT-004", "MAAS-STAT-005")
    def test_it_is_unhealthy_while_its_backend_is_and_pending_without_governance(self, world: World) -> None:
        world.governed()
        client = world.client
        world.available("m1", "False")
        found = client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Unhealthy"))
        assert found is not None
        assert "endpoint" not in found["status"]
        world.available("m1")
        client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Ready"))
        client.delete(MAAS_SUBSCRIPTION, world.name("sub"), TENANT)
        found = client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Pending"))
        assert condition("GovernanceAttached", "False", "GovernanceGap")(found)

    @pytest.mark.row("MAAS-STAT-007", "MAAS-SETUP-001", "MAAS-SETUP-002")
    def test_on_the_standard_gateway_it_fails_and_moves_with_the_guides_patch(self, world: World) -> None:
        key, client = world.service("m1", gateways=[]), world.client
        world.model("m1")
        world.subscribe("sub", key)
        world.allow("access", key)
        world.available("m1")
        found = client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Failed"))
        assert found is not None
        assert "does not reference gateway" in find(found["status"]["conditions"], "Ready")["message"]
        assert client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace) is None
        add = [{"op": "add", "path": "/spec/router/gateway/refs/-", "value": MAAS_GATEWAY}]
        client.patch(LLM_INFERENCE_SERVICE, "m1", add, world.namespace)
        client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Ready"))
        client.until(MAAS_SUBSCRIPTION, world.name("sub"), TENANT, phase("Active"))
        remove = [{"op": "remove", "path": "/spec/router/gateway/refs/0"}]
        client.patch(LLM_INFERENCE_SERVICE, "m1", remove, world.namespace)
        client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Failed"))
        client.until(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace, gone)

    @pytest.mark.row("MAAS-STAT-008", "MAAS-LLM-003")
    def test_a_route_without_its_service_is_failure(self, world: World) -> None:
        labels = {
            "app.kubernetes.io/name": "ghost",
            "app.kubernetes.io/component": "llminferenceservice-router",
            "app.kubernetes.io/part-of": "llminferenceservice",
        }
        world.client.create(
            HTTP_ROUTE, "by-hand", world.namespace, metadata={"labels": labels}, spec={"parentRefs": [MAAS_GATEWAY]}
        )
        world.model("ghost")
        found = world.client.until(MAAS_MODEL_REF, "ghost", world.namespace, phase("Failed"))
        assert found is not None
        assert "not found" in find(found["status"]["conditions"], "Ready")["message"]

    @pytest.mark.row("MAAS-STAT-010")
    def test_two_models_of_one_identity_are_told_and_heal(self, world: World) -> None:
        client = world.client
        for name in ("m1", "m2"):
            world.service(name, spec={"model": {"uri": "hf://o/w", "name": "same"}})
            world.model(name)
        for name in ("m1", "m2"):
            client.until(
                MAAS_MODEL_REF, name, world.namespace, condition("ModelIdentityUnique", "False", "ModelNameConflict")
            )
        client.delete(MAAS_MODEL_REF, "m2", world.namespace)
        client.until(MAAS_MODEL_REF, "m1", world.namespace, condition("ModelIdentityUnique", "True", "UniqueIdentity"))
        client.until(MAAS_MODEL_REF, "m2", world.namespace, gone)
        world.subscribe("later", Key(world.namespace, "m1"))
        client.until(MAAS_SUBSCRIPTION, world.name("later"), TENANT, phase("Active"))
        reasons = {event["reason"] for event in client.all(EVENT, world.namespace)}
        assert {"ModelNameConflict", "ModelNameConflictResolved"} <= reasons

    @pytest.mark.row("MAAS-CTRL-018", "MAAS-STAT-025")
    def test_a_deleted_model_takes_its_policy_and_degrades_who_lists_it(self, world: World) -> None:
        world.governed()
        client = world.client
        client.delete(MAAS_MODEL_REF, "m1", world.namespace)
        client.until(MAAS_MODEL_REF, "m1", world.namespace, gone)
        client.until(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace, gone)
        found = client.until(MAAS_SUBSCRIPTION, world.name("sub"), TENANT, phase("Failed"))
        assert found is not None
        assert found["status"]["modelRefStatuses"][0]["reason"] == "NotFound"
        client.until(MAAS_AUTH_POLICY, world.name("access"), TENANT, phase("Failed"))
        assert client.get(LLM_INFERENCE_SERVICE, "m1", world.namespace) is not None


class TestLimits:
    @pytest.mark.row("MAAS-CTRL-001", "MAAS-CTRL-002", "MAAS-CTRL-003", "MAAS-CTRL-004")
    def test_subscriptions_share_a_policy_that_never_goes_while_one_is_left(self, world: World) -> None:
        key, client = world.governed(), world.client
        second = world.subscribe("second", key, limit=7, window="10s")
        client.until(MAAS_SUBSCRIPTION, second, TENANT, phase("Active"))
        both = client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace)
        assert both is not None
        assert limits(both) == {f"{TENANT}-{world.name(name)}-m1-tokens" for name in ("sub", "second")}
        listed = both["metadata"]["annotations"]["maas.opendatahub.io/subscriptions"].split(",")
        assert listed == sorted(f"{TENANT}/{world.name(name)}" for name in ("sub", "second"))
        client.delete(MAAS_SUBSCRIPTION, second, TENANT)
        client.until(MAAS_SUBSCRIPTION, second, TENANT, gone)
        one = client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace)
        assert one is not None
        assert one["metadata"]["uid"] == both["metadata"]["uid"]
        assert limits(one) == {f"{TENANT}-{world.name('sub')}-m1-tokens"}
        client.delete(MAAS_SUBSCRIPTION, world.name("sub"), TENANT)
        client.until(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace, gone)
        client.until(MAAS_SUBSCRIPTION, world.name("sub"), TENANT, gone)

    @pytest.mark.row("MAAS-CTRL-005", "MAAS-CTRL-006", "MAAS-STAT-022")
    def test_ghosts_and_namesakes_elsewhere_get_no_policy(self, world: World, platform: Platform) -> None:
        elsewhere = World(platform.client)
        elsewhere.service("m1")
        elsewhere.model("m1")
        key = world.service("m1")
        world.model("m1")
        name = world.subscribe("sub", key, Key(world.namespace, "ghost"))
        found = world.client.until(
            MAAS_SUBSCRIPTION, name, TENANT, lambda m: phase("Degraded")(m) and _item(m)["ready"]
        )
        assert found is not None
        assert [entry["reason"] for entry in found["status"]["modelRefStatuses"]] == ["Valid", "NotFound"]
        assert world.client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-ghost", world.namespace) is None
        assert world.client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", elsewhere.namespace) is None

    @pytest.mark.row("MAAS-CTRL-008")
    def test_a_removed_model_reference_removes_its_limit(self, world: World) -> None:
        keys = [world.service(name) for name in ("m1", "m2")]
        for name in ("m1", "m2"):
            world.model(name)
        name, client = world.subscribe("sub", *keys), world.client
        for policy in ("maas-trlp-m1", "maas-trlp-m2"):
            client.until(TOKEN_RATE_LIMIT_POLICY, policy, world.namespace, bool)
        client.patch(MAAS_SUBSCRIPTION, name, [{"op": "remove", "path": "/spec/modelRefs/1"}], TENANT)
        client.until(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m2", world.namespace, gone)
        assert client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace) is not None

    @pytest.mark.row("MAAS-CTRL-009")
    def test_what_somebody_deletes_edits_or_adds_is_repaired(self, world: World) -> None:
        world.governed()
        client = world.client
        before = client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace)
        assert before is not None
        name = next(iter(limits(before)))
        client.delete(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace)
        again = lambda m: m and m["metadata"]["uid"] != before["metadata"]["uid"]  # noqa: E731
        client.until(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace, again)
        edit = {"spec": {"limits": {name: {"rates": [{"limit": 999, "window": "1h"}]}, "by-hand": {"rates": []}}}}
        client.patch(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", edit, world.namespace)
        client.until(
            TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace, lambda m: m and m["spec"] == before["spec"]
        )
        client.until(MAAS_SUBSCRIPTION, world.name("sub"), TENANT, phase("Active"))

    @pytest.mark.row("MAAS-CTRL-013")
    def test_a_policy_that_a_person_took_over_is_left_alone(self, world: World) -> None:
        key, client = world.governed(), world.client
        mine = {"metadata": {"annotations": {"opendatahub.io/managed": "false"}}}
        before = client.patch(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", mine, world.namespace)
        other = world.subscribe("other", key)
        client.until(MAAS_SUBSCRIPTION, other, TENANT, phase("Degraded"))
        client.delete(MAAS_SUBSCRIPTION, other, TENANT)
        client.until(MAAS_SUBSCRIPTION, other, TENANT, gone)
        client.delete(MAAS_SUBSCRIPTION, world.name("sub"), TENANT)
        client.until(MAAS_SUBSCRIPTION, world.name("sub"), TENANT, gone)
        after = client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace)
        assert after is not None
        assert after["spec"] == before["spec"]

    @pytest.mark.row("MAAS-CTRL-012", "MAAS-CTRL-014")
    def test_a_touched_annotation_changes_no_generation_and_foreign_labels_stay(self, world: World) -> None:
        key, client = world.governed(), world.client
        label = {"metadata": {"labels": {"team": "blue"}}}
        before = client.patch(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", label, world.namespace)
        touch = {"metadata": {"annotations": {"touched": "yes"}}}
        client.patch(MAAS_SUBSCRIPTION, world.name("sub"), touch, TENANT)
        client.until(MAAS_SUBSCRIPTION, world.subscribe("other", key), TENANT, phase("Active"))
        after = client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace)
        assert after is not None
        assert after["metadata"]["labels"]["team"] == "blue"
        assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1

    @pytest.mark.row("MAAS-STAT-020", "MAAS-STAT-023")
    def test_a_subscription_is_active_only_when_its_limit_is_enforced(self, world: World, platform: Platform) -> None:
        key = world.service("m1")
        policy = Key(world.namespace, "maas-trlp-m1")
        platform.gateway.silence(policy)
        world.model("m1")
        name = world.subscribe("sub", key)
        found = world.client.until(MAAS_SUBSCRIPTION, name, TENANT, lambda m: _item(m).get("reason") == "NotAccepted")
        assert phase("Degraded")(found)
        platform.gateway.speak(TOKEN_RATE_LIMIT_POLICY, policy)
        found = world.client.until(MAAS_SUBSCRIPTION, name, TENANT, phase("Active"))
        assert _item(found)["reason"] == "Accepted"

    @pytest.mark.row("MAAS-RATE-019", "MAAS-STAT-024")
    def test_a_second_registration_of_a_model_does_not_lift_the_limits_of_the_first(self, world: World) -> None:
        world.governed()
        client = world.client
        client.until(MAAS_SUBSCRIPTION, world.name("sub"), TENANT, phase("Active"))
        world.model("twin", spec={"modelRef": {"kind": "LLMInferenceService", "name": "m1"}})
        name = world.subscribe("twin", Key(world.namespace, "twin"), limit=1_000_000)
        found = client.until(MAAS_SUBSCRIPTION, name, TENANT, lambda m: _item(m).get("reason") == "NotEnforced")
        assert phase("Degraded")(found)
        assert f"older MaaSModelRef {world.namespace}/m1" in _item(found)["message"]
        assert client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-twin", world.namespace) is None
        assert phase("Active")(client.get(MAAS_SUBSCRIPTION, world.name("sub"), TENANT))
        client.delete(MAAS_MODEL_REF, "m1", world.namespace)
        client.until(MAAS_SUBSCRIPTION, name, TENANT, phase("Active"))

    @pytest.mark.row("MAAS-CTRL-002")
    def test_dozens_of_subscriptions_on_one_model_are_active_and_share_its_policy(self, world: World) -> None:
        key, client = world.governed(), world.client
        for name in [world.subscribe(f"s{number}", key) for number in range(30)]:
            client.until(MAAS_SUBSCRIPTION, name, TENANT, phase("Active"))
        assert len(limits(client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace))) == 31


class TestSubscription:
    @pytest.mark.row("MAAS-STAT-021")
    def test_all_models_missing_fails_and_their_arrival_heals(self, world: World) -> None:
        key, client = Key(world.namespace, "m1"), world.client
        name = world.subscribe("sub", key)
        client.until(MAAS_SUBSCRIPTION, name, TENANT, phase("Failed"))
        world.service("m1")
        world.model("m1")
        client.until(MAAS_SUBSCRIPTION, name, TENANT, phase("Active"))

    @pytest.mark.row("MAAS-STAT-026")
    def test_equal_priorities_are_told_on_both_sides(self, world: World) -> None:
        key, client = world.service("m1"), world.client
        world.model("m1")
        priority = {"priority": int(world.token, 16) % 2_000_000_000}
        first = world.subscribe("first", key, spec=priority)
        second = world.subscribe("second", key, spec=priority)
        for name, peer in ((first, second), (second, first)):
            found = client.until(
                MAAS_SUBSCRIPTION, name, TENANT, condition("SpecPriorityDuplicate", "True", "SharedPriority")
            )
            assert found is not None
            assert peer in find(found["status"]["conditions"], "SpecPriorityDuplicate")["message"]
        client.delete(MAAS_SUBSCRIPTION, second, TENANT)
        client.until(MAAS_SUBSCRIPTION, first, TENANT, condition("SpecPriorityDuplicate", "False", "NoDuplicatePeers"))

    @pytest.mark.row("MAAS-CTRL-016", "MAAS-MT-008")
    def test_outside_a_tenants_namespace_nobody_cares_until_it_becomes_one(self, world: World) -> None:
        from harness.simulator.controllers.runtime.kind import MAAS_TENANT_CONFIG

        client = world.client
        client.create(MAAS_TENANT_CONFIG, "default-tenant", world.namespace, spec={})
        key = world.service("m1")
        world.model("m1")
        name = world.subscribe("sub", key, namespace=world.namespace)
        client.until(MAAS_SUBSCRIPTION, world.subscribe("inside", key), TENANT, phase("Active"))
        ignored = client.get(MAAS_SUBSCRIPTION, name, world.namespace)
        assert ignored is not None
        assert "finalizers" not in ignored["metadata"]
        assert "status" not in ignored
        label = {"metadata": {"labels": {"maas.opendatahub.io/managed-by-aitenant": "true"}}}
        client.patch(NAMESPACE, world.namespace, label)
        found = client.until(MAAS_SUBSCRIPTION, name, world.namespace, phase("Active"))
        assert found is not None
        assert found["metadata"]["finalizers"] == ["maas.opendatahub.io/subscription-cleanup"]


class TestAccess:
    @pytest.mark.row("MAAS-STAT-030", "MAAS-STAT-031")
    def test_phases_follow_the_models(self, world: World) -> None:
        key, client = world.service("m1"), world.client
        world.model("m1")
        both = world.allow("both", key, Key(world.namespace, "ghost"))
        none = world.allow("none", Key(world.namespace, "ghost"))
        found = client.until(MAAS_AUTH_POLICY, both, TENANT, phase("Degraded"))
        client.until(MAAS_AUTH_POLICY, none, TENANT, phase("Failed"))
        client.until(MAAS_AUTH_POLICY, world.allow("one", key), TENANT, phase("Active"))
        assert found is not None
        assert found["status"]["authPolicies"] == []
        assert found["metadata"]["finalizers"] == ["maas.opendatahub.io/authpolicy-cleanup"]

    @pytest.mark.row("MAAS-STAT-033")
    def test_a_strangers_policy_on_a_models_route_is_told_and_its_end_too(self, world: World) -> None:
        world.governed()
        client = world.client
        target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "m1-kserve-route"}
        client.create(AUTH_POLICY, "theirs", world.namespace, spec={"targetRef": target, "rules": {}})
        name = world.name("access")
        client.until(MAAS_AUTH_POLICY, name, TENANT, condition("ConflictingAuthPolicy", "True", "ConflictDetected"))
        client.delete(AUTH_POLICY, "theirs", world.namespace)
        client.until(MAAS_AUTH_POLICY, name, TENANT, condition("ConflictingAuthPolicy", "False", "NoConflict"))

    @pytest.mark.row("MAAS-CTRL-015", "MAAS-GW-008")
    def test_nothing_of_it_lands_in_the_gateways_policy(self, world: World) -> None:
        key, client = world.governed(), world.client
        before = client.get(AUTH_POLICY, "maas-gateway-auth", INGRESS)
        client.until(MAAS_AUTH_POLICY, world.allow("unique", key), TENANT, phase("Active"))
        after = client.get(AUTH_POLICY, "maas-gateway-auth", INGRESS)
        assert before is not None
        assert after is not None
        assert after["metadata"]["generation"] == before["metadata"]["generation"]
        assert after["spec"]["targetRef"]["kind"] == "Gateway"


class TestGateway:
    @pytest.mark.parametrize(
        ("kind", "name", "namespace"),
        [
            (AUTH_POLICY, "maas-gateway-auth", INGRESS),
            (TOKEN_RATE_LIMIT_POLICY, "gateway-default-deny", INGRESS),
            (HTTP_ROUTE, "maas-api-route", "odh-ai-gateway-infra"),
        ],
    )
    @pytest.mark.row("MAAS-CTRL-010", "MAAS-GW-003", "MAAS-GW-008", "MAAS-GW-009")
    def test_what_guards_the_gateway_comes_back_at_once(
        self, platform: Platform, kind: Any, name: str, namespace: str
    ) -> None:
        client = platform.client
        before = client.until(kind, name, namespace, bool)
        assert before is not None
        client.delete(kind, name, namespace)
        back = client.until(kind, name, namespace, lambda m: m and m["metadata"]["uid"] != before["metadata"]["uid"])
        assert back is not None
        assert back["spec"] == before["spec"]

    @pytest.mark.row("MAAS-GW-007")
    def test_the_standard_gateway_has_no_policy(self, platform: Platform) -> None:
        platform.client.until(AUTH_POLICY, "maas-gateway-auth", INGRESS, bool)
        platform.client.until(TOKEN_RATE_LIMIT_POLICY, "gateway-default-deny", INGRESS, bool)
        targets = {
            policy["spec"]["targetRef"]["name"]
            for kind in (AUTH_POLICY, TOKEN_RATE_LIMIT_POLICY)
            for policy in platform.client.all(kind, INGRESS)
        }
        assert "maas-default-gateway" in targets
        assert "openshift-ai-inference" not in targets  # tests that run beside this one have gateways of their own


def _item(found: dict[str, Any] | None) -> dict[str, Any]:
    entries = ((found or {}).get("status") or {}).get("tokenRateLimitStatuses") or [{}]
    return entries[0]  # type: ignore[no-any-return]
