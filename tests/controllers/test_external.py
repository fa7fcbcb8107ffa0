"""Models of providers outside the cluster: pure functions first, then the process on a real API server."""

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.simulator.controllers.kserve.address import LISTENER_URLS
from harness.simulator.controllers.maas.backend import announced_endpoint
from harness.simulator.controllers.maas.names import Settings
from harness.simulator.controllers.maas.provider import (
    InvalidProviderError,
    Provider,
    described,
    external_route,
    legacy_provider,
    provider_service,
)
from harness.simulator.controllers.runtime.kind import (
    EVENT,
    EXTERNAL_MODEL,
    EXTERNAL_PROVIDER,
    HTTP_ROUTE,
    LEGACY_EXTERNAL_MODEL,
    MAAS_MODEL_REF,
    SERVICE,
)
from harness.simulator.controllers.runtime.manifest import Key
from tests.controllers.conftest import Platform
from tests.controllers.objects import made
from tests.controllers.world import World, gone, phase

SPEC = {
    "provider": "openai",
    "targetModel": "gpt-4o-2024",
    "endpoint": "api.example.com",
    "credentialRef": {"name": "key"},
}


PROVIDER = {
    "provider": "openai",
    "endpoint": "api.example.com",
    "auth": {"type": "apikey", "secretRef": {"name": "key"}},
}


def reference(provider: str, target: str = "t", **more: Any) -> dict[str, Any]:
    return {"ref": {"name": provider}, "targetModel": target, "apiFormat": "openai", **more}


def model(**notes: str) -> dict[str, Any]:
    annotations = {f"maas.opendatahub.io/{name}": value for name, value in notes.items()}
    return made("ExternalModel", "gpt-4o", metadata={"annotations": annotations}, spec=SPEC)


