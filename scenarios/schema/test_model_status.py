"""What a MaaSModelRef's status is made of, by its definition and in an object that is in force."""

from typing import Any, Final

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref
from harness.world.expectations import expect, expect_equal
from harness.world.force import model_ref
from harness.world.twin import MAAS_GATEWAY
from harness.world.world import World

TYPES: Final = {
    "phase": "string",
    "endpoint": "string",
    "httpRouteName": "string",
    "httpRouteNamespace": "string",
    "httpRouteGatewayName": "string",
    "httpRouteGatewayNamespace": "string",
    "httpRouteHostnames": "array",
    "resolvedTenantRef": "string",
    "resolvedModelAlias": "string",
    "conditions": "array",
}
PHASES: Final = {"Pending", "Ready", "Unhealthy", "Failed", "Invalid"}


@check("MAAS-CRD-007", needs={"kube"})
def test_the_status_of_a_model_is_defined(world: World) -> None:
    ref = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "maasmodelrefs.maas.opendatahub.io")
    definition = world.estate.cluster.get(ref)
    expect(definition is not None, expected=f"{ref}", observed="it does not exist")
    assert definition is not None
    for version in definition["spec"]["versions"]:
        fields = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
        found = {name: fields.get(name, {}).get("type") for name in TYPES}
        expect_equal(found, TYPES, of=f"types of the status in {version['name']}")
        expect_equal(set(fields["phase"].get("enum") or ()), PHASES, of="phases")
        expect_equal(fields["httpRouteHostnames"]["items"].get("type"), "string", of="type of a hostname")


@check("MAAS-CRD-007", needs={"kube"})
def test_the_status_of_a_model_in_force_leads_to_its_route_and_gateway(world: World) -> None:
    model = world.model()
    status = (world.estate.cluster.get(model_ref(model)) or {}).get("status") or {}
    expect_equal(status.get("phase"), "Ready", of="phase")
    expect_equal(status.get("resolvedModelAlias"), model.model_id, of="resolvedModelAlias")
    gateway = {"name": MAAS_GATEWAY, "namespace": world.wire.platform.namespaces.gateway}
    told = {"name": status.get("httpRouteGatewayName"), "namespace": status.get("httpRouteGatewayNamespace")}
    expect_equal(told, gateway, of="the gateway that the status names")
    expect(str(status.get("endpoint")).startswith("http"), expected="a URL", observed=repr(status.get("endpoint")))
    ref = Ref(
        "gateway.networking.k8s.io/v1", "HTTPRoute", str(status.get("httpRouteName")), status.get("httpRouteNamespace")
    )
    route = world.estate.cluster.get(ref)
    expect(route is not None, expected=f"{ref}, which the status names", observed="it does not exist")
    assert route is not None
    expect(gateway in parents(route), expected=f"{gateway} among the parents of {ref}", observed=repr(parents(route)))
    expect_equal(status.get("httpRouteHostnames") or [], route["spec"].get("hostnames") or [], of="httpRouteHostnames")


def parents(route: Manifest) -> list[dict[str, Any]]:
    """Name and namespace of the gateways that a route attaches to."""
    home = route["metadata"]["namespace"]
    return [
        {"name": one["name"], "namespace": one.get("namespace") or home}
        for one in route["spec"].get("parentRefs") or ()
    ]
