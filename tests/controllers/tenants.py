"""Tenants that tests on a real API server bring into force."""

from harness.simulator.controllers.runtime.kind import AI_TENANT, GATEWAY
from tests.controllers.client import Client
from tests.controllers.conftest import INGRESS
from tests.controllers.workloads import make_available
from tests.controllers.world import phase


def gateway(client: Client, name: str) -> None:
    """A Gateway, which the double programs."""
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    client.create(GATEWAY, name, INGRESS, spec={"gatewayClassName": "x", "listeners": [listener]})


def tenant_in_force(client: Client, name: str) -> None:
    """An AITenant with a Gateway and a maas-api that serves."""
    gateway(client, name)
    client.create(AI_TENANT, name, "ai-tenants", spec={})
    make_available(client, name)
    client.until(AI_TENANT, name, "ai-tenants", phase("Active"))
