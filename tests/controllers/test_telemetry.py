"""What a tenant's configuration makes of its gateway: the issuer whose tokens count there, and the labels of its metrics."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.simulator.controllers.maas.gatewaypolicy import auth_policy
from harness.simulator.controllers.maas.names import DEFAULT_TENANT, Settings
from harness.simulator.controllers.maas.telemetry import telemetry_policy
from harness.simulator.controllers.runtime.kind import AI_TENANT, AUTH_POLICY, MAAS_TENANT_CONFIG, TELEMETRY_POLICY
from harness.simulator.controllers.runtime.manifest import Key, Manifest
from harness.simulator.gateway.authorizer.oidc import Issuer, issuer_in
from harness.simulator.gateway.plan.telemetry import labels_of
from tests.controllers.conftest import INGRESS, Platform
from tests.controllers.tenants import tenant_in_force
from tests.controllers.world import World, gone

BLUE = Key(INGRESS, "blue")
OIDC = {"issuerUrl": "https://issuer.example/realms/a", "clientId": "maas", "ttl": 60}


@pytest.mark.row("MAAS-TOK-010", "MAAS-TOK-011", "MAAS-CRD-092")
@pytest.mark.parametrize(
    ("telemetry", "labels"),
    [
        ({}, {"subscription", "cost_center", "organization_id", "model"}),
        ({"enabled": True, "metrics": {}}, {"subscription", "cost_center", "organization_id", "model"}),
        ({"metrics": {"captureUser": True, "captureGroup": True}},
         {"subscription", "cost_center", "organization_id", "model", "user", "group"}),
        ({"metrics": {"captureOrganization": False, "captureModelUsage": False}}, {"subscription", "cost_center"}),
    ],
)  # fmt: skip
def test_each_switch_has_its_label(telemetry: dict[str, Any], labels: set[str]) -> None:
    policy = telemetry_policy(BLUE, "blue", telemetry)
    assert policy is not None
    assert policy["metadata"]["name"] == "maas-telemetry-blue"
    assert policy["spec"]["targetRef"] == {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "blue"}
    assert labels_of(policy) == {label: label for label in sorted(labels)}


@pytest.mark.row("MAAS-TOK-011")
def test_what_is_switched_off_has_no_policy() -> None:
    assert telemetry_policy(BLUE, DEFAULT_TENANT, {"enabled": False}) is None
    usual = telemetry_policy(BLUE, DEFAULT_TENANT, {})
    assert usual is not None
    assert usual["metadata"]["name"] == "maas-telemetry"


@pytest.mark.row("MAAS-AUTH-010", "MAAS-AUTH-012", "MAAS-AUTH-019")
def test_the_gateways_policy_names_the_issuer_as_the_authorizer_reads_it() -> None:
    assert issuer_in(auth_policy(BLUE, "blue", Settings(), OIDC)) == Issuer(OIDC["issuerUrl"], "maas", 60.0)
    plain = auth_policy(BLUE, "blue", Settings())
    assert issuer_in(plain) is None
    sources = auth_policy(BLUE, "blue", Settings(), OIDC)["spec"]["defaults"]["rules"]["authentication"]
    assert {name: source["priority"] for name, source in sources.items()} == {
        "api-keys": 0,
        "oidc-identities": 1,
        "openshift-identities": 2,
    }


def trusts(issuer: Issuer | None) -> Callable[[Manifest | None], bool]:
    return lambda found: found is not None and issuer_in(found) == issuer


def labelled(*labels: str) -> Callable[[Manifest | None], bool]:
    return lambda found: found is not None and set(found["spec"]["metrics"]["default"]["labels"]) == set(labels)


@pytest.mark.row("MAAS-AUTH-010", "MAAS-MT-007", "MAAS-TOK-010", "MAAS-TOK-011", "MAAS-CTRL-010")
def test_the_gateway_follows_its_tenant_and_what_strangers_write_goes(platform: Platform) -> None:
    world, client = World(platform.client), platform.client
    name = world.name("t")
    space, guard, labels = f"ai-tenant-{name}", f"{name}-maas-auth", f"maas-telemetry-{name}"
    tenant_in_force(client, name)
    client.until(AUTH_POLICY, guard, INGRESS, trusts(None))
    client.patch(AI_TENANT, name, {"spec": {"oidc": OIDC}}, "ai-tenants")
    own = Issuer(OIDC["issuerUrl"], "maas", 60.0)
    client.until(AUTH_POLICY, guard, INGRESS, trusts(own))
    door = {"jwt": {"issuerUrl": "https://evil.example"}}
    client.patch(AUTH_POLICY, guard, {"spec": {"defaults": {"rules": {"authentication": {"a-door": door}}}}}, INGRESS)
    repaired = client.until(
        AUTH_POLICY,
        guard,
        INGRESS,
        lambda found: found is not None and "a-door" not in found["spec"]["defaults"]["rules"]["authentication"],
    )
    assert trusts(own)(repaired)
    client.patch(AI_TENANT, name, {"spec": {"oidc": None}}, "ai-tenants")
    client.until(AUTH_POLICY, guard, INGRESS, trusts(None))

    client.until(TELEMETRY_POLICY, labels, INGRESS, labelled("subscription", "cost_center", "organization_id", "model"))
    switches = {"captureUser": True, "captureModelUsage": False}
    config = {"spec": {"telemetry": {"metrics": switches}}}
    client.patch(MAAS_TENANT_CONFIG, "default-tenant", config, space)
    wanted = ("subscription", "cost_center", "organization_id", "user")
    client.until(TELEMETRY_POLICY, labels, INGRESS, labelled(*wanted))
    spy = {"spec": {"metrics": {"default": {"labels": {"key": "auth.identity.key_id"}}}}}
    client.patch(TELEMETRY_POLICY, labels, spy, INGRESS)
    client.until(TELEMETRY_POLICY, labels, INGRESS, labelled(*wanted))
    client.patch(MAAS_TENANT_CONFIG, "default-tenant", {"spec": {"telemetry": {"enabled": False}}}, space)
    client.until(TELEMETRY_POLICY, labels, INGRESS, gone)
