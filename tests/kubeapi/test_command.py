"""The server as a process: start, end, and the sentences for what it cannot do."""

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.kubeapi.connection import connect
from tests.kubeapi.in_process import CRDS
from tests.kubeapi.serving import embedded_api, eventually

COMMAND = [sys.executable, "-m", "harness.simulator.kubeapi"]


def ended(*options: str) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


def test_files_for_clients_are_there_and_private(tmp_path: Path) -> None:
    with embedded_api(tmp_path, "--crds", str(CRDS)) as kubeconfig:
        config = yaml.safe_load(kubeconfig.read_text())
        announced = json.loads((tmp_path / "ready.json").read_text())["endpoints"]["api"]
        assert config["clusters"][0]["cluster"]["server"] == announced
        for name in ("admin.kubeconfig", "server.key"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert (tmp_path / "ca.crt").read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_sigterm_ends_it_although_clients_hang_on(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    process = subprocess.Popen([*COMMAND, "--dir", str(tmp_path), "--ready-file", str(ready)])
    eventually(ready.exists, "the server is ready", alive=lambda: process.poll() is None)
    host, port = json.loads(ready.read_text())["endpoints"]["api"].removeprefix("https://").split(":")
    token = yaml.safe_load((tmp_path / "admin.kubeconfig").read_text())["users"][0]["user"]["token"]
    context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    with context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as client:
        request = f"GET /api/v1/namespaces?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        client.sendall(request.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
        b"\x00\xff\x00\xff\r\n\r\n",
        b"GET /%00%ff HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    ],
)
def test_clients_that_stall_or_talk_nonsense_hold_nobody_up(tmp_path: Path, sent: bytes) -> None:
    with embedded_api(tmp_path):
        host, port = (
            json.loads((tmp_path / "ready.json").read_text())["endpoints"]["api"].removeprefix("https://").split(":")
        )
        context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
        with context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as odd:
            odd.sendall(sent)
            with context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as other:
                other.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert other.recv(4096).startswith(b"HTTP/1.1 200")


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, told = ended("--dir", str(tmp_path), "--bind", address)
    assert code == 3
    assert told.startswith("kubeapi: ")
    assert f"cannot listen on {address}" in told
    assert len(told.splitlines()) == 1


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    code, told = ended("--dir", str(tmp_path), "--crds", str(tmp_path / "nothing"))
    assert (code, told) == (
        3,
        f"kubeapi: --crds {tmp_path / 'nothing'} is not a folder; give a folder of CustomResourceDefinition manifests\n",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "cannot be read as YAML"),
        (
            "kind: CustomResourceDefinition\nmetadata: {name: a.b.c}\nspec: {group: b.c, names: {plural: a, kind: A}, scope: Cluster, versions: []}",
            "spec.versions",
        ),
        ("kind: CustomResourceDefinition\nmetadata: {name: x}\nspec: 5", "spec"),
        ("kind: CustomResourceDefinition", "without a name: spec"),
    ],
)
def test_manifests_that_cannot_be_served_are_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "bad.yaml").write_text(text)
    code, said = ended("--dir", str(tmp_path), "--crds", str(tmp_path / "crds"))
    assert code == 3
    assert told in said
    assert "bad.yaml" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [[], ["--dir", "x", "--bind", "nowhere"], ["--dir", "x", "--bind", "127.0.0.1:99999"], ["--dir", "x", "--odd"]],
)
def test_wrong_options_are_usage(tmp_path: Path, options: list[str]) -> None:
    done = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path, env=_importable()
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("assets", ["", "/nowhere"])
def test_the_real_server_without_its_binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assets: str) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", assets)
    code, told = ended("--dir", str(tmp_path), "--engine", "envtest")
    assert code == 3
    assert told.startswith(
        "kubeapi: --engine envtest needs etcd and kube-apiserver in the folder that KUBEBUILDER_ASSETS names"
    )
    assert len(told.splitlines()) == 1


def test_a_real_server_that_ends_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name, script in {"etcd": "exec sleep 60", "kube-apiserver": "echo 'no such flag' >&2; exit 7"}.items():
        (assets / name).write_text(f"#!/bin/sh\n{script}\n")
        (assets / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    code, told = ended("--dir", str(tmp_path / "run"), "--engine", "envtest")
    assert (code, told) == (3, "kubeapi: kube-apiserver ended with code 7: no such flag\n")


@pytest.mark.parametrize("again", [True, False])
def test_a_real_server_that_is_started_again_is_known_by_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    """Its clients hold its CA and its tokens; one that starts from nothing shares neither with anybody."""
    assets, folder, state = (tmp_path / name for name in ("assets", "run", "state"))
    assets.mkdir()
    for name in ("etcd", "kube-apiserver"):
        (assets / name).write_text("#!/bin/sh\nexit 7\n")
        (assets / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    options = ("--dir", str(folder), "--engine", "envtest", "--state", str(state), "--bind", "127.0.0.1:6443")
    names = ("ca.crt", "server.key", "accounts.key", "tokens.csv", "admin.kubeconfig")
    assert ended(*options)[0] == 3
    before = {name: (folder / name).read_bytes() for name in names}
    if again:
        state.mkdir()
    assert ended(*options)[0] == 3
    after = {name: (folder / name).read_bytes() for name in names}
    assert {name for name in names if before[name] == after[name]} == (set(names) if again else set())


@pytest.mark.skipif(
    not os.environ.get("KUBEBUILDER_ASSETS"), reason="KUBEBUILDER_ASSETS names no folder with etcd and kube-apiserver"
)
def test_the_real_server_keeps_the_same_contract(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    command = [*COMMAND, "--dir", str(tmp_path), "--ready-file", str(ready), "--engine", "envtest", "--crds", str(CRDS)]
    process = subprocess.Popen(command)
    try:
        eventually(ready.exists, "the real server is ready", 120, alive=lambda: process.poll() is None)
        with connect(tmp_path / "admin.kubeconfig") as client:
            assert client.get("/apis/maas.opendatahub.io/v1alpha1/maasmodelrefs").json()["items"] == []
    finally:
        process.terminate()
        assert process.wait(60) == 0


def _importable() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CRDS.parents[1])}
