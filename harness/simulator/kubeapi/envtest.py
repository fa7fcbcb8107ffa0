"""The same component with the real thing inside: etcd and kube-apiserver from `KUBEBUILDER_ASSETS`, behind the same files and options.

Where the folder holds a kube-controller-manager too, it runs beside them. Without it, as in every envtest, namespaces do not drain, nothing
collects garbage, roles do not aggregate and no ServiceAccount `default` appears by itself.
"""

import asyncio
import os
import secrets
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.simulator.component import announce, die_with_parent, until_stopped
from harness.simulator.kubeapi import bootstrap, certificates
from harness.simulator.kubeapi.identity import new_key

if TYPE_CHECKING:
    import httpx

READY_SECONDS = 90.0
KEPT = ("server.crt", "server.key", "accounts.key", "accounts.pub", "tokens.csv", "ca.crt")
"""What a server is known by; `ca.crt` is written last."""
CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",
    "root-ca-certificate-publisher-controller",
)
"""Those whose work belongs to the API; whatever runs containers is a component of its own."""
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class EnvtestError(Exception):
    """Why the real API server cannot be had, in one sentence."""


@dataclass(frozen=True, slots=True)
class Assets:
    """The executables; None where there is no controller manager, which setup-envtest does not install."""

    etcd: Path
    apiserver: Path
    manager: Path | None

    @classmethod
    def find(cls) -> "Assets":
        """From the folder that `KUBEBUILDER_ASSETS` names. Raises EnvtestError."""
        named = os.environ.get("KUBEBUILDER_ASSETS", "")
        manager = Path(named) / "kube-controller-manager"
        found = cls(
            Path(named) / "etcd", Path(named) / "kube-apiserver", manager if os.access(manager, os.X_OK) else None
        )
        missing = [path.name for path in (found.etcd, found.apiserver) if not os.access(path, os.X_OK)]
        if not named or missing:
            raise EnvtestError(
                f"--engine envtest needs etcd and kube-apiserver in the folder that KUBEBUILDER_ASSETS names; it names {named or 'none'}"
                + (f", which lacks {' and '.join(missing)}" if named else "")
                + "; setup-envtest installs both"
            )
        return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _start(name: str, command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        # The child must not outlive this process, however this process ends.
        return subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent, cwd=folder)  # noqa: PLW1509 - one prctl call


def _etcd(assets: Assets, folder: Path, data: Path) -> tuple[subprocess.Popen[bytes], str]:
    clients, peers = (f"http://127.0.0.1:{_free_port()}" for _ in range(2))
    options = [
        "--data-dir",
        str(data),
        "--listen-client-urls",
        clients,
        "--advertise-client-urls",
        clients,
        "--listen-peer-urls",
        peers,
    ]
    return _start("etcd", [str(assets.etcd), *options], folder), clients


def _apiserver(assets: Assets, folder: Path, store: str, host: str, port: int) -> subprocess.Popen[bytes]:
    options = {
        "etcd-servers": store, "bind-address": host, "secure-port": str(port), "cert-dir": str(folder / "certs"),
        "tls-cert-file": str(folder / "server.crt"), "tls-private-key-file": str(folder / "server.key"),
        "token-auth-file": str(folder / "tokens.csv"), "authorization-mode": "RBAC", "anonymous-auth": "false",
        "service-cluster-ip-range": "10.96.0.0/16", "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": str(folder / "accounts.pub"), "service-account-signing-key-file": str(folder / "accounts.key"),
        "disable-admission-plugins": "ServiceAccount", "allow-privileged": "true", "profiling": "false",
    }  # fmt: skip
    return _start(
        "kube-apiserver", [str(assets.apiserver), *(f"--{name}={value}" for name, value in options.items())], folder
    )


def _manager(executable: Path, folder: Path) -> subprocess.Popen[bytes]:
    kubeconfig = str(folder / "admin.kubeconfig")
    options = {
        "kubeconfig": kubeconfig, "authentication-kubeconfig": kubeconfig, "authorization-kubeconfig": kubeconfig,
        "leader-elect": "false", "secure-port": "0", "root-ca-file": str(folder / "ca.crt"), "controllers": ",".join(CONTROLLERS),
    }  # fmt: skip
    return _start(
        "kube-controller-manager", [str(executable), *(f"--{name}={value}" for name, value in options.items())], folder
    )


