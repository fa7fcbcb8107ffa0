"""The gateway's three processes and a Kubernetes API, started for tests and benchmarks; what surrounds them are doubles."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from lightkube import Client, KubeConfig

ROOT = Path(__file__).resolve().parents[2]
INGRESS = "openshift-ingress"
MAAS, STANDARD = "maas-default-gateway", "openshift-ai-inference"
START_SECONDS = 60.0
PLAIN = httpx.Client(trust_env=False, verify=False)


@dataclass
class Part:
    """One running process and what it announced."""

    process: subprocess.Popen[bytes]
    endpoints: dict[str, str]
    log: Path

    def stop(self) -> None:
        """End it and wait."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def launch(directory: Path, name: str, module: str, *arguments: str) -> Part:
    """Start `python -m module` and wait for its ready file."""
    ready, log = directory / f"{name}.ready", directory / f"{name}.log"
    ready.unlink(missing_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--ready-file", str(ready)],
            cwd=ROOT,
            env={**os.environ, "MAAS_DIE_WITH_PARENT": "1"},
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"{name} did not start:\n{log.read_text(encoding='utf-8')[-3000:]}")
        time.sleep(0.01)
    return Part(process, json.loads(ready.read_text(encoding="utf-8"))["endpoints"], log)


@dataclass
class Stack:
    """Everything that runs. `parts` by name: api, limiter, authorizer, gateway."""

    directory: Path
    maas_api: str
    authorizer_options: tuple[str, ...] = ()
    gateway_options: tuple[str, ...] = ()
    limiter_options: tuple[str, ...] = ()
    parts: dict[str, Part] = field(default_factory=dict)

    def start(self) -> None:
        """Start in order of dependency; base objects are created before the gateway starts."""
        crds = ROOT / "fixtures" / "crds"
        self.parts["api"] = launch(
            self.directory, "api", "harness.simulator.kubeapi",
            "--dir", str(self.directory / "kube"), "--crds", str(crds / "gateway-api"), "--crds", str(crds / "kuadrant"),
            "--crds", str(crds / "maas"),
            "--log-level", "warning",
        )  # fmt: skip
        self.start_limiter()
        self.start_authorizer()

    def start_limiter(self, *options: str) -> None:
        """Start the limiter."""
        self.parts["limiter"] = launch(
            self.directory, "limiter", "harness.simulator.gateway.limiter", *self.limiter_options, *options
        )

    def start_authorizer(self, *options: str) -> None:
        """Start the authorizer."""
        self.parts["authorizer"] = launch(
            self.directory, "authorizer", "harness.simulator.gateway.authorizer",
            "--kubeconfig", str(self.kubeconfig), "--maas-api", self.maas_api, *self.authorizer_options, *options,
        )  # fmt: skip

    def start_gateway(self, *listeners: str) -> None:
        """Start the gateway controller with its Envoy, on free ports."""
        self.start_gateway_at(*(f"{item}=127.0.0.1:0" for item in listeners))

    def start_gateway_at(self, *listeners: str) -> None:
        """Start the gateway controller with its Envoy; each listener as `--listen` takes it."""
        limiter, authorizer = self.parts["limiter"].endpoints, self.parts["authorizer"].endpoints
        listen = [part for item in listeners for part in ("--listen", item)]
        self.parts["gateway"] = launch(
            self.directory, "gateway", "harness.simulator.gateway",
            "--kubeconfig", str(self.kubeconfig), "--dir", str(self.directory / "envoy"),
            "--authorizer", authorizer["grpc"], "--limiter", limiter["grpc"], "--limiter-admin", limiter["admin"],
            *listen, *self.gateway_options,
        )  # fmt: skip

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kube" / "admin.kubeconfig"

    def kube(self) -> Client:
        """A client of the API server."""
        return Client(config=KubeConfig.from_file(self.kubeconfig), trust_env=False)

    def url(self, gateway: str = MAAS, listener: str = "http") -> str:
        """Where a listener is reached."""
        return self.parts["gateway"].endpoints[f"{INGRESS}/{gateway}/{listener}"]

    def limiter_admin(self, path: str) -> httpx.Response:
        """GET of the limiter's administrative endpoint."""
        return PLAIN.get(self.parts["limiter"].endpoints["admin"] + path)

    def access_log(self) -> Path:
        """Envoy's access log."""
        return self.directory / "envoy" / "access.log"

    def stop(self) -> None:
        """End everything, the gateway first."""
        for part in reversed(self.parts.values()):
            part.stop()


@contextlib.contextmanager
def running(stack: Stack) -> Iterator[Stack]:
    """The stack's services for the duration of the block; the gateway is started by the caller, when its objects exist."""
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
