"""An installation from its first tenant to its last: what comes and goes with the first and the last tenant of all."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.simulator.controllers.maas.names import DEFAULT_TENANT
from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    CONFIG,
    DEPLOYMENT,
    EVENT,
    JOB,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    SECRET,
)
from harness.simulator.controllers.runtime.manifest import Manifest
from tests.controllers.client import Client
from tests.controllers.conftest import CONTROL, INGRESS, ROOT, Running
from tests.controllers.gateway_double import GatewayDouble
from tests.controllers.tenants import gateway, tenant_in_force
from tests.controllers.workloads import INFRA, end_jobs
from tests.controllers.world import condition, gone


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Client]:
    """An API server and a MaaS controller of a test's own, whose deletions are forced after a second; nothing is installed yet."""
    crds = str(ROOT / "fixtures/crds")
    api = Running("harness.simulator.kubeapi", tmp_path, "--dir", str(tmp_path), "--crds", crds).wait()
    kubeconfig = tmp_path / "admin.kubeconfig"
    arguments = ("maas", "--kubeconfig", str(kubeconfig), "--deletion-timeout", "1s", "--webhook-bind", "off")
    controllers = Running("harness.simulator.controllers", tmp_path, *arguments).wait()
    gateways = GatewayDouble(kubeconfig)
    gateways.start()
    yield Client(kubeconfig)
    gateways.stop()
    controllers.stop()
    api.stop()


def install(client: Client) -> None:
    """What an installer brings: namespaces, the default gateway and the database's Secret."""
    for namespace in (INGRESS, "models-as-a-service", INFRA, "ai-tenants"):
        client.create(NAMESPACE, namespace)
    gateway(client, "maas-default-gateway")
    client.create(NAMESPACE, CONTROL)


def ask_for_teardown(client: Client) -> None:
    """As an uninstaller does: a note on the controller's own Deployment, where it also looks for the answer."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
    wanted = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    client.create(DEPLOYMENT, "maas-controller", CONTROL, spec=wanted)
    asked = {"metadata": {"annotations": {"maas.opendatahub.io/teardown-requested": "true"}}}
    client.patch(DEPLOYMENT, "maas-controller", asked, CONTROL)


def is_generated(found: Manifest | None) -> bool:
    labels = (found or {}).get("metadata", {}).get("labels") or {}
    return labels.get("opendatahub.io/generated-namespace") == "true"


def lives(found: Manifest | None) -> bool:
    return found is not None and "deletionTimestamp" not in found["metadata"]


def is_torn_down(found: Manifest | None) -> bool:
    notes = (found or {}).get("metadata", {}).get("annotations") or {}
    return notes.get("maas.opendatahub.io/teardown-completed") == "true"


@pytest.mark.row("MAAS-CTRL-024", "MAAS-CTRL-025", "MAAS-CTRL-026", "MAAS-STAT-040")
def test_from_the_first_tenant_to_the_last(installation: Client) -> None:
    client, space = installation, "models-as-a-service"
    install(client)
    for name in ("ai-tenants", INFRA):
        client.until(NAMESPACE, name, "", is_generated)
    client.until(AI_TENANT, DEFAULT_TENANT, "ai-tenants", bool)
    client.until(MAAS_TENANT_CONFIG, "default-tenant", space, condition("Ready", "False", "PrerequisitesNotMet"))
    encoded = base64.b64encode(b"sqlite:////data/keys.db").decode()
    client.create(SECRET, "maas-db-config", INFRA, data={"DB_CONNECTION_URL": encoded})
    client.until(MAAS_TENANT_CONFIG, "default-tenant", space, condition("Ready", "False", "DeploymentsNotReady"))

    client.delete(AI_TENANT, DEFAULT_TENANT, "ai-tenants")
    end_jobs(client, DEFAULT_TENANT, well=True)
    client.until(AI_TENANT, DEFAULT_TENANT, "ai-tenants", gone)
    client.delete(NAMESPACE, "ai-tenants")
    client.until(NAMESPACE, "ai-tenants", "", lives)
    tenant_in_force(client, "blue")  # everything that could make the default tenant anew has happened by now
    assert client.get(AI_TENANT, DEFAULT_TENANT, "ai-tenants") is None

    ask_for_teardown(client)
    end_jobs(client, "blue", well=True)
    client.until(DEPLOYMENT, "maas-controller", CONTROL, is_torn_down)
    assert client.get(AI_TENANT, "blue", "ai-tenants") is None
    assert client.get(CONFIG, "default") is None
    for name in ("ai-tenants", "ai-tenant-blue", INFRA):
        assert client.get(NAMESPACE, name) is not None


@pytest.mark.row("MAAS-MT-011")
def test_a_blocked_end_is_forced_after_the_timeout(installation: Client) -> None:
    client = installation
    install(client)
    client.create(SECRET, "maas-db-config", INFRA, data={"DB_CONNECTION_URL": ""})
    tenant_in_force(client, "blue")
    forced: list[str] = []

    def sees(found: Any) -> bool:
        ready = find(((found or {}).get("status") or {}).get("conditions"), "Ready") or {}
        forced.append(str(ready.get("reason")))
        return found is None

    client.delete(AI_TENANT, "blue", "ai-tenants")
    client.until(AI_TENANT, "blue", "ai-tenants", sees)
    assert "CleanupForced" in forced
    events = [event for event in client.all(EVENT, "ai-tenants") if event["reason"] == "AITenantCleanupForced"]
    assert [event["type"] for event in events] == ["Warning"]
    client.until(DEPLOYMENT, "maas-api-blue", INFRA, gone)
    assert client.all(JOB, INFRA) != []
