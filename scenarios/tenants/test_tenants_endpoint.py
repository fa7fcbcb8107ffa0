"""`GET /v1/tenants` of each management API: its own tenant, and where its gateway is reached."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.client.exchange import Exchange
from harness.client.measuring import Call
from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.kube.wait import Expectation, is_gone
from harness.platforms.platform import Need
from harness.world.expectations import describe, expect, expect_equal, expect_json, expect_refused, expect_status
from harness.world.tenant import PLAIN_LISTENER, Tenant, expect_object
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants", "instances")
BOGUS = Secret("made-up-token-of-nobody")
SECURE_LISTENER = {
    "name": "https",
    "port": 443,
    "protocol": "HTTPS",
    "tls": {"mode": "Terminate", "certificateRefs": [{"name": "maas-gateway-tls"}]},
    "allowedRoutes": {"namespaces": {"from": "All"}},
}


def asked(tenant: Tenant, credential: Secret | None, scheme: str = "Bearer ") -> Exchange:
    """`GET /v1/tenants` of the tenant's own instance, past its gateway."""
    url = f"{tenant.instance()}/v1/tenants"
    return tenant.wire.send(Call("GET", url, credential=credential, credential_scheme=scheme))


def token(tenant: Tenant) -> Secret:
    """A token of somebody whom no tenant knows."""
    return tenant.token(tenant.identity())


def detailed(text: str) -> Any:
    """`{"error": text, "details": …}`."""

    def shape(exchange: Exchange) -> str | None:
        document = expect_json(exchange)
        if not isinstance(document, dict) or set(document) != {"error", "details"}:
            return 'the body is not {"error": …, "details": …}'
        return None if document["error"] == text else f"error is {document['error']!r}, not {text!r}"

    return shape


def gateway_of(exchange: Exchange) -> Mapping[str, Any]:
    """The one tenant's gateway."""
    expect_status(exchange, 200, when="somebody with a Kubernetes token asks for the tenants")
    entries = expect_json(exchange).get("tenants")
    expect(
        isinstance(entries, list) and len(entries) == 1,
        expected="exactly one tenant",
        observed=describe(exchange),
        exchange=exchange,
    )
    found: Mapping[str, Any] = entries[0]["gateway"]
    return found


@check("MAAS-TEN-001", "MAAS-TEN-002", "MAAS-TEN-003", needs=NEEDS)
def test_only_a_token_of_the_cluster_may_ask(world: World) -> None:
    tenant = world.common_tenant()
    somebody, customer = token(tenant), tenant.customer()
    gateway_of(asked(tenant, somebody))
    for exchange in (asked(tenant, None), asked(tenant, somebody, scheme="Basic ")):
        shape = detailed("Authentication required")
        expect_refused(exchange, 401, shape, when="there is no bearer token", requirement="MAAS-TEN-001")
    shape = detailed("Authentication failed")
    expect_refused(asked(tenant, BOGUS), 401, shape, when="the token is made up", requirement="MAAS-TEN-002")
    key = customer.credential.secret()
    expect_refused(asked(tenant, key), 401, shape, when="the token is an API key", requirement="MAAS-TEN-003")
    gateway_of(asked(tenant, somebody))


@check("MAAS-TEN-004", "MAAS-TEN-010", needs=NEEDS)
def test_each_instance_tells_of_its_own_tenant_and_gateway(world: World) -> None:
    tenants = world.common_tenants(2)
    told = []
    for tenant in tenants:
        exchange = asked(tenant, token(tenant))
        gateway = gateway_of(exchange)
        expect_equal(expect_json(exchange)["tenants"][0]["name"], tenant.name, of="tenant", exchange=exchange)
        expect_equal(set(gateway), {"name", "namespace", "protocol", "externalUrl", "port"}, of="fields of a gateway")
        expect_equal(
            (gateway["name"], gateway["namespace"]), (tenant.gateway.name, tenant.gateway.namespace), of="gateway"
        )
        expect(gateway["protocol"] in ("http", "https"), expected="http or https", observed=repr(gateway["protocol"]))
        expect(
            str(gateway["externalUrl"]).startswith(f"{gateway['protocol']}://") and type(gateway["port"]) is int,
            expected="a URL of that protocol and a whole number as port",
            observed=repr(dict(gateway)),
            exchange=exchange,
        )
        told.append(gateway["externalUrl"])
    expect(told[0] != told[1], expected="a URL for each tenant", observed=repr(told), requirement="MAAS-TEN-010")


