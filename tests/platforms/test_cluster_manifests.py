"""What the manifests for a cluster name has to fit together: run here as their Pods would run it, without a cluster."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from harness.kube.access import Permission, may_as
from harness.kube.apply import apply_manifests
from harness.kube.cluster import Cluster
from harness.kube.manifest import Manifest
from harness.platforms.embedded.kube_only import kube_only
from harness.platforms.kind.reference import reference_manifests
from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.platforms.target import TargetOptions
from harness.simulator.controllers.maas.webhook import Webhook
from tests.kubeapi.serving import eventually

URLS = "http://127.0.0.1:1", "http://127.0.0.1:2", "https://127.0.0.1:3"


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return reference_manifests("registry.example.com/r:1", *URLS)


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    return next(entry for entry in manifests if (entry["kind"], entry["metadata"]["name"]) == (kind, name))


def container(manifests: list[Manifest], deployment: str, name: str) -> dict[str, Any]:
    pod = named(manifests, "Deployment", deployment)["spec"]["template"]["spec"]
    return next(entry for entry in [*pod.get("initContainers", []), *pod["containers"]] if entry["name"] == name)


def command(entry: dict[str, Any], folder: Path) -> list[str]:
    """The container's command line on this machine: its volume in a folder, and ports that are free."""
    words = [
        str(word).replace("/run/maas", str(folder)).replace("/tmp/ready", str(folder / "ready"))
        for word in entry["command"]
    ]
    return [sys.executable, *("127.0.0.1:0" if word.startswith("0.0.0.0:") else word for word in words[1:])]


@contextmanager
def issuer(manifests: list[Manifest], folder: Path) -> Iterator[dict[str, str]]:
    prepared = command(container(manifests, "maas-gateway", "issuer-certificate"), folder)
    subprocess.run(prepared, check=True, timeout=60)
    assert (folder / "issuer" / "ca.crt").exists()
    assert not (folder / "ready").exists()
    running = subprocess.Popen(command(container(manifests, "maas-gateway", "issuer"), folder))
    try:
        eventually((folder / "ready").exists, "the issuer is ready", 60, alive=lambda: running.poll() is None)
        yield json.loads((folder / "ready").read_text())["endpoints"]
    finally:
        running.terminate()
        assert running.wait(30) == 0


def test_the_issuer_that_the_tenant_names_is_the_one_that_runs_and_is_trusted(
    manifests: list[Manifest], tmp_path: Path
) -> None:
    tenant = named(manifests, "AITenant", "models-as-a-service")
    oidc = tenant["spec"]["oidc"]
    assert tenant["spec"]["gateway"] == {"name": "maas-default-gateway"}
    authorizer = container(manifests, "maas-gateway", "authorizer")["command"]
    trusted = Path(authorizer[authorizer.index("--oidc-ca") + 1].replace("/run/maas", str(tmp_path)))
    with issuer(manifests, tmp_path) as endpoints:
        assert f"{endpoints['issuer']}/realms/maas" == oidc["issuerUrl"]
        signed = httpx.post(
            f"{endpoints['admin']}/realms/maas/tokens", json={"claims": {"sub": "ann"}}, trust_env=False
        )
        assert signed.status_code == 200
        assert httpx.get(f"{endpoints['admin']}/realms/maas", trust_env=False).json()["issuer"] == oidc["issuerUrl"]
        context = ssl.create_default_context(cafile=str(trusted))
        assert context.get_ca_certs()
    host = urlsplit(oidc["issuerUrl"]).hostname
    shown = subprocess.run(
        [
            "openssl",
            "verify",
            "-CAfile",
            str(trusted),
            "-verify_hostname",
            str(host),
            str(tmp_path / "issuer" / "tls.crt"),
        ],
        capture_output=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr


def test_the_name_in_the_issuers_url_is_a_service_with_that_port(manifests: list[Manifest]) -> None:
    url = urlsplit(named(manifests, "AITenant", "models-as-a-service")["spec"]["oidc"]["issuerUrl"])
    name, namespace, _ = str(url.hostname).split(".")
    service = named(manifests, "Service", name)
    assert service["metadata"]["namespace"] == namespace
    (port,) = service["spec"]["ports"]
    assert port["port"] == url.port
    gateway = named(manifests, "Deployment", "maas-gateway")["spec"]["template"]
    assert service["spec"]["selector"].items() <= gateway["metadata"]["labels"].items()
    ports = {entry["name"]: entry["containerPort"] for entry in container(manifests, "maas-gateway", "issuer")["ports"]}
    assert ports[port["targetPort"]] == url.port
    assert [str(url.hostname)] in [alias["hostnames"] for alias in gateway["spec"]["hostAliases"]]


def test_the_administrative_port_is_the_only_way_in_from_outside(manifests: list[Manifest]) -> None:
    ports = named(manifests, "Service", "maas-gateway")["spec"]["ports"]
    (admin,) = (port for port in ports if port["name"].startswith("issuer"))
    assert (admin["targetPort"], admin["nodePort"]) == ("issuer-admin", 30084)


def test_the_controllers_identity_may_announce_its_webhook(
    manifests: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_HOME_VARIABLE, str(tmp_path))
    user = "system:serviceaccount:opendatahub:maas-reference"
    asked = [
        Permission(verb, resource, group, namespace)
        for resource, group, namespace in (
            ("services", "", "opendatahub"),
            ("endpointslices", "discovery.k8s.io", "opendatahub"),
            ("validatingwebhookconfigurations", "admissionregistration.k8s.io", None),
        )
        for verb in ("create", "update", "list", "watch", "delete")
    ]
    with kube_only(TargetOptions(), lambda line: None) as api, Cluster.connect(api.kubeconfig) as cluster:
        apply_manifests(cluster, manifests)
        assert [str(wish) for wish in asked if not may_as(cluster, wish, user=user)] == []
        assert not may_as(cluster, Permission("delete", "nodes"), user=user)


def test_in_a_pod_the_webhook_is_reached_through_its_service(manifests: list[Manifest]) -> None:
    entry = container(manifests, "maas-controller", "main")
    bind = entry["command"][entry["command"].index("--webhook-bind") + 1]
    assert bind == "$(POD_IP):9443"
    assert {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}} in entry["env"]
    webhook = Webhook(None, None, "opendatahub", ("10.1.2.3", 9443))  # type: ignore[arg-type] - it writes nothing here
    places = [hook["clientConfig"] for hook in webhook.configuration()["webhooks"]]
    assert all("url" not in place for place in places)
    assert {(place["service"]["namespace"], place["service"]["name"]) for place in places} == {
        ("opendatahub", "maas-controller-webhook-service")
    }
    (endpoint,) = webhook.endpoints()["endpoints"]
    assert endpoint["addresses"] == ["10.1.2.3"]


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "https://127.0.0.1:"), ("::1", "https://[::1]:"), ("localhost", "https://localhost:")],
)
def test_beside_the_api_server_the_webhook_is_reached_by_its_url(host: str, url: str) -> None:
    webhook = Webhook(None, None, "opendatahub", (host, 0))  # type: ignore[arg-type] - it writes nothing here
    places = [hook["clientConfig"] for hook in webhook.configuration()["webhooks"]]
    assert all(place["url"].startswith(url) and "service" not in place for place in places)
