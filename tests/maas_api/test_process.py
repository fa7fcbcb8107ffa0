"""The component as a process, against the embedded Kubernetes API over TLS: start, follow, restart, stop."""

import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.kubeapi.connection import connect
from tests.kubeapi.serving import embedded_api, eventually

from . import documents
from .postgresql import empty_database

CRDS = Path(__file__).parents[2] / "fixtures" / "crds"
GROUP = "/apis/maas.opendatahub.io/v1alpha1"
MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclass(frozen=True, slots=True)
class Running:
    """A started component."""

    process: subprocess.Popen[str]
    api: str
    metrics: str

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.api, trust_env=False, timeout=10, **options)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=10)


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    options = [part for name in ("maas", "gateway-api") for part in ("--crds", str(CRDS / name))]
    with embedded_api(tmp_path_factory.mktemp("kubeapi"), *options) as started:
        yield started


@pytest.fixture(scope="module")
def kube(kubeconfig: Path) -> Iterator[httpx.Client]:
    with connect(kubeconfig) as client:
        for namespace in ("llm", "openshift-ingress"):
            client.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).raise_for_status()
        yield client


@pytest.fixture
def namespace(kube: httpx.Client) -> str:
    """A subscription namespace of the test's own."""
    name = f"subs-{uuid.uuid4().hex[:8]}"
    kube.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
    return name


@contextlib.contextmanager
def started(folder: Path, kubeconfig: Path, namespace: str, *options: str) -> Iterator[Running]:
    ready = folder / f"ready-{uuid.uuid4().hex[:6]}.json"
    command = [
        sys.executable,
        "-m",
        "harness.simulator.maas_api",
        "--kubeconfig",
        str(kubeconfig),
        "--ready-file",
        str(ready),
    ]
    command += ["--database", f"sqlite:///{folder}/keys.db", "--subscription-namespace", namespace, *options]
    with (folder / "maas-api.log").open("a") as log:
        process = subprocess.Popen(command, stderr=log, text=True)
    try:
        eventually(ready.exists, "maas-api is ready", alive=lambda: process.poll() is None)
        document = json.loads(ready.read_text())
        assert document["pid"] == process.pid
        yield Running(process, document["endpoints"]["api"], document["endpoints"]["metrics"])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def put(kube: httpx.Client, plural: str, kind: str, namespace: str, document: dict[str, Any]) -> str:
    """Create an object with its status; the path of the object."""
    body = document | {"apiVersion": "maas.opendatahub.io/v1alpha1", "kind": kind}
    body["metadata"] = {key: value for key, value in body["metadata"].items() if key in {"name", "annotations"}}
    path = f"{GROUP}/namespaces/{namespace}/{plural}"
    kube.post(path, json=body).raise_for_status()
    path += f"/{body['metadata']['name']}"
    if "status" in document:
        kube.patch(f"{path}/status", json={"status": document["status"]}, headers=MERGE).raise_for_status()
    return path


def identity(username: str = "alice", groups: str = '["system:authenticated"]') -> dict[str, str]:
    return {"X-MaaS-Username": username, "X-MaaS-Group": groups}


def offer(kube: httpx.Client, namespace: str) -> str:
    """A model that alice may call and pays for; the path of the model."""
    name = f"m-{uuid.uuid4().hex[:8]}"
    path = put(kube, "maasmodelrefs", "MaaSModelRef", "llm", documents.model(name))
    put(
        kube,
        "maassubscriptions",
        "MaaSSubscription",
        namespace,
        documents.subscription("basic", [name], users=("alice",)),
    )
    put(kube, "maasauthpolicies", "MaaSAuthPolicy", namespace, documents.policy("access", [name], users=("alice",)))
    return path


@pytest.mark.row("MAAS-LIST-027", "MAAS-LIST-007", "MAAS-LIST-025", "MAAS-CRD-048")
def test_the_listing_follows_the_cluster(tmp_path: Path, kubeconfig: Path, kube: httpx.Client, namespace: str) -> None:
    with started(tmp_path, kubeconfig, namespace) as running, running.client(headers=identity()) as client:

        def listed() -> list[str]:
            return [item["owned_by"] for item in client.get("/v1/models").json()["data"]]

        assert listed() == []
        path = offer(kube, namespace)
        name = path.rpartition("/")[2]
        eventually(lambda: listed() == [f"llm/{name}"], "the new model is listed", 5)
        kube.patch(f"{path}/status", json={"status": {"phase": "Unhealthy"}}, headers=MERGE).raise_for_status()
        eventually(lambda: listed() == [], "an unhealthy model is not listed", 5)
        kube.patch(f"{path}/status", json={"status": {"phase": "Ready"}}, headers=MERGE).raise_for_status()
        eventually(lambda: listed() == [f"llm/{name}"], "the model is listed again", 5)
        kube.delete(f"{GROUP}/namespaces/{namespace}/maassubscriptions/basic").raise_for_status()
        eventually(lambda: listed() == [], "without subscription nothing is listed", 5)


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
        granted = time.monotonic()
        kube.post(f"{rbac}/rolebindings", json=binding).raise_for_status()
        eventually(lambda: seen() == 1, "the new administrator sees alice's key", 5)
        assert time.monotonic() - granted < 4, "a refusal is remembered for two seconds at most"


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
        eventually(lambda: client.post("/v1/api-keys", json={"name": "a"}).status_code == 201, "alice mints", 5)
        keys += [client.post("/v1/api-keys", json={"name": "a"}).json()["key"] for _ in range(20)]
        running.stop(ending)
    with started(tmp_path, kubeconfig, namespace, *options) as running, running.client() as client:
        answers = [client.post("/internal/v1/api-keys/validate", json={"key": key}).json()["valid"] for key in keys]
    assert answers == [True] * 20


