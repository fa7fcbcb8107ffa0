"""What the API server admits of models, quota and access: the schemas' rules, each with an object that breaks it alone."""

from typing import Any

import pytest

from harness.engine.declaration import check
from harness.kube.fault import Rejected
from harness.platforms.platform import Platform
from harness.world.admission import admitted, changed, expect_invalid, without
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.specimen import model_ref, policy, subscription
from harness.world.world import World


@pytest.mark.parametrize("path", ["spec", "spec.modelRef"])
@check("MAAS-CRD-001", needs={"kube"})
def test_a_model_reference_needs_its_parts(world: World, platform: Platform, path: str) -> None:
    valid = model_ref(platform)
    expect_invalid(world.estate.cluster, valid, without(valid, path))


@pytest.mark.parametrize("kind", ["InferenceService", "", "llminferenceservice"])
@check("MAAS-CRD-002", needs={"kube"})
def test_a_model_reference_knows_two_kinds(world: World, platform: Platform, kind: str) -> None:
    valid = model_ref(platform)
    expect_invalid(world.estate.cluster, valid, without(valid, "spec.modelRef.kind"))
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.modelRef.kind", kind))
    admitted(world.estate.cluster, changed(valid, "spec.modelRef.kind", "ExternalModel"))


@pytest.mark.parametrize("name", ["", "x" * 254], ids=["empty", "254"])
@check("MAAS-CRD-003", needs={"kube"})
def test_the_name_of_a_backend_has_1_to_253_characters(world: World, platform: Platform, name: str) -> None:
    for length in (1, 253):
        valid = changed(model_ref(platform), "spec.modelRef.name", "x" * length)
        expect_invalid(world.estate.cluster, valid, changed(valid, "spec.modelRef.name", name))
    expect_invalid(world.estate.cluster, valid, without(valid, "spec.modelRef.name"))


@pytest.mark.parametrize(
    "name",
    ["Bad_Name", "-a", "a-", "x" * 254, "a.b", "a/b", ""],
    ids=["case", "dash-first", "dash-last", "254", "dot", "slash", "empty"],
)
@check("MAAS-CRD-006", needs={"kube"})
def test_a_tenant_reference_is_a_dns_label(world: World, platform: Platform, name: str) -> None:
    valid, cluster = model_ref(platform), world.estate.cluster
    expect_invalid(cluster, valid, changed(valid, "spec.tenantRef", name))
    for proper in ("a", "0-9", "x" * 253):
        try:
            cluster.create(changed(valid, "spec.tenantRef", proper), dry_run=True)
        except Rejected as refused:  # for there is no such tenant (MAAS-WH-006), and not for how it is written
            expect(refused.status != 422, expected="no 422 for a proper label", observed=refused.message)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("spec.modelRefs", [], id="no-models"),
        pytest.param("spec.modelRefs", None, id="nothing"),
        pytest.param("spec.modelRefs.0.name", None, id="no-name"),
        pytest.param("spec.modelRefs.0.namespace", None, id="no-namespace"),
        pytest.param("spec.modelRefs.0.name", "x" * 64, id="long-name"),
        pytest.param("spec.modelRefs.0.namespace", "x" * 64, id="long-namespace"),
        pytest.param("spec.modelRefs.0.name", "", id="empty-name"),
        pytest.param("spec.modelRefs.0.namespace", "", id="empty-namespace"),
    ],
)
@check("MAAS-CRD-020", "MAAS-CRD-041", needs={"kube"})
def test_models_are_listed_by_name_and_namespace(world: World, platform: Platform, path: str, value: Any) -> None:
    for requirement, plain in (("MAAS-CRD-020", policy(platform)), ("MAAS-CRD-041", subscription(platform))):
        longest = changed(changed(plain, "spec.modelRefs.0.name", "x" * 63), "spec.modelRefs.0.namespace", "y" * 63)
        wrong = without(longest, path) if value is None else changed(longest, path, value)
        expect_invalid(world.estate.cluster, longest, wrong, requirement=requirement)


@pytest.mark.parametrize("subjects", [{}, {"groups": [], "users": []}], ids=["absent", "empty"])
@check("MAAS-CRD-021", needs={"kube"})
def test_a_policy_lets_somebody_in(world: World, platform: Platform, subjects: dict[str, Any]) -> None:
    valid = policy(platform)
    refused = expect_invalid(world.estate.cluster, valid, changed(valid, "spec.subjects", subjects))
    if subjects:
        # with both lists absent the rule may end in an error of its own, which names no reason
        said = "at least one group or user must be specified in subjects"
        expect(said in refused.message, expected=said, observed=refused.message)
    fewer: tuple[dict[str, Any], ...] = ({"users": []}, {"groups": []})
    for few in fewer:
        expect_invalid(world.estate.cluster, valid, changed(valid, "spec.subjects", few))
    expect_invalid(world.estate.cluster, valid, without(valid, "spec.subjects"))
    admitted(world.estate.cluster, changed(valid, "spec.subjects", {"users": ["somebody"]}))


