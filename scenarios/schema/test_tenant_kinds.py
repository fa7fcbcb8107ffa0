"""What the API server admits of tenants and of what configures them."""

from typing import Any

import pytest

from harness.engine.declaration import check
from harness.kube.fault import Rejected
from harness.platforms.platform import Platform
from harness.world.admission import admitted, changed, expect_invalid, without
from harness.world.expectations import expect_equal, fail
from harness.world.specimen import named, tenant
from harness.world.world import World


@pytest.mark.parametrize("name", ["x" * 42, "a.b", "-a", "a_b"], ids=["42", "dot", "dash-first", "underscore"])
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
        pytest.param("spec.oidc.clientId", "c" * 257, id="long-client"),
        pytest.param("spec.oidc.clientId", None, id="no-client"),
        pytest.param("spec.oidc.issuerUrl", "https://", id="nowhere"),
        pytest.param("spec.oidc.issuerUrl", "https://" + "i" * 2041, id="long-issuer"),
        pytest.param("spec.oidc.issuerUrl", "https://a b", id="issuer-space"),
        pytest.param("spec.oidc.issuerUrl", None, id="no-issuer"),
        pytest.param("spec.oidc.ttl", 29, id="ttl"),
    ],
)
@check("MAAS-CRD-082", needs={"kube"})
def test_the_oidc_settings_of_a_tenant(world: World, platform: Platform, path: str, value: Any) -> None:
    """Each beside the shortest and the longest that is admitted."""
    for issuer, client in (("https://i", "c"), ("https://" + "i" * 2040, "c" * 256)):
        oidc = {"issuerUrl": issuer, "clientId": client, "ttl": 30}
        valid = changed(tenant(platform), "spec.oidc", oidc)
        wrong = without(valid, path) if value is None else changed(valid, path, value)
        expect_invalid(world.estate.cluster, valid, wrong)


@check("MAAS-CRD-081", needs={"kube"})
def test_the_name_of_a_tenants_gateway_has_63_characters_at_most(world: World, platform: Platform) -> None:
    valid = changed(tenant(platform), "spec.gateway.name", "g" * 63)
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.gateway.name", "g" * 64))


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
    for edge in (1, 100):
        spec = {"payloadProcessing": {"replicas": edge}}
        valid = named("MaasTenantConfig", world.estate.namespace, spec, name="default-tenant")
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
        for edge in (1, 100):
            expect_invalid(world.estate.cluster, changed(valid, place, edge), changed(valid, place, wrong))


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
        pytest.param("spec.limitadorScrapeInterval", "10", id="no-unit"),
        pytest.param("spec.limitadorScrapeInterval", "1d", id="days"),
        pytest.param("spec.limitadorScrapeInterval", "", id="empty"),
    ],
)
@check("MAAS-CRD-099", needs={"kube"})
def test_the_platforms_configuration_is_a_singleton(world: World, path: str, value: str) -> None:
    """An update, because the singleton may exist: its own name is taken then."""
    cluster, valid = world.estate.cluster, named("Config", None, {"usageLogging": False}, name="default")
    for proper in ("30s", "1.5h30m", "100000000000000s"):
        cluster.apply(changed(valid, "spec.limitadorScrapeInterval", proper), dry_run=True)
    try:
        cluster.apply(changed(valid, path, value), dry_run=True)
    except Rejected as refused:
        expect_equal(refused.status, 422, of="status of the refusal")
    else:
        fail(f"a refusal of {path} {value!r}", "it was admitted")
