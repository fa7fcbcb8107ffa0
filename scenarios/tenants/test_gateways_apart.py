"""Gateways beside each other: trouble stays where it is, routes attach where they may, and a model changes over under traffic."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from harness.client.exchange import Exchange
from harness.client.measuring import Call
from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Bound, Expectation, has_condition
from harness.platforms.platform import ModelHandle, Need
from harness.world.expectations import expect, expect_equal, expect_served, expect_status, listed_ids
from harness.world.force import model_ref
from harness.world.inference import Ask
from harness.world.patience import until
from harness.world.tenant import PLAIN_LISTENER, Tenant, expect_object, gateway_url
from harness.world.traffic import Traffic
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")
GATEWAY_API = "gateway.networking.k8s.io/v1"
STANDARD = "openshift-ai-inference"
ASK = Ask(max_tokens=2)


def own_gateway(world: World, tenant: Tenant, **listener: Any) -> Ref:
    """A Gateway of the check's own that no tenant has, so that MaaS governs nothing on it."""
    ref = Ref(GATEWAY_API, "Gateway", f"{world.name}-plain", tenant.gateway.namespace)
    usual = tenant.gateway_manifest()["spec"]
    spec = {**usual, "listeners": [{**PLAIN_LISTENER, **listener}]}
    metadata = {"name": ref.name, "namespace": ref.namespace}
    manifest = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": spec}
    world.declare(manifest, until=[has_condition(ref, "Programmed")])
    world.settle()
    return ref


def without_credential(world: World, gateway: Ref, model: ModelHandle) -> Call:
    """An inference call to a model on a gateway that MaaS does not govern."""
    url = gateway_url(world.estate.cluster.get(gateway) or {})
    return Call("POST", ASK.url(url, model), json=ASK.body(model))


def answered(world: World, call: Call) -> Exchange:
    """Unrecorded, for traffic: evidence would be hundreds of like exchanges."""
    return world.estate.client.send(call)


@check("MAAS-SETUP-006", needs=NEEDS)
def test_trouble_with_one_gateway_stays_there(world: World) -> None:
    tenant = world.tenant()
    customer = tenant.customer()
    plain = own_gateway(world, tenant)
    refs = [{"name": plain.name, "namespace": plain.namespace or ""}]
    standard = world.new_model(gateway=refs, registered=False)
    world.settle()
    expect_served(customer.infer(ASK))
    call = without_credential(world, plain, standard.handle)
    world.until(partial(world.wire.send, call), lambda answer: answer.status == 200)
    governed = governed_call(tenant, customer.credential.secret())
    with Traffic(partial(answered, world, call)) as beside:
        world.estate.cluster.patch(tenant.workload, {"metadata": {"annotations": {"opendatahub.io/managed": "false"}}})
        world.estate.cluster.patch(tenant.workload, {"spec": {"replicas": 0}})
        broken, _ = world.until(customer.infer, lambda answer: answer.status != 200)
        expect(broken.status != 200, expected="no service without the policy service", observed="200", exchange=broken)
        beside.expect_all_served(during="at the other gateway while a policy service of MaaS was away")
        world.estate.cluster.patch(tenant.workload, {"spec": {"replicas": 1}})
        world.until(customer.infer, lambda answer: answer.status == 200)
    beside.expect_all_served(during="at the other gateway while a policy service of MaaS was away and came back")
    with Traffic(partial(answered, world, governed)) as beside:
        world.estate.cluster.delete(plain)
        gone, _ = world.until(partial(world.wire.send, call), lambda answer: answer.status != 200)
        expect(gone.status != 200, expected="nothing served by a gateway that is gone", observed="200", exchange=gone)
    beside.expect_all_served(during="at the MaaS gateway while the other one went away")


def governed_call(tenant: Tenant, secret: Any) -> Call:
    """An inference call with a key, at the tenant's gateway."""
    url = ASK.url(tenant.wire.platform.endpoints.gateway, tenant.model())
    return Call("POST", url, credential=secret, json=ASK.body(tenant.model()))


