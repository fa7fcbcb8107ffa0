"""The component as a process, against the embedded Kubernetes API over TLS: follow, restart, stop."""

import asyncio
import re
import signal
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.kubeapi.serving import eventually

from .postgresql import empty_database
from .process import GROUP, MERGE, identity, offer, started


@pytest.mark.row("MAAS-LIST-027", "MAAS-LIST-007", "MAAS-LIST-025", "MAAS-CRD-048")
def test_the_listing_follows_the_cluster(tmp_path: Path, kubeconfig: Path, kube: httpx.Client, namespace: str) -> None:
    with started(tmp_path, kubeconfig, namespace) as running, running.client(headers=identity()) as client:

        def listed() -> list[str]:
            return [item["owned_by"] for item in client.get("/v1/models").json()["data"]]

        assert listed() == []
        path = offer(kube, namespace)
        name = path.rpartition("/")[2]
        eventually(lambda: listed() == [f"llm/{name}"], "the new model is listed")
        kube.patch(f"{path}/status", json={"status": {"phase": "Unhealthy"}}, headers=MERGE).raise_for_status()
        eventually(lambda: listed() == [], "an unhealthy model is not listed")
        kube.patch(f"{path}/status", json={"status": {"phase": "Ready"}}, headers=MERGE).raise_for_status()
        eventually(lambda: listed() == [f"llm/{name}"], "the model is listed again")
        kube.delete(f"{GROUP}/namespaces/{namespace}/maassubscriptions/basic").raise_for_status()
        eventually(lambda: listed() == [], "without subscription nothing is listed")


@pytest.mark.row("MAAS-KEY-087", "MAAS-KEY-060")
def test_kubernetes_says_who_is_an_administrator(
    tmp_path: Path, kubeconfig: Path, kube: httpx.Client, namespace: str
) -> None:
    user = f"admin-{namespace}"
    rights = {"apiGroups": ["maas.opendatahub.io"], "resources": ["maasauthpolicies"], "verbs": ["create"]}
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    offer(kube, namespace)
    with started(tmp_path, kubeconfig, namespace) as running, running.client() as client:
        eventually(
            lambda: client.post("/v1/api-keys", json={"name": "a"}, headers=identity()).status_code == 201,
            "alice mints",
            5,
        )

        def seen() -> int:
            found = client.post("/v1/api-keys/search", json={}, headers=identity(user)).json()["data"]
            return len(found or [])

        assert seen() == 0
        kube.post(f"{rbac}/roles", json={"metadata": {"name": "admin"}, "rules": [rights]}).raise_for_status()
        binding = {
            "metadata": {"name": "admin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        kube.post(f"{rbac}/rolebindings", json=binding).raise_for_status()
        eventually(lambda: seen() == 1, "the new administrator sees alice's key")


@pytest.mark.row("MAAS-TEN-001", "MAAS-TEN-002", "MAAS-TEN-004", "MAAS-TEN-006")
def test_tenants_take_the_clusters_tokens(tmp_path: Path, kubeconfig: Path, kube: httpx.Client, namespace: str) -> None:
    kube.post(
        f"/api/v1/namespaces/{namespace}/serviceaccounts", json={"metadata": {"name": "reader"}}
    ).raise_for_status()
    token = kube.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/reader/token", json={"spec": {}}).json()[
        "status"
    ]["token"]
    gateway = f"gw-{namespace}"
    with started(tmp_path, kubeconfig, namespace, "--gateway-name", gateway) as running, running.client() as client:

        def answer(credential: str) -> tuple[int, Any]:
            response = client.get("/v1/tenants", headers={"Authorization": f"Bearer {credential}"})
            return response.status_code, response.json()

        assert answer("bogus")[1]["error"] == "Authentication failed"
        assert answer("sk-oai-a_b")[0] == 401
        assert answer(token)[1]["error"] == "Gateway not found"
        spec = {
            "gatewayClassName": "c",
            "listeners": [{"name": "https", "port": 443, "protocol": "HTTPS", "hostname": "a.example"}],
        }
        body = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": gateway},
            "spec": spec,
        }
        kube.post(
            "/apis/gateway.networking.k8s.io/v1/namespaces/openshift-ingress/gateways", json=body
        ).raise_for_status()
        status, found = answer(token)
        assert (status, found["error"]) == (500, "Failed to resolve gateway")
        listeners = [{"name": "https", "attachedRoutes": 1, "conditions": []}]
        path = f"/apis/gateway.networking.k8s.io/v1/namespaces/openshift-ingress/gateways/{gateway}/status"
        kube.patch(path, json={"status": {"listeners": listeners}}, headers=MERGE).raise_for_status()
        status, found = answer(token)
        assert (status, found["tenants"][0]["gateway"]["externalUrl"]) == (200, "https://a.example")


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_acknowledged_key_is_lost(
    tmp_path: Path,
    kubeconfig: Path,
    kube: httpx.Client,
    namespace: str,
    ending: int,
    database: str,
    request: pytest.FixtureRequest,
) -> None:
    offer(kube, namespace)
    options: tuple[str, ...] = ()
    if database == "postgresql":
        options = ("--database", asyncio.run(empty_database(request.getfixturevalue("postgresql"))))
    keys: list[str] = []
    with started(tmp_path, kubeconfig, namespace, *options) as running, running.client(headers=identity()) as client:
        eventually(lambda: client.post("/v1/api-keys", json={"name": "a"}).status_code == 201, "alice mints")
        keys += [client.post("/v1/api-keys", json={"name": "a"}).json()["key"] for _ in range(20)]
        running.stop(ending)
    with started(tmp_path, kubeconfig, namespace, *options) as running, running.client() as client:
        answers = [client.post("/internal/v1/api-keys/validate", json={"key": key}).json()["valid"] for key in keys]
    assert answers == [True] * 20


