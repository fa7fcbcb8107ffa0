"""What is left of a control plane when its parts end and come back."""

import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from lightkube import KubeConfig

from harness.simulator.controllers.runtime.kind import (
    GATEWAY,
    HTTP_ROUTE,
    LLM_INFERENCE_SERVICE,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    TOKEN_RATE_LIMIT_POLICY,
    Kind,
)
from tests.controllers.client import Client
from tests.controllers.conftest import CONTROL, INGRESS, ROOT, TENANT, Running
from tests.controllers.world import World, condition, gone, phase

CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)


def api(folder: Path, bind: str = "127.0.0.1:0") -> Running:
    """An API server that keeps its objects in the folder."""
    (folder / "kubeapi.ready").unlink(missing_ok=True)
    arguments = (
        "--dir",
        str(folder),
        "--state",
        str(folder / "state"),
        "--crds",
        str(ROOT / "fixtures/crds"),
        "--bind",
        bind,
    )
    return Running("harness.simulator.kubeapi", folder, *arguments).wait()


def controllers(folder: Path) -> Running:
    (folder / "controllers.ready").unlink(missing_ok=True)
    return Running(
        "harness.simulator.controllers", folder, "all", "--kubeconfig", str(folder / "admin.kubeconfig")
    ).wait()


def populated(folder: Path) -> World:
    client = Client(folder / "admin.kubeconfig")
    for namespace in (INGRESS, TENANT, "odh-ai-gateway-infra"):
        client.create(NAMESPACE, namespace)
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    spec = {"gatewayClassName": "x", "listeners": [listener]}
    client.create(GATEWAY, "maas-default-gateway", INGRESS, spec=spec)
    client.create(MAAS_TENANT_CONFIG, "default-tenant", TENANT, spec={})
    return World(client)


def test_controllers_go_on_when_the_api_server_was_killed_and_came_back(tmp_path: Path) -> None:
    server = api(tmp_path)
    address = urlsplit(KubeConfig.from_file(tmp_path / "admin.kubeconfig").get().cluster.server).netloc
    running = controllers(tmp_path)
    world = populated(tmp_path)
    world.service("before")
    world.client.until(HTTP_ROUTE, "before-kserve-route", world.namespace, bool)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(60)
    server = api(tmp_path, address)
    world = World(Client(tmp_path / "admin.kubeconfig"))
    world.service("after")
    world.client.until(HTTP_ROUTE, "after-kserve-route", world.namespace, bool)
    assert running.process.poll() is None
    assert running.stop() == 0
    server.stop()


def test_controllers_make_good_what_happened_while_they_were_away(tmp_path: Path) -> None:
    server, running = api(tmp_path), controllers(tmp_path)
    world = populated(tmp_path)
    key, client = world.service("m1"), world.client
    world.model("m1")
    kept, dropped = world.subscribe("kept", key), world.subscribe("dropped", key)
    both = client.until(
        TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace, lambda m: m and len(m["spec"]["limits"]) == 2
    )
    client.until(MAAS_SUBSCRIPTION, dropped, TENANT, lambda m: m and m["metadata"].get("finalizers"))
    assert running.stop() == 0
    client.delete(MAAS_SUBSCRIPTION, dropped, TENANT)
    client.delete(HTTP_ROUTE, "m1-kserve-route", world.namespace)
    world.service("m2")
    running = controllers(tmp_path)
    client.until(MAAS_SUBSCRIPTION, dropped, TENANT, gone)
    client.until(HTTP_ROUTE, "m2-kserve-route", world.namespace, bool)
    client.until(
        TOKEN_RATE_LIMIT_POLICY,
        "maas-trlp-m1",
        world.namespace,
        lambda m: m and list(m["spec"]["limits"]) == [f"{TENANT}-{kept}-m1-tokens"],
    )
    assert both is not None
    client.delete(LLM_INFERENCE_SERVICE, "m1", world.namespace)
    client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Pending"))
    client.until(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace, gone)
    running.stop()
    server.stop()


@pytest.mark.row("MAAS-CTRL-017")
def test_a_kind_that_is_installed_later_is_noticed(tmp_path: Path) -> None:
    folders = [("--crds", str(ROOT / "fixtures/crds" / name)) for name in ("maas", "gateway-api", "kuadrant")]
    arguments = [argument for folder in folders for argument in folder]
    server = Running("harness.simulator.kubeapi", tmp_path, "--dir", str(tmp_path), *arguments).wait()
    running = controllers(tmp_path)
    world = populated(tmp_path)
    for text in (ROOT / "fixtures/crds/kserve").glob("llminferenceservices.yaml"):
        definition = yaml.safe_load(text.read_text())
        world.client.create(CRD, definition["metadata"]["name"], spec=definition["spec"])
    world.client.until(CRD, "llminferenceservices.serving.kserve.io", "", condition("Established", "True"))
    world.service("m1")
    world.client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, bool)
    assert running.stop() == 0
    server.stop()


@pytest.mark.row("MAAS-CTRL-024")
def test_the_namespace_of_tenants_comes_back(tmp_path: Path) -> None:
    server, running = api(tmp_path), controllers(tmp_path)
    client = Client(tmp_path / "admin.kubeconfig")
    client.create(NAMESPACE, CONTROL)
    before = client.until(NAMESPACE, "ai-tenants", "", bool)
    assert before is not None
    assert before["metadata"]["labels"]["opendatahub.io/generated-namespace"] == "true"
    client.delete(NAMESPACE, "ai-tenants")
    client.until(NAMESPACE, "ai-tenants", "", lambda m: m and m["metadata"]["uid"] != before["metadata"]["uid"])
    assert running.stop() == 0
    server.stop()


def test_a_kubeconfig_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    running = Running("harness.simulator.controllers", tmp_path, "all", "--kubeconfig", str(tmp_path / "none"))
    assert running.process.wait(60) == 1
    lines = running.log.read_text().splitlines()
    assert len(lines) == 1
    assert str(tmp_path / "none") in lines[0]


def test_a_malformed_option_is_one_sentence(tmp_path: Path) -> None:
    running = Running("harness.simulator.controllers", tmp_path, "maas", "--gateway", "nameonly")
    assert running.process.wait(60) == 2
    assert "expected NAMESPACE/NAME, got 'nameonly'" in running.log.read_text()
