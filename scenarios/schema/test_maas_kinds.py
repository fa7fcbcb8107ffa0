"""What the API server admits: the schemas of the MaaS kinds, each rule with an object that breaks it alone."""

from typing import Any

import pytest

from harness.engine.declaration import check
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest
from harness.platforms.platform import Platform
from harness.world.admission import admitted, changed, expect_invalid, without
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.governance import MAAS
from harness.world.world import World

INFERENCE = "inference.opendatahub.io/v1alpha1"


def named(
    kind: str, namespace: str | None, spec: dict[str, Any], *, name: str = "mc-schema", group: str = MAAS
) -> Manifest:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec}


def model_ref(platform: Platform) -> Manifest:
    return named("MaaSModelRef", platform.namespaces.models, {"modelRef": {"kind": "LLMInferenceService", "name": "m"}})


def policy(platform: Platform) -> Manifest:
    spec = {"modelRefs": [{"name": "m", "namespace": "llm"}], "subjects": {"groups": [{"name": "g"}]}}
    return named("MaaSAuthPolicy", platform.namespaces.subscriptions, spec)


def subscription(platform: Platform) -> Manifest:
    refs = [{"name": "m", "namespace": "llm", "tokenRateLimits": [{"limit": 100, "window": "1m"}]}]
    spec = {"owner": {"groups": [{"name": "g"}]}, "modelRefs": refs}
    return named("MaaSSubscription", platform.namespaces.subscriptions, spec)


def tenant(platform: Platform) -> Manifest:
    spec = {"gateway": {"name": "mc-gateway"}, "oidc": {"issuerUrl": "https://id.example", "clientId": "c"}}
    return named("AITenant", "ai-tenants", spec)


def external_model(platform: Platform) -> Manifest:
    ref = {
        "ref": {"name": "provider"},
        "targetModel": "t",
        "apiFormat": "openai",
        "path": "/v1/chat/completions",
        "auth": {"type": "apikey", "secretRef": {"name": "s"}},
    }
    return named("ExternalModel", platform.namespaces.models, {"externalProviderRefs": [ref]}, group=INFERENCE)


def provider(platform: Platform) -> Manifest:
    spec = {"provider": "openai", "endpoint": "api.example.com", "auth": {"type": "apikey", "secretRef": {"name": "s"}}}
    return named("ExternalProvider", platform.namespaces.models, spec, group=INFERENCE)


def legacy_model(platform: Platform) -> Manifest:
    spec = {"provider": "openai", "targetModel": "t", "endpoint": "api.example.com", "credentialRef": {"name": "s"}}
    return named("ExternalModel", platform.namespaces.models, spec)


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
    valid = changed(model_ref(platform), "spec.modelRef.name", "x" * 253)
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.modelRef.name", name))


@pytest.mark.parametrize("name", ["Bad_Name", "-a", "a-", "x" * 254], ids=["case", "dash-first", "dash-last", "254"])
@check("MAAS-CRD-006", needs={"kube"})
def test_a_tenant_reference_is_a_dns_label(world: World, platform: Platform, name: str) -> None:
    valid = model_ref(platform)
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.tenantRef", name))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("spec.modelRefs", [], id="no-models"),
        pytest.param("spec.modelRefs", [{"name": "m"}], id="no-namespace"),
        pytest.param("spec.modelRefs.0.name", "x" * 64, id="long-name"),
        pytest.param("spec.modelRefs.0.namespace", "", id="empty-namespace"),
    ],
)
@check("MAAS-CRD-020", "MAAS-CRD-041", needs={"kube"})
def test_models_are_listed_by_name_and_namespace(world: World, platform: Platform, path: str, value: Any) -> None:
    for requirement, valid in (("MAAS-CRD-020", policy(platform)), ("MAAS-CRD-041", subscription(platform))):
        if requirement == "MAAS-CRD-041" and value and isinstance(value, list):
            value = [{**value[0], "tokenRateLimits": [{"limit": 1, "window": "1m"}]}]
        expect_invalid(world.estate.cluster, valid, changed(valid, path, value), requirement=requirement)


@pytest.mark.parametrize("subjects", [{}, {"groups": [], "users": []}], ids=["absent", "empty"])
@check("MAAS-CRD-021", needs={"kube"})
def test_a_policy_lets_somebody_in(world: World, platform: Platform, subjects: dict[str, Any]) -> None:
    valid = policy(platform)
    refused = expect_invalid(world.estate.cluster, valid, changed(valid, "spec.subjects", subjects))
    if subjects:
        # with both lists absent the rule may end in an error of its own, which names no reason
        said = "at least one group or user must be specified in subjects"
        expect(said in refused.message, expected=said, observed=refused.message)
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


@pytest.mark.parametrize("limit", [0, -1, 1_000_000_001])
@check("MAAS-CRD-043", needs={"kube"})
def test_a_limit_is_between_one_and_a_billion(world: World, platform: Platform, limit: int) -> None:
    path = "spec.modelRefs.0.tokenRateLimits.0.limit"
    for edge in (1, 1_000_000_000):
        valid = changed(subscription(platform), path, edge)
        expect_invalid(world.estate.cluster, valid, changed(valid, path, limit))