def test_it_ends_when_it_is_told_to(tmp_path: Path, kubeconfig: Path, namespace: str) -> None:
    with started(tmp_path, kubeconfig, namespace) as running:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", running.api)
        assert running.stop() == 0
        with pytest.raises(httpx.ConnectError), running.client() as client:
            client.get("/health")


@pytest.mark.row("MAAS-API-023")
def test_metrics_have_a_listener_of_their_own(tmp_path: Path, kubeconfig: Path, namespace: str) -> None:
    with started(tmp_path, kubeconfig, namespace) as running, running.client() as client:
        client.get("/health")
        exposition = httpx.get(running.metrics, trust_env=False)
        assert exposition.status_code == 200
        assert exposition.headers["content-type"].startswith("text/plain; version=")
        assert 'maas_api_http_requests_total{method="GET",route="/health",status="200"' in exposition.text
        assert client.get("/metrics").status_code == 404


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.row("MAAS-API-012")
def test_tls_from_version_1_2_on(tmp_path: Path, kubeconfig: Path, namespace: str) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    options = ("--tls-cert", str(tmp_path / "tls.crt"), "--tls-key", str(tmp_path / "tls.key"))
    with started(tmp_path, kubeconfig, namespace, *options) as running:
        assert running.api.startswith("https://")
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with running.client(verify=context) as client:
            assert client.get("/health").json() == {"status": "healthy"}
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        with running.client(verify=context) as client:
            assert client.get("/health").status_code == 200
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.set_ciphers("ALL:@SECLEVEL=0")
        authority.configure_trust(old)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with running.client(verify=old) as client, pytest.raises(httpx.ConnectError, match=r"(?i)alert|protocol"):
            client.get("/health")


def test_no_credential_is_logged(tmp_path: Path, kubeconfig: Path, kube: httpx.Client, namespace: str) -> None:
    offer(kube, namespace)
    options = ("--log-level", "debug")
    with started(tmp_path, kubeconfig, namespace, *options) as running, running.client(headers=identity()) as client:
        eventually(lambda: client.post("/v1/api-keys", json={"name": "a"}).status_code == 201, "alice mints")
        key = client.post("/v1/api-keys", json={"name": "a"}).json()["key"]
        client.post("/internal/v1/api-keys/validate", json={"key": key})
        client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
        client.post("/v1/api-keys/bulk-revoke", json={"username": "alice"})
        running.stop()
    log = (tmp_path / "maas-api.log").read_text()
    token = "".join(re.findall(r"token: (\S+)", kubeconfig.read_text())) or "no token in the kubeconfig"
    assert "AUDIT bulk-revoke" in log
    assert key.rpartition("_")[2] not in log
    assert token not in log
