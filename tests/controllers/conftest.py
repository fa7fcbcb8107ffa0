"""A Kubernetes API, the controllers as processes on it, and a gateway that always agrees."""

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.simulator.controllers.runtime.kind import GATEWAY, MAAS_TENANT_CONFIG, NAMESPACE, SECRET, SERVICE
from tests.controllers.client import Client
from tests.controllers.gateway_double import GatewayDouble

ROOT = Path(__file__).parents[2]
INGRESS = "openshift-ingress"
TENANT = "models-as-a-service"
CONTROL = "opendatahub"
BOUND_S = 60.0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "row(*ids): rows of the requirement catalogue that the test shows on the reference platform"
    )


class Running:
    """A component as a process; ended hard when its test run ends."""

    def __init__(self, module: str, folder: Path, *arguments: str) -> None:
        self.ready = folder / f"{module.rsplit('.', 1)[-1]}.ready"
        self.log = self.ready.with_suffix(".log")
        command = [sys.executable, "-m", module, *arguments, "--ready-file", str(self.ready)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "MAAS_DIE_WITH_PARENT": "1"}
            )

    def wait(self) -> "Running":
        deadline = time.monotonic() + BOUND_S
        while not self.ready.exists():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"not ready in {BOUND_S} s: {self.log.read_text()}"
            time.sleep(0.01)
        return self

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


@dataclass(frozen=True)
class Platform:
    """What contract tests stand on."""

    kubeconfig: Path
    client: Client
    gateway: GatewayDouble
    controllers: Running


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("kubeapi")
    running = Running(
        "harness.simulator.kubeapi", folder, "--dir", str(folder), "--crds", str(ROOT / "fixtures/crds")
    ).wait()
    yield folder / "admin.kubeconfig"
    running.stop()


@pytest.fixture(scope="session")
def platform(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    client = Client(kubeconfig)
    for namespace in (INGRESS, TENANT, CONTROL, "ai-tenants", "odh-ai-gateway-infra"):
        client.create(NAMESPACE, namespace)
    client.create(MAAS_TENANT_CONFIG, "default-tenant", TENANT, spec={})
    for name in ("maas-default-gateway", "openshift-ai-inference"):
        listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
        client.create(GATEWAY, name, INGRESS, spec={"gatewayClassName": "openshift-default", "listeners": [listener]})
    client.create(SERVICE, "maas-api", "odh-ai-gateway-infra", spec={"ports": [{"name": "http", "port": 8443}]})
    encoded = base64.b64encode(b"sqlite:////data/maas-api.db").decode()
    client.create(SECRET, "maas-db-config", "odh-ai-gateway-infra", data={"DB_CONNECTION_URL": encoded})
    folder = tmp_path_factory.mktemp("controllers")
    controllers = Running("harness.simulator.controllers", folder, "all", "--kubeconfig", str(kubeconfig)).wait()
    gateway = GatewayDouble(kubeconfig)
    gateway.start()
    yield Platform(kubeconfig, client, gateway, controllers)
    gateway.stop()
    controllers.stop()