@pytest.mark.parametrize("window", ["0s", "1d", "01m", "10000s", "1M", "1.5h", "", "m", "10"])
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
    negative = admitted(world.estate.cluster, changed(valid, "spec.priority", -5))
    expect_equal(negative["spec"]["priority"], -5, of="a negative priority as stored")


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


@pytest.mark.parametrize("endpoint", ["https://api.x", "api.x/v1", ""], ids=["scheme", "path", "empty"])
@check("MAAS-CRD-060", needs={"kube"})
def test_the_endpoint_of_a_legacy_external_model_is_a_host(world: World, platform: Platform, endpoint: str) -> None:
    valid = legacy_model(platform)
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.endpoint", endpoint))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("spec.provider", "", id="no-provider"),
        pytest.param("spec.provider", "p" * 64, id="long-provider"),
        pytest.param("spec.targetModel", "", id="no-target"),
        pytest.param("spec.targetModel", "t" * 254, id="long-target"),
        pytest.param("spec.credentialRef", {}, id="no-credential"),
    ],
)
@check("MAAS-CRD-060", needs={"kube"})
def test_what_a_legacy_external_model_says(world: World, platform: Platform, path: str, value: Any) -> None:
    valid = changed(changed(legacy_model(platform), "spec.provider", "p" * 63), "spec.targetModel", "t" * 253)
    expect_invalid(world.estate.cluster, valid, changed(valid, path, value))


@check("MAAS-CRD-063", needs={"kube"})
def test_a_provider_has_a_share_of_one_unless_said_otherwise(world: World, platform: Platform) -> None:
    stored = admitted(world.estate.cluster, external_model(platform))
    expect_equal(stored["spec"]["externalProviderRefs"][0].get("weight"), 1, of="default weight")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("spec.externalProviderRefs", [], id="none"),
        pytest.param("spec.externalProviderRefs.0.weight", -1, id="negative-weight"),
        pytest.param("spec.externalProviderRefs.0.apiFormat", "", id="format"),
        pytest.param("spec.externalProviderRefs.0.apiFormat", "f" * 64, id="long-format"),
        pytest.param("spec.externalProviderRefs.0.targetModel", "t" * 254, id="long-target"),
        pytest.param("spec.externalProviderRefs.0.path", "/" + "p" * 512, id="long-path"),
        pytest.param("spec.modelName", "m" * 254, id="long-name"),
        pytest.param("spec.externalProviderRefs.0.weight", 101, id="weight"),
        pytest.param("spec.externalProviderRefs.0.path", "v1", id="path"),
        pytest.param("spec.externalProviderRefs.0.targetModel", "", id="target"),
    ],
)
@check("MAAS-CRD-063", needs={"kube"})
def test_the_providers_of_an_external_model(world: World, platform: Platform, path: str, value: Any) -> None:
    valid = external_model(platform)
    expect_invalid(world.estate.cluster, valid, changed(valid, path, value))


@check("MAAS-CRD-063", needs={"kube"})
def test_an_external_model_has_64_providers_at_most(world: World, platform: Platform) -> None:
    one = external_model(platform)
    ref = one["spec"]["externalProviderRefs"][0]
    many = changed(one, "spec.externalProviderRefs", [{**ref, "ref": {"name": f"p{number}"}} for number in range(64)])
    more = changed(one, "spec.externalProviderRefs", [{**ref, "ref": {"name": f"p{number}"}} for number in range(65)])
    expect_invalid(world.estate.cluster, many, more)


@check("MAAS-CRD-064", needs={"kube"})
def test_how_a_provider_authenticates_is_one_of_four_ways(world: World, platform: Platform) -> None:
    for valid, path in (
        (external_model(platform), "spec.externalProviderRefs.0.auth.type"),
        (provider(platform), "spec.auth.type"),
    ):
        expect_invalid(world.estate.cluster, valid, changed(valid, path, "basic"))
        for known in ("apikey", "simple", "sigv4", "oauth2"):
            admitted(world.estate.cluster, changed(valid, path, known))


@pytest.mark.parametrize("endpoint", ["localhost", "https://api.example.com"])
@check("MAAS-CRD-065", needs={"kube"})
def test_the_endpoint_of_a_provider_has_a_dot_and_no_scheme(world: World, platform: Platform, endpoint: str) -> None:
    valid = provider(platform)
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.endpoint", endpoint))


@pytest.mark.parametrize("name", ["x" * 42, "a.b"], ids=["42", "dot"])
@check("MAAS-CRD-080", needs={"kube"})
def test_the_name_of_a_tenant_is_a_label_of_41_characters(world: World, platform: Platform, name: str) -> None:
    valid = changed(tenant(platform), "metadata.name", "x" * 41)
    expect_invalid(world.estate.cluster, valid, changed(valid, "metadata.name", name))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("spec.oidc.issuerUrl", "http://id.example", id="http"),
        pytest.param("spec.oidc.clientId", "a b", id="space"),
        pytest.param("spec.oidc.clientId", "", id="empty"),
        pytest.param("spec.oidc.ttl", 29, id="ttl"),
    ],
)
@check("MAAS-CRD-082", needs={"kube"})
def test_the_oidc_settings_of_a_tenant(world: World, platform: Platform, path: str, value: Any) -> None:
    valid = tenant(platform)
    expect_invalid(world.estate.cluster, valid, changed(valid, path, value))