class TestPure:
    def test_defaults_are_tls_on_443(self) -> None:
        assert legacy_provider(model()) == Provider("maas-gpt-4o", "api.example.com", 443, True)
        assert legacy_provider(model(port="8080", tls="false")) == Provider(
            "maas-gpt-4o", "api.example.com", 8080, False
        )

    @pytest.mark.parametrize("notes", [{"port": "0"}, {"port": "abc"}, {"port": "65536"}, {"tls": "maybe"}])
    def test_what_cannot_be_used_is_named(self, notes: dict[str, str]) -> None:
        with pytest.raises(InvalidProviderError, match=f"maas.opendatahub.io/{next(iter(notes))} is .*expected"):
            described(model(**notes), "s")

    def test_capitals_of_a_host_are_none_of_a_service(self) -> None:
        written = {**model(), "spec": {**SPEC, "endpoint": "API.Example.com"}}
        assert legacy_provider(written).host == "api.example.com"

    def test_the_service_stands_for_the_host(self) -> None:
        built = provider_service(model(), legacy_provider(model()), "gpt-4o")
        assert built["spec"]["externalName"] == "api.example.com"
        assert built["spec"]["ports"][0]["appProtocol"] == "https"
        assert built["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "maas-external-model-reconciler"

    def test_the_route_leads_there_by_path_and_by_name(self) -> None:
        built = external_route(model(), "r", ["gpt-4o", "target"], [legacy_provider(model())], Settings().gateway)
        by_path, by_name = built["spec"]["rules"]
        assert by_path["matches"][0]["path"]["value"] == "/llm/gpt-4o"
        assert [match["headers"][0]["value"] for match in by_name["matches"]] == ["gpt-4o", "target"]
        for rule in (by_path, by_name):
            assert rule["timeouts"] == {"request": "300s"}
            assert rule["filters"][0]["requestHeaderModifier"]["set"] == [{"name": "Host", "value": "api.example.com"}]

    def test_of_several_providers_each_keeps_its_weight_and_host(self) -> None:
        two = [Provider("a", "a.example", weight=3), Provider("b", "b.example", weight=1)]
        rule = external_route(model(), "r", ["m"], two, Settings().gateway)["spec"]["rules"][1]
        assert [(ref["name"], ref["weight"]) for ref in rule["backendRefs"]] == [("a", 3), ("b", 1)]
        assert rule["filters"] == []

    @pytest.mark.parametrize(
        ("urls", "hostnames", "endpoint"),
        [
            ({"http": "http://127.0.0.1:4123/"}, [], "http://127.0.0.1:4123"),
            ({"http": "http://127.0.0.1:4123", "https": "https://127.0.0.1:4124"}, [], "https://127.0.0.1:4124"),
            ({"http": "http://127.0.0.1:4123"}, ["models.example.com"], ""),
            ({}, [], ""),
        ],
    )
    def test_the_endpoint_is_where_the_gateway_says_that_it_is(
        self, urls: dict[str, str], hostnames: list[str], endpoint: str
    ) -> None:
        gateway = made("Gateway", "gw", metadata={"annotations": {LISTENER_URLS: json.dumps(urls)}})
        view: Any = SimpleNamespace(cluster=SimpleNamespace(store=lambda _: {Key("llm", "gw"): gateway}))
        route = made("HTTPRoute", "r", spec={"hostnames": hostnames})
        assert announced_endpoint(view, route, Key("llm", "gw")) == endpoint


@pytest.fixture
def world(platform: Platform) -> World:
    return World(platform.client)


def refer(world: World, name: str) -> None:
    world.model(name, spec={"modelRef": {"kind": "ExternalModel", "name": name}})


@pytest.mark.row("MAAS-GW-016", "MAAS-GW-018", "MAAS-CTRL-020", "MAAS-CRD-068")
def test_a_legacy_model_has_a_service_and_a_route_that_go_with_it(world: World) -> None:
    client, name = world.client, world.name("gpt")
    client.create(LEGACY_EXTERNAL_MODEL, name, world.namespace, spec=SPEC)
    refer(world, name)
    key = Key(world.namespace, name)
    world.subscribe("sub", key)
    world.allow("access", key)
    found = client.until(MAAS_MODEL_REF, name, world.namespace, phase("Ready"))
    assert found is not None
    assert found["status"]["resolvedModelAlias"] == name
    assert urlsplit(found["status"]["endpoint"]).path == ""
    assert found["status"]["httpRouteName"] == f"maas-{name}"
    service = client.get(SERVICE, f"maas-{name}", world.namespace)
    assert service is not None
    assert service["spec"]["externalName"] == "api.example.com"
    client.delete(HTTP_ROUTE, f"maas-{name}", world.namespace)
    client.until(HTTP_ROUTE, f"maas-{name}", world.namespace, bool)
    client.delete(LEGACY_EXTERNAL_MODEL, name, world.namespace)
    client.until(HTTP_ROUTE, f"maas-{name}", world.namespace, gone)
    client.until(MAAS_MODEL_REF, name, world.namespace, phase("Failed"))


@pytest.mark.row("MAAS-CRD-062")
def test_a_legacy_model_with_a_port_that_is_none_gets_no_route_and_a_warning(world: World) -> None:
    client, name = world.client, world.name("gpt")
    notes = {"maas.opendatahub.io/port": "abc"}
    client.create(LEGACY_EXTERNAL_MODEL, name, world.namespace, metadata={"annotations": notes}, spec=SPEC)
    client.until(LEGACY_EXTERNAL_MODEL, name, world.namespace, phase("Failed"))
    assert client.get(HTTP_ROUTE, f"maas-{name}", world.namespace) is None
    mended = {"metadata": {"annotations": {"maas.opendatahub.io/port": "8443"}}}
    client.patch(LEGACY_EXTERNAL_MODEL, name, mended, world.namespace)
    client.until(HTTP_ROUTE, f"maas-{name}", world.namespace, bool)
    assert [event["reason"] for event in client.all(EVENT, world.namespace)] == ["InvalidProvider"]


@pytest.mark.row("MAAS-CRD-067", "MAAS-SETUP-010")
def test_a_model_of_the_inference_group_goes_before_a_legacy_one(world: World) -> None:
    client, name = world.client, world.name("gpt")
    client.create(LEGACY_EXTERNAL_MODEL, name, world.namespace, spec=SPEC)
    client.create(EXTERNAL_MODEL, name, world.namespace, spec={"externalProviderRefs": [reference("provider")]})
    client.until(EXTERNAL_MODEL, name, world.namespace, phase("Failed"))
    client.create(EXTERNAL_PROVIDER, "provider", world.namespace, spec=PROVIDER)
    found = client.until(EXTERNAL_MODEL, name, world.namespace, phase("Ready"))
    assert found is not None
    assert found["status"]["httpRouteName"] == name
    refer(world, name)
    model = client.until(
        MAAS_MODEL_REF, name, world.namespace, lambda m: m and (m.get("status") or {}).get("httpRouteName")
    )
    assert model is not None
    assert model["status"]["httpRouteName"] == name


def test_a_provider_has_one_service_whichever_models_refer_to_it(world: World) -> None:
    client, provider = world.client, world.name("provider")
    client.create(EXTERNAL_PROVIDER, provider, world.namespace, spec=PROVIDER)
    client.until(EXTERNAL_PROVIDER, provider, world.namespace, phase("Ready"))
    names = [world.name("gpt"), world.name("other")]
    for name in names:
        client.create(
            EXTERNAL_MODEL, name, world.namespace, spec={"externalProviderRefs": [reference(provider, "same")]}
        )
    for name in names:
        client.until(EXTERNAL_MODEL, name, world.namespace, phase("Ready"))
        route = client.get(HTTP_ROUTE, name, world.namespace)
        assert route is not None
        by_name = route["spec"]["rules"][1]["matches"]
        assert [match["headers"][0]["value"] for match in by_name] == [name]
    service = client.get(SERVICE, provider, world.namespace)
    assert service is not None
    assert service["metadata"]["labels"]["maas.opendatahub.io/external-provider"] == provider
    assert [owner["kind"] for owner in service["metadata"]["ownerReferences"]] == ["ExternalProvider"]
    client.delete(SERVICE, provider, world.namespace)
    client.until(SERVICE, provider, world.namespace, bool)
    client.delete(EXTERNAL_PROVIDER, provider, world.namespace)
    client.until(SERVICE, provider, world.namespace, gone)
    client.until(EXTERNAL_MODEL, names[0], world.namespace, phase("Failed"))


@pytest.mark.parametrize(
    ("auth", "said"),
    [({"type": "sigv4"}, "type sigv4, expected apikey or simple"), ({"type": "apikey"}, "names no Secret")],
)
def test_a_provider_that_cannot_be_authenticated_to_is_none(world: World, auth: dict[str, Any], said: str) -> None:
    client, name = world.client, world.name("provider")
    client.create(EXTERNAL_PROVIDER, name, world.namespace, spec={**PROVIDER, "auth": auth})
    client.create(EXTERNAL_MODEL, name, world.namespace, spec={"externalProviderRefs": [reference(name)]})
    for kind in (EXTERNAL_PROVIDER, EXTERNAL_MODEL):
        found = client.until(kind, name, world.namespace, phase("Failed"))
        assert found is not None
        assert said in found["status"]["conditions"][0]["message"]
    own = reference(name, auth={"type": "apikey", "secretRef": {"name": "own"}})
    client.patch(EXTERNAL_MODEL, name, {"spec": {"externalProviderRefs": [own]}}, world.namespace)
    client.until(EXTERNAL_MODEL, name, world.namespace, phase("Ready"))
    client.until(SERVICE, name, world.namespace, bool)