@pytest.mark.parametrize("subjects", [{"groups": ["g"]}, {"users": [{"name": "u"}]}], ids=["groups", "users"])
@check("MAAS-CRD-022", needs={"kube"})
def test_groups_are_objects_and_users_are_strings(world: World, platform: Platform, subjects: dict[str, Any]) -> None:
    valid = policy(platform)
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.subjects", subjects))


@check("MAAS-CRD-040", needs={"kube"})
def test_a_subscription_may_belong_to_nobody(world: World, platform: Platform) -> None:
    valid = subscription(platform)
    admitted(world.estate.cluster, changed(valid, "spec.owner", {}))
    expect_invalid(world.estate.cluster, valid, without(valid, "spec.owner"))


@check("MAAS-CRD-042", needs={"kube"})
def test_a_subscribed_model_has_a_limit(world: World, platform: Platform) -> None:
    valid = subscription(platform)
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.modelRefs.0.tokenRateLimits", []))
    expect_invalid(world.estate.cluster, valid, without(valid, "spec.modelRefs.0.tokenRateLimits"))


@pytest.mark.parametrize("limit", [0, -1, 1_000_000_001, 1.5, "100"])
@check("MAAS-CRD-043", needs={"kube"})
def test_a_limit_is_between_one_and_a_billion(world: World, platform: Platform, limit: Any) -> None:
    path = "spec.modelRefs.0.tokenRateLimits.0.limit"
    for edge in (1, 1_000_000_000):
        valid = changed(subscription(platform), path, edge)
        expect_invalid(world.estate.cluster, valid, changed(valid, path, limit))


@pytest.mark.parametrize(
    "window", ["0s", "1d", "01m", "10000s", "1M", "1.5h", "", "m", "10", "-1s", " 1m", "1m ", "1m\n", "1٣m", "1h1m"]
)
@check("MAAS-CRD-044", needs={"kube"})
def test_a_window_is_a_whole_number_of_seconds_minutes_or_hours(world: World, platform: Platform, window: str) -> None:
    valid = subscription(platform)
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.modelRefs.0.tokenRateLimits.0.window", window))


@pytest.mark.parametrize("window", ["1s", "9999s", "24h", "9999h"])
@check("MAAS-CRD-044", "MAAS-CRD-045", needs={"kube"})
def test_windows_at_the_edges_are_admitted(world: World, platform: Platform, window: str) -> None:
    path = "spec.modelRefs.0.tokenRateLimits.0.window"
    admitted(world.estate.cluster, changed(subscription(platform), path, window), requirement="MAAS-CRD-044")


@check("MAAS-CRD-046", needs={"kube"})
def test_the_priority_is_zero_unless_it_is_given(world: World, platform: Platform) -> None:
    valid = subscription(platform)
    expect_equal(admitted(world.estate.cluster, valid)["spec"].get("priority"), 0, of="default priority")
    for priority in (-5, -(2**31), 2**31 - 1):
        stored = admitted(world.estate.cluster, changed(valid, "spec.priority", priority))
        expect_equal(stored["spec"]["priority"], priority, of="a priority as stored")
    for wrong in ("5", 1.5):
        expect_invalid(world.estate.cluster, valid, changed(valid, "spec.priority", wrong))


@check("MAAS-CRD-046", needs={"kube"})
def test_a_priority_below_zero_is_told_as_zero(world: World) -> None:
    who = world.identity("apart")
    below = world.subscription(who, priority=-5)
    world.policy(who)
    exchange = expect_served(world.person(who, below).gateway("GET", "/v1/subscriptions"))
    told = {one["subscription_id_header"]: one["priority"] for one in exchange.json()}
    expect_equal(told.get(below.name), 0, of="the priority -5 as listed", exchange=exchange)


@check("MAAS-CRD-047", needs={"kube"})
def test_a_billing_rate_states_its_price(world: World, platform: Platform) -> None:
    valid = changed(subscription(platform), "spec.modelRefs.0.billingRate", {"perToken": "0.001"})
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.modelRefs.0.billingRate", {}))
