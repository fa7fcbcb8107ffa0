"""What the API server admits of external models and their providers."""

from typing import Any

import pytest

from harness.engine.declaration import check
from harness.platforms.platform import Platform
from harness.world.admission import admitted, changed, expect_invalid, without
from harness.world.expectations import expect_equal
from harness.world.specimen import external_model, legacy_model, provider
from harness.world.world import World

HOST_OF_253 = "a." * 122 + "examples1"


@pytest.mark.parametrize(
    "endpoint",
    ["https://api.x", "api.x/v1", "", HOST_OF_253 + "2", "api.x:443", "api x"],
    ids=["scheme", "path", "empty", "254", "port", "space"],
)
@check("MAAS-CRD-060", needs={"kube"})
def test_the_endpoint_of_a_legacy_external_model_is_a_host(world: World, platform: Platform, endpoint: str) -> None:
    valid = changed(legacy_model(platform), "spec.endpoint", HOST_OF_253)
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.endpoint", endpoint))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("spec.provider", "", id="no-provider"),
        pytest.param("spec.provider", "p" * 64, id="long-provider"),
        pytest.param("spec.targetModel", "", id="no-target"),
        pytest.param("spec.targetModel", "t" * 254, id="long-target"),
        pytest.param("spec.credentialRef", {}, id="no-credential"),
        pytest.param("spec.credentialRef", None, id="no-reference"),
    ],
)
@check("MAAS-CRD-060", needs={"kube"})
def test_what_a_legacy_external_model_says(world: World, platform: Platform, path: str, value: Any) -> None:
    valid = changed(changed(legacy_model(platform), "spec.provider", "p" * 63), "spec.targetModel", "t" * 253)
    expect_invalid(world.estate.cluster, valid, without(valid, path) if value is None else changed(valid, path, value))


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
        pytest.param("spec.externalProviderRefs.0.path", "", id="empty-path"),
        pytest.param("spec.externalProviderRefs.0.targetModel", "", id="target"),
        pytest.param("spec.externalProviderRefs.0.config", ["a"], id="config-list"),
        pytest.param("spec.externalProviderRefs.0.config", {"a": 1}, id="config-number"),
    ],
)
@check("MAAS-CRD-063", needs={"kube"})
def test_the_providers_of_an_external_model(world: World, platform: Platform, path: str, value: Any) -> None:
    """Each beside two that are admitted: one with the least of everything, and one with the most."""
    least = most = external_model(platform)
    edges: tuple[tuple[str, Any, Any], ...] = (
        ("externalProviderRefs.0.weight", 0, 100),
        ("externalProviderRefs.0.path", "/", "/" + "p" * 511),
        ("externalProviderRefs.0.targetModel", "t", "t" * 253),
        ("externalProviderRefs.0.apiFormat", "f", "f" * 63),
        ("externalProviderRefs.0.config", {}, {"a": "b"}),
        ("modelName", "m", "m" * 253),
    )
    for place, low, high in edges:
        least, most = changed(least, f"spec.{place}", low), changed(most, f"spec.{place}", high)
    for valid in (least, most):
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


@check("MAAS-CRD-065", needs={"kube"})
def test_what_a_provider_says(world: World, platform: Platform) -> None:
    plain = provider(platform)
    for length in (1, 63):
        valid = changed(plain, "spec.provider", "p" * length)
        for wrong in ("", "p" * 64):
            expect_invalid(world.estate.cluster, valid, changed(valid, "spec.provider", wrong))
    expect_invalid(world.estate.cluster, plain, without(plain, "spec.auth"))