def test_it_starts_and_ends_quickly(tmp_path: Path, kubeconfig: Path, namespace: str) -> None:
    with started(tmp_path, kubeconfig, namespace) as running:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", running.api)
        asked = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - asked < 2


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


@pytest.mark.row("MAAS-API-013", "MAAS-API-014")
@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--database", "postgresql://u:hush@127.0.0.1:1/d"), "cannot use the database postgresql"),
        (("--database", "mysql://u:hush@h/d"), "'mysql' is not supported"),
        (("--require-gateway-service", "--startup-timeout", "0.5"), "no Service of the gateway openshift-ingress/"),
        (("--kubeconfig", "{broken}"), "cannot use the kubeconfig"),
        (("--kubeconfig", "{nobody}", "--startup-timeout", "0.5"), "Kubernetes did not answer"),
        (("--kubeconfig", "{userless}"), "cannot use the kubeconfig"),
    ],
)
def test_what_is_missing_at_the_start_is_one_sentence(
    tmp_path: Path, kubeconfig: Path, namespace: str, options: tuple[str, ...], part: str
) -> None:
    (tmp_path / "broken").write_text("{")
    (tmp_path / "nobody").write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: a, user: {token: x}}]\n"
    )
    (tmp_path / "userless").write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]\n"
    )
    names = {name: tmp_path / name for name in ("broken", "nobody", "userless")}
    command = [
        sys.executable,
        "-m",
        "harness.simulator.maas_api",
        "--log-level",
        "error",
        "--kubeconfig",
        str(kubeconfig),
    ]
    command += ["--database", f"sqlite:///{tmp_path}/keys.db", *(option.format(**names) for option in options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert part in done.stderr
    assert "hush" not in done.stderr


@pytest.mark.row("MAAS-API-013")
def test_the_gateways_service_can_be_required(
    tmp_path: Path, kubeconfig: Path, kube: httpx.Client, namespace: str
) -> None:
    gateway = f"gw-{namespace}"
    kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway"}
    spec = {"gatewayClassName": "c", "listeners": [{"name": "https", "port": 443, "protocol": "HTTPS"}]}
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/openshift-ingress/gateways"
    created = kube.post(path, json=kind | {"metadata": {"name": gateway}, "spec": spec}).raise_for_status().json()
    metadata = {
        "name": gateway,
        "labels": {"gateway.networking.k8s.io/gateway-name": gateway},
        "ownerReferences": [kind | {"name": gateway, "uid": created["metadata"]["uid"]}],
    }
    body = {"metadata": metadata, "spec": {"ports": [{"port": 443}]}}
    kube.post("/api/v1/namespaces/openshift-ingress/services", json=body).raise_for_status()
    options = ("--require-gateway-service", "--gateway-name", gateway)
    with started(tmp_path, kubeconfig, namespace, *options) as running, running.client() as client:
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--bind", "nowhere"), "expected HOST:PORT"),
        (("--bind", "127.0.0.1:70000"), "expected HOST:PORT"),
        (("--quirks", "some"), "expected none, upstream, or some of MAAS-LIST-011"),
        (("--database", "sqlite://", "--tls-cert", __file__), "--tls-cert and --tls-key go together"),
        (("--kubeconfig", "/nowhere/at/all"), "does not exist"),
        (("--max-expiration-days", "0"), "0 is not in the range"),
        ((), "no database"),
    ],
)
def test_a_wrong_option_is_a_usage_error(options: tuple[str, ...], part: str) -> None:
    command = [sys.executable, "-m", "harness.simulator.maas_api", *options]
    environment = {name: value for name, value in os.environ.items() if name != "DB_CONNECTION_URL"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment)
    assert done.returncode == 2
    assert part in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_one_sentence(tmp_path: Path, kubeconfig: Path, namespace: str) -> None:
    with started(tmp_path, kubeconfig, namespace) as running:
        port = running.api.rpartition(":")[2]
        command = [
            sys.executable,
            "-m",
            "harness.simulator.maas_api",
            "--kubeconfig",
            str(kubeconfig),
            "--bind",
            f"127.0.0.1:{port}",
        ]
        command += ["--database", f"sqlite:///{tmp_path}/other.db"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_openapi_document_needs_no_platform() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness.simulator.maas_api", "--openapi"], capture_output=True, check=True, timeout=30
    )
    assert json.loads(done.stdout)["openapi"] == "3.1.0"


def test_no_credential_is_logged(tmp_path: Path, kubeconfig: Path, kube: httpx.Client, namespace: str) -> None:
    offer(kube, namespace)
    options = ("--log-level", "debug")
    with started(tmp_path, kubeconfig, namespace, *options) as running, running.client(headers=identity()) as client:
        eventually(lambda: client.post("/v1/api-keys", json={"name": "a"}).status_code == 201, "alice mints", 5)
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
