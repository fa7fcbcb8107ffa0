"""What the component says when it cannot start, and what it waits for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .process import started


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