@check("MAAS-SETUP-008", needs=("kube", "models", "standard-gateway"))
def test_a_model_changes_over_to_maas_under_traffic(world: World) -> None:
    platform, who = world.wire.platform, world.identity()
    place = platform.namespaces.gateway
    twin = world.new_model(gateway=[{"name": STANDARD, "namespace": place}], registered=True, governed=False)
    subscription = world.subscription(who, models=twin.handle, awaited=False)
    policy = world.policy(who, models=twin.handle, awaited=False)
    world.settle()
    assert platform.endpoints.standard_gateway is not None
    call = Call("POST", ASK.url(platform.endpoints.standard_gateway, twin.handle), json=ASK.body(twin.handle))
    expect_served(world.until(partial(world.wire.send, call), lambda answer: answer.status == 200)[0])
    with Traffic(partial(answered, world, call)) as traffic:
        add = {
            "op": "add",
            "path": "/spec/router/gateway/refs/-",
            "value": {"name": "maas-default-gateway", "namespace": place},
        }
        world.estate.cluster.patch(twin.backend, [add])
        world.await_phase(model_ref(twin.handle), "Ready")
        world.await_in_force(subscription, policy)
        customer = world.subscriber(who, subscription)
        listed, _ = until(
            customer.models,
            lambda answer: twin.handle.model_id in listed_ids(answer),
            Bound("revocation_bound_s", platform.parameters.revocation_bound_s),
        )
        expect(
            twin.handle.model_id in listed_ids(listed),
            expected=f"{twin.handle.model_id} is listed",
            observed="it is not",
            exchange=listed,
        )
        expect_status(customer.infer(ASK), 200, when="the model has changed over and the caller is entitled")
    traffic.expect_all_served(during="at the gateway that the model was on before, while it changed over")


@check("MAAS-GW-001", needs={"kube"})
def test_the_gateway_of_maas(world: World) -> None:
    """Its hostname is the installation's own, so it is not judged."""
    cluster, place = world.estate.cluster, world.wire.platform.namespaces.gateway
    gateway = cluster.get(Ref(GATEWAY_API, "Gateway", "maas-default-gateway", place)) or {}
    expect(bool(gateway), expected=f"Gateway {place}/maas-default-gateway", observed="it does not exist")
    expect_equal(gateway["spec"]["gatewayClassName"], "openshift-default", of="class of the gateway")
    usual = cluster.get(Ref(GATEWAY_API, "GatewayClass", "openshift-default")) or {}
    expect_equal(
        (usual.get("spec") or {}).get("controllerName"),
        "openshift.io/gateway-controller/v1",
        of="controller of the class",
    )
    secure = [entry for entry in gateway["spec"]["listeners"] if entry["protocol"] == "HTTPS"]
    expect_equal([entry["port"] for entry in secure], [443], of="ports of its HTTPS listeners")
    programmed = (condition(gateway, "Programmed") or {}).get("status")
    expect_equal(programmed, "True", of="its condition Programmed")


@check("MAAS-GW-002", needs=NEEDS)
def test_a_models_route_attaches_where_the_listener_lets_it(world: World) -> None:
    cluster = world.estate.cluster
    tenant = world.tenant(opened=False)
    usual = cluster.get(Ref(GATEWAY_API, "Gateway", "maas-default-gateway", tenant.gateway.namespace)) or {}
    narrow = [entry["name"] for entry in usual["spec"]["listeners"] if space_of(entry).get("from", "Same") == "Same"]
    expect_equal(narrow, [], of="listeners of the MaaS gateway that take routes of its own namespace alone")
    selected = {
        "from": "Selector",
        "selector": {"matchLabels": {"kubernetes.io/metadata.name": world.model().namespace}},
    }
    gateway = own_gateway(world, tenant, allowedRoutes={"namespaces": selected})
    refs = [{"name": gateway.name, "namespace": gateway.namespace or ""}]
    twin = world.new_model(gateway=refs, registered=False)
    world.settle()
    call = without_credential(world, gateway, twin.handle)
    expect_served(world.until(partial(world.wire.send, call), lambda answer: answer.status == 200)[0])
    routes = cluster.objects(
        GATEWAY_API, "HTTPRoute", namespace=twin.handle.namespace, labels=f"app.kubernetes.io/name={twin.handle.name}"
    )
    route = Ref.of(routes[0])
    cluster.patch(
        gateway, {"spec": {"listeners": [{**PLAIN_LISTENER, "allowedRoutes": {"namespaces": {"from": "Same"}}}]}}
    )
    expect_object(tenant, accepted(route, "False"))
    answer, _ = world.until(partial(world.wire.send, call), lambda answer: answer.status != 200)
    expect(
        answer.status != 200,
        expected="no service through a listener that takes no such route",
        observed="200",
        exchange=answer,
    )
    cluster.patch(gateway, {"spec": {"listeners": [{**PLAIN_LISTENER, "allowedRoutes": {"namespaces": selected}}]}})
    expect_object(tenant, accepted(route, "True"))
    expect_served(world.until(partial(world.wire.send, call), lambda answer: answer.status == 200)[0])


def space_of(listener: Mapping[str, Any]) -> Mapping[str, Any]:
    """From which namespaces a listener takes routes."""
    found: Mapping[str, Any] = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    return found


def accepted(route: Ref, status: str) -> Expectation:
    """The route's only parent says so."""

    def holds(manifest: Manifest | None) -> bool:
        parents = ((manifest or {}).get("status") or {}).get("parents") or ()
        said = [entry for parent in parents for entry in parent.get("conditions") or () if entry["type"] == "Accepted"]
        return bool(said) and all(entry["status"] == status for entry in said)

    return Expectation(route, f"Accepted={status}", holds)
