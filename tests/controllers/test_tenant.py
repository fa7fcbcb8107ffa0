"""AITenants and MaasTenantConfigs: pure functions first, then the process on a real API server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from harness.simulator.controllers.maas.keyrevocation import Address, api_address
from harness.simulator.controllers.maas.names import DEFAULT_TENANT, Settings
from harness.simulator.controllers.maas.tenant import (
    config_status,
    gateway_of,
    judge_config,
    judge_tenant,
    malformed_replicas,
    namespace_of,
)
from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    ENDPOINT_SLICE,
    GATEWAY,
    HTTP_ROUTE,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    ROLE,
    TOKEN_RATE_LIMIT_POLICY,
)
from harness.simulator.controllers.runtime.manifest import Key
from tests.controllers.conftest import Platform
from tests.controllers.objects import made, said
from tests.controllers.world import World, condition, gone, phase

SETTINGS = Settings()
INFRA = "odh-ai-gateway-infra"
INGRESS = "openshift-ingress"


class TestPure:
    def tenant(self, name: str = "blue", namespace: str = "ai-tenants", **spec: Any) -> dict[str, Any]:
        return made("AITenant", name, namespace, spec=spec)

    def test_the_gateway_is_the_wished_one_the_default_one_or_one_of_the_tenants_name(self) -> None:
        assert gateway_of(self.tenant(gateway={"name": "gw"}), SETTINGS).name == "gw"
        assert gateway_of(self.tenant(DEFAULT_TENANT), SETTINGS).name == "maas-default-gateway"
        assert gateway_of(self.tenant(), SETTINGS).name == "blue"

    def test_namespaces(self) -> None:
        assert namespace_of(DEFAULT_TENANT, SETTINGS) == "models-as-a-service"
        assert namespace_of("blue", SETTINGS) == "ai-tenant-blue"

    @pytest.mark.parametrize(
        ("namespace", "rival", "gateway", "ready", "expected"),
        [
            ("elsewhere", False, True, True, ("Failed", "InvalidPlacement")),
            ("ai-tenants", True, True, True, ("Failed", "GatewayClaimFailed")),
            ("ai-tenants", False, False, True, ("Failed", "GatewayCheckFailed")),
            ("ai-tenants", False, True, False, ("Pending", "TenantConfigNotReady")),
            ("ai-tenants", False, True, True, ("Active", "Reconciled")),
        ],
    )
    def test_standing(self, namespace: str, rival: bool, gateway: bool, ready: bool, expected: tuple[str, str]) -> None:
        rivals = [self.tenant("older")] if rival else []
        found = made("Gateway", "blue", INGRESS) if gateway else None
        finding = judge_tenant(self.tenant(namespace=namespace), SETTINGS, rivals, found, ready)
        assert (finding.phase, finding.reason) == expected

    @pytest.mark.parametrize(
        ("state", "conditions", "serving", "expected"),
        [
            (None, None, True, ("Failed", "InvalidGateway")),
            (None, said("-Programmed"), True, ("Pending", "GatewayNotReady")),
            (None, said("Programmed"), False, ("Pending", "DeploymentsNotReady")),
            (None, said("Programmed"), True, ("Active", "Reconciled")),
            ("Removed", said("Programmed"), True, ("Pending", "WaitingForRemovedTeardown")),
            ("Sometimes", said("Programmed"), True, ("Failed", "UnexpectedManagementState")),
        ],
    )
    def test_configuration(self, state: str | None, conditions: Any, serving: bool, expected: tuple[str, str]) -> None:
        notes = {"component.opendatahub.io/management-state": state} if state else {}
        config = made("MaasTenantConfig", "default-tenant", "ns", metadata={"annotations": notes})
        gateway = made("Gateway", "g", INGRESS, status={"conditions": conditions}) if conditions else None
        finding = judge_config(config, Key(INGRESS, "g"), gateway, serving)
        assert (finding.phase, finding.reason) == expected
        written = config_status(config, finding, SETTINGS, "now")
        assert find(written["conditions"], "Ready")["status"] == str(expected[0] == "Active")

    @pytest.mark.parametrize(
        ("value", "well"), [("1", True), ("100", True), ("0", False), ("101", False), ("two", False)]
    )
    def test_replica_annotations_are_numbers(self, value: str, well: bool) -> None:
        notes = {"maas.opendatahub.io/maas-api-replicas": value}
        config = made("MaasTenantConfig", "default-tenant", "ns", metadata={"annotations": notes})
        assert (malformed_replicas(config) == "") is well
        finding = judge_config(
            config, Key("", "g"), made("Gateway", "g", status={"conditions": said("Programmed")}), True
        )
        assert config_status(config, finding, SETTINGS, "now")["phase"] == ("Active" if well else "Degraded")

    def test_the_address_of_maas_api_is_that_of_a_ready_endpoint(self) -> None:
        def found(name: str, ready: bool, port: str = "http") -> dict[str, Any]:
            labels = {"kubernetes.io/service-name": name}
            endpoint = {"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}
            return {"metadata": {"labels": labels}, "ports": [{"name": port, "port": 1}], "endpoints": [endpoint]}

        assert api_address([found("other", True), found("maas-api", False)], "maas-api") is None
        assert api_address([found("maas-api", True)], "maas-api") == Address("127.0.0.1", 1, False)
        assert api_address([found("maas-api", True, "https")], "maas-api") == Address("127.0.0.1", 1, True)


class Api:
    """A maas-api that notes whose keys were revoked, and can refuse."""

    def __init__(self) -> None:
        self.revoked: list[str] = []
        self.code = 200
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version: ClassVar[str] = "HTTP/1.1"

            def do_DELETE(self) -> None:
                api.revoked.append(self.path)
                self.send_response(api.code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def api(platform: Platform) -> Iterator[Api]:
    found = Api()
    labels = {"kubernetes.io/service-name": "maas-api"}
    port = {"name": "http", "port": found.server.server_port, "protocol": "TCP"}
    endpoint = {"addresses": ["127.0.0.1"], "conditions": {"ready": True}}
    platform.client.create(
        ENDPOINT_SLICE,
        "maas-api-test",
        INFRA,
        metadata={"labels": labels},
        addressType="IPv4",
        ports=[port],
        endpoints=[endpoint],
    )
    yield found
    platform.client.delete(ENDPOINT_SLICE, "maas-api-test", INFRA)
    found.server.shutdown()


class TestProcess:
    def gateway(self, world: World, name: str) -> None:
        listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
        world.client.create(GATEWAY, name, INGRESS, spec={"gatewayClassName": "x", "listeners": [listener]})

    @pytest.mark.row(
        "MAAS-MT-001", "MAAS-MT-002", "MAAS-MT-009", "MAAS-MT-010", "MAAS-MT-012", "MAAS-STAT-040", "MAAS-STAT-041"
    )
    def test_a_tenant_lives_and_ends(self, platform: Platform, api: Api) -> None:
        world, client = World(platform.client), platform.client
        name = world.name("t")
        space = f"ai-tenant-{name}"
        client.create(AI_TENANT, name, "ai-tenants", spec={})
        client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "GatewayCheckFailed"))
        self.gateway(world, name)
        found = client.until(AI_TENANT, name, "ai-tenants", phase("Active"))
        assert found is not None
        assert found["status"]["gatewayRef"] == {"namespace": INGRESS, "name": name}
        assert found["status"]["tenantNamespace"] == space
        labels = (client.get(NAMESPACE, space) or {})["metadata"]["labels"]
        assert labels["maas.opendatahub.io/managed-by-aitenant"] == "true"
        assert labels["maas.opendatahub.io/gateway-access"] == "true"
        client.until(MAAS_TENANT_CONFIG, "default-tenant", space, phase("Active"))
        assert client.get(ROLE, "maas-tenant-admin", space) is not None
        client.until(AUTH_POLICY, f"{name}-maas-auth", INGRESS, bool)
        client.until(TOKEN_RATE_LIMIT_POLICY, f"gateway-default-deny-{name}", INGRESS, bool)
        client.until(HTTP_ROUTE, f"maas-api-route-{name}", INFRA, bool)

        key = world.service("m1", gateways=[{"name": name, "namespace": INGRESS}])
        world.model("m1", spec={"tenantRef": name})
        world.available("m1")
        subscription = world.subscribe("sub", key, namespace=space)
        world.allow("access", key, namespace=space)
        model = client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Ready"))
        assert model is not None
        assert model["status"]["resolvedTenantRef"] == name
        assert model["status"]["httpRouteGatewayName"] == name
        client.until(MAAS_SUBSCRIPTION, subscription, space, phase("Active"))

        api.code = 503
        client.delete(AI_TENANT, name, "ai-tenants")
        client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "DeletionBlocked"))
        api.code = 200
        client.until(AI_TENANT, name, "ai-tenants", gone)
        assert set(api.revoked) == {f"/internal/v1/tenants/{name}/api-keys"}
        client.until(AUTH_POLICY, f"{name}-maas-auth", INGRESS, gone)
        client.until(HTTP_ROUTE, f"maas-api-route-{name}", INFRA, gone)
        left = client.get(NAMESPACE, space)
        assert left is not None
        assert "maas.opendatahub.io/managed-by-aitenant" not in (left["metadata"].get("labels") or {})
        assert client.get(MAAS_SUBSCRIPTION, subscription, space) is not None

    @pytest.mark.row("MAAS-RATE-026")
    def test_a_model_of_another_tenant_is_no_model_for_a_subscription(self, platform: Platform, api: Api) -> None:
        world, client = World(platform.client), platform.client
        name = world.name("t")
        self.gateway(world, name)
        client.create(AI_TENANT, name, "ai-tenants", spec={})
        client.until(AI_TENANT, name, "ai-tenants", phase("Active"))
        key = world.service("m1")
        world.model("m1")
        subscription = world.subscribe("sub", key, namespace=f"ai-tenant-{name}")
        found = client.until(MAAS_SUBSCRIPTION, subscription, f"ai-tenant-{name}", phase("Failed"))
        assert found is not None
        assert "is not attached to tenant gateway" in find(found["status"]["conditions"], "Ready")["message"]
        assert client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace) is None