def _alive(process: subprocess.Popen[bytes], name: str, folder: Path) -> None:
    if process.poll() is not None:
        lines = (folder / f"{name}.log").read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise EnvtestError(f"{name} ended with code {process.returncode}: {lines[-1][:400]}")


async def _until_ready(
    client: "httpx.AsyncClient", processes: dict[str, subprocess.Popen[bytes]], folder: Path
) -> None:
    import httpx

    loop = asyncio.get_running_loop()
    ends = loop.time() + READY_SECONDS
    while loop.time() < ends:
        for name, process in processes.items():
            _alive(process, name, folder)
        try:
            if (await client.get("/readyz")).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.1)
    raise EnvtestError(
        f"kube-apiserver was not ready within {READY_SECONDS:g} s; {folder / 'kube-apiserver.log'} has its words"
    )


async def _install(client: "httpx.AsyncClient", folders: Iterable[Path]) -> None:
    """Create or replace every definition, and wait until the server serves it."""
    for folder in folders:
        for path, definition in bootstrap.load_definitions(folder):
            name = definition.get("metadata", {}).get("name", "")
            options: dict[str, Any] = {
                "params": {"fieldManager": "maas-conformance", "force": "true"},
                "json": definition,
            }
            answer = await client.patch(
                f"{_CRDS}/{name}", headers={"Content-Type": "application/apply-patch+yaml"}, **options
            )
            if answer.is_error:
                raise bootstrap.UnusableManifestError(f"{path}: {answer.json().get('message', answer.text)}")
            for _ in range(500):
                if await _served(client, (await client.get(f"{_CRDS}/{name}")).json()):
                    break
                await asyncio.sleep(0.02)
            else:
                raise EnvtestError(f"{path}: the server did not serve {name} within 10 s")


async def _served(client: "httpx.AsyncClient", definition: dict[str, Any]) -> bool:
    """Whether a definition is established and its paths answer, which comes a moment later."""
    conditions = (definition.get("status") or {}).get("conditions") or []
    if not any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
        return False
    spec = definition["spec"]
    version = next(each["name"] for each in spec["versions"] if each["served"])
    path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
    return (await client.get(path, params={"limit": 1})).is_success


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child within the two seconds that a component has; etcd's log of writes makes a kill harmless."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(0.8)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


def _credentials(folder: Path, host: str, state: Path | None) -> None:
    """Certificates, keys and the administrator's token: those of an earlier start where its state is there, for clients trust them."""
    if state is not None and state.exists() and all((folder / name).exists() for name in KEPT):
        return
    issued, signing = certificates.issue(host), new_key()
    for name, content in {
        "server.crt": issued.chain,
        "server.key": issued.key,
        "accounts.key": certificates.dump_key(signing),
        "accounts.pub": certificates.dump_public(signing),
        "tokens.csv": f"{secrets.token_urlsafe(32)},kubernetes-admin,admin,system:masters\n".encode(),
    }.items():
        certificates.write_private(folder / name, content)
    (folder / "ca.crt").write_bytes(issued.ca)


async def serve(
    folder: Path, host: str, port: int, crds: Iterable[Path], state: Path | None, ready_file: Path | None
) -> None:
    """Run until SIGTERM. Raises EnvtestError or UnusableManifestError."""
    import httpx

    assets = Assets.find()
    _credentials(folder, host, state)
    ca, token = (folder / "ca.crt").read_bytes(), (folder / "tokens.csv").read_text().partition(",")[0]
    port = port or _free_port()
    url = f"https://{host}:{port}"
    certificates.write_kubeconfig(folder / "admin.kubeconfig", url, ca, token)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        processes["etcd"], store = _etcd(assets, folder, state or folder / "etcd")
        processes["kube-apiserver"] = _apiserver(assets, folder, store, host, port)
        context = ssl.create_default_context(cadata=ca.decode())
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            base_url=url, verify=context, headers=headers, trust_env=False, timeout=30
        ) as client:
            await _until_ready(client, processes, folder)
            await _install(client, crds)
        if (
            assets.manager is not None
        ):  # after the kinds: it watches those that there are when it starts, and looks for others seldom
            processes["kube-controller-manager"] = _manager(assets.manager, folder)
        announce(ready_file, {"api": url})
        await until_stopped()
    finally:
        for process in reversed(processes.values()):
            _end(process)