@check("MAAS-CRD-082", needs={"kube"})
def test_oidc_keys_are_kept_for_five_minutes_unless_said_otherwise(world: World, platform: Platform) -> None:
    stored = admitted(world.estate.cluster, tenant(platform))
    expect_equal(stored["spec"]["oidc"].get("ttl"), 300, of="default ttl")


@check("MAAS-CRD-090", needs={"kube"})
def test_a_tenants_configuration_is_called_default_tenant(world: World) -> None:
    namespace = f"{world.estate.namespace}"
    world.identity()
    world.settle()
    valid = named("MaasTenantConfig", namespace, {}, name="default-tenant")
    expect_invalid(world.estate.cluster, valid, changed(valid, "metadata.name", "other"))


@check("MAAS-CRD-091", needs={"kube"})
def test_keys_live_a_day_at_least(world: World) -> None:
    world.identity()
    world.settle()
    valid = named(
        "MaasTenantConfig", world.estate.namespace, {"apiKeys": {"maxExpirationDays": 1}}, name="default-tenant"
    )
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.apiKeys.maxExpirationDays", 0))


@pytest.mark.parametrize("replicas", [0, 101])
@check("MAAS-CRD-093", needs={"kube"})
def test_payload_processing_has_1_to_100_replicas(world: World, replicas: int) -> None:
    world.identity()
    world.settle()
    valid = named(
        "MaasTenantConfig", world.estate.namespace, {"payloadProcessing": {"replicas": 100}}, name="default-tenant"
    )
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.payloadProcessing.replicas", replicas))


@pytest.mark.parametrize("field", ["maxReplicas", "targetCPUUtilization", "targetMemoryUtilization"])
@check("MAAS-CRD-093", needs={"kube"})
def test_payload_processing_scales_within_bounds(world: World, field: str) -> None:
    world.identity()
    world.settle()
    spec: dict[str, Any] = {"payloadProcessing": {"autoscaling": {}}}
    valid = named("MaasTenantConfig", world.estate.namespace, spec, name="default-tenant")
    stored = admitted(world.estate.cluster, valid)["spec"]["payloadProcessing"]["autoscaling"]
    default = {"maxReplicas": 10, "targetCPUUtilization": 70, "targetMemoryUtilization": 80}
    expect_equal(stored.get(field), default[field], of=f"default of {field}")
    for wrong in (0, 101):
        place = f"spec.payloadProcessing.autoscaling.{field}"
        expect_invalid(world.estate.cluster, changed(valid, place, 100), changed(valid, place, wrong))


@check("MAAS-CRD-092", needs={"kube"})
def test_telemetry_that_is_mentioned_in_passing_is_on(world: World) -> None:
    world.identity()
    world.settle()
    manifest = named("MaasTenantConfig", world.estate.namespace, {"telemetry": {}}, name="default-tenant")
    expect_equal(
        admitted(world.estate.cluster, manifest)["spec"]["telemetry"].get("enabled"), True, of="telemetry.enabled"
    )
    silent = admitted(world.estate.cluster, changed(manifest, "spec", {}))
    expect_equal("telemetry" in (silent.get("spec") or {}), False, of="telemetry where nobody mentions it")


@check("MAAS-CRD-092", needs={"kube"})
def test_telemetry_that_is_mentioned_is_on(world: World) -> None:
    world.identity()
    world.settle()
    manifest = named("MaasTenantConfig", world.estate.namespace, {"telemetry": {"metrics": {}}}, name="default-tenant")
    telemetry = admitted(world.estate.cluster, manifest)["spec"]["telemetry"]
    expect_equal(telemetry.get("enabled"), True, of="telemetry.enabled")
    wanted = {"captureOrganization": True, "captureUser": False, "captureGroup": False, "captureModelUsage": True}
    expect_equal({key: telemetry["metrics"].get(key) for key in wanted}, wanted, of="telemetry.metrics")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("metadata.name", "other", id="name"),
        pytest.param("spec.limitadorScrapeInterval", "often", id="interval"),
        pytest.param("spec.limitadorScrapeInterval", "1000000000000000s", id="long-interval"),
    ],
)
@check("MAAS-CRD-099", needs={"kube"})
def test_the_platforms_configuration_is_a_singleton(world: World, path: str, value: str) -> None:
    """An update, because the singleton may exist: its own name is taken then."""
    valid = named("Config", None, {"usageLogging": False}, name="default")
    wrong = changed(valid, path, value)
    world.estate.cluster.apply(valid, dry_run=True)
    with pytest.raises(Rejected) as refused:
        world.estate.cluster.apply(wrong, dry_run=True)
    expect_equal(refused.value.status, 422, of="status of the refusal")