@pytest.mark.parametrize(
    ("listeners", "wanted"),
    [
        pytest.param(
            [
                {**PLAIN_LISTENER, "hostname": "plain.tenants.test"},
                {**SECURE_LISTENER, "hostname": "safe.tenants.test"},
            ],
            ("https", "https://safe.tenants.test", 443),
            id="https before http",
            marks=check("MAAS-TEN-005", needs=NEEDS),
        ),
        pytest.param(
            [{**PLAIN_LISTENER, "hostname": "plain.tenants.test", "port": 8080}],
            ("http", "http://plain.tenants.test:8080", 8080),
            id="an unusual port is named",
            marks=check("MAAS-TEN-005", needs=NEEDS),
        ),
    ],
)
def test_the_best_listener_gives_the_address(
    world: World, listeners: list[dict[str, Any]], wanted: tuple[str, str, int]
) -> None:
    tenant = world.tenant()
    somebody = token(tenant)
    tenant.estate.cluster.patch(tenant.gateway, {"spec": {"listeners": listeners}})
    expect_object(tenant, attached(tenant, {str(listener["name"]) for listener in listeners}))
    gateway = gateway_of(asked(tenant, somebody))
    expect_equal((gateway["protocol"], gateway["externalUrl"], gateway["port"]), wanted, of="where the gateway is")


@check("MAAS-TEN-005", needs=NEEDS)
def test_where_no_listener_has_a_route_the_gateways_first_address_is_told(world: World) -> None:
    tenant = world.tenant()
    somebody = token(tenant)
    gateway_of(asked(tenant, somebody))
    closed = {**PLAIN_LISTENER, "allowedRoutes": {"namespaces": {"from": "Same"}}}
    tenant.estate.cluster.patch(tenant.gateway, {"spec": {"listeners": [closed]}})
    found = expect_object(tenant, attached(tenant, set())) or {}
    address = found["status"]["addresses"][0]["value"]
    gateway = gateway_of(asked(tenant, somebody))
    told = (gateway["protocol"], gateway["externalUrl"], gateway["port"])
    expect_equal(told, ("https", f"https://{address}", 443), of="where a gateway without a ready listener is")


def attached(tenant: Tenant, names: set[str]) -> Expectation:
    """These listeners have a route, and no others."""

    def holds(gateway: Mapping[str, Any] | None) -> bool:
        listeners = ((gateway or {}).get("status") or {}).get("listeners") or ()
        return {entry["name"] for entry in listeners if entry.get("attachedRoutes", 0) > 0} == names

    return Expectation(tenant.gateway, f"with routes on {', '.join(sorted(names))}", holds)


@check("MAAS-TEN-006", "MAAS-TEN-007", needs=NEEDS)
def test_a_gateway_that_nobody_outside_can_reach_has_no_address(world: World) -> None:
    tenant = world.tenant()
    somebody = token(tenant)
    gateway_of(asked(tenant, somebody))
    inside = {**PLAIN_LISTENER, "hostname": "blue.openshift-ingress.svc.cluster.local"}
    tenant.estate.cluster.patch(tenant.gateway, {"spec": {"listeners": [inside]}})
    exchange = asked(tenant, somebody)
    shape = detailed("Failed to resolve gateway")
    expect_refused(
        exchange, 500, shape, when="the gateway's name is of the cluster's inside", requirement="MAAS-TEN-007"
    )
    tenant.estate.cluster.delete(tenant.gateway)
    expect_object(tenant, is_gone(tenant.gateway))
    exchange = asked(tenant, somebody)
    expect_refused(
        exchange, 404, detailed("Gateway not found"), when="the Gateway is deleted", requirement="MAAS-TEN-006"
    )


@check("MAAS-TEN-009", needs=NEEDS)
def test_the_endpoint_is_not_offered_behind_the_gateway(world: World) -> None:
    """The rewrite of `/maas-api` would lead there; the instance refuses what came by the gateway."""
    tenant = world.common_tenant()
    customer = tenant.customer()
    expect_status(customer.manage("GET", "/v1/subscriptions"), 200, when="the prefix leads to the management API")
    exchange = tenant.person(tenant.identity()).manage("GET", "/v1/tenants")
    expect_status(exchange, 404, when="somebody authenticated asks for the tenants through the gateway")
