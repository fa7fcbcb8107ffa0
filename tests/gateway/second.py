"""A second gateway beside the first, with a limiter of its own and the same Redis."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.gateway.stack import INGRESS, MAAS, Part, Stack, launch
from tests.gateway.world import GATEWAY_API, PARENT, AuthPolicy, Gateway, HTTPRoute, Model, World, eventually

SECOND = "maas-second-gateway"


@contextlib.contextmanager
def redis_server(path: Path) -> Iterator[str]:
    """A Redis on the Unix socket `path`, without persistence; its URL."""
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=path.parent)
    try:
        eventually(lambda: _connects(path))
        yield f"unix://{path}"
    finally:
        process.terminate()
        process.wait(60)


def _connects(path: Path) -> bool:
    """Whether somebody listens: a server's socket is there a moment before it does."""
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(path))
        return True
    return False


@dataclass(frozen=True, slots=True)
class SecondGateway:
    """Where it is reached, and its limiter."""

    url: str
    limiter: Part
    access_log: Path


@contextlib.contextmanager
def second_gateway(
    stack: Stack, world: World, directory: Path, redis_url: str, *admission: str
) -> Iterator[SecondGateway]:
    """Run it for the length of the block; `admission`: options that limiter and gateway share."""
    everywhere = {"namespaces": {"from": "All"}}
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everywhere}]
    spec = {"gatewayClassName": "openshift-default", "listeners": listeners}
    world.create(Gateway, INGRESS, SECOND, spec, labels={"app.kubernetes.io/name": "maas"})
    target = {"group": GATEWAY_API, "kind": "Gateway", "name": SECOND}
    world.create(AuthPolicy, INGRESS, "second-maas-auth", {"targetRef": target})
    limiter = launch(directory, "limiter", "harness.simulator.gateway.limiter", "--redis", redis_url, *admission)
    try:
        gateway = launch(
            directory, "gateway", "harness.simulator.gateway",
            "--kubeconfig", str(stack.kubeconfig), "--dir", str(directory / "envoy"),
            "--authorizer", stack.parts["authorizer"].endpoints["grpc"],
            "--limiter", limiter.endpoints["grpc"], "--limiter-admin", limiter.endpoints["admin"],
            "--listen", f"{INGRESS}/{SECOND}/http=127.0.0.1:0", *admission,
        )  # fmt: skip
        try:
            yield SecondGateway(
                gateway.endpoints[f"{INGRESS}/{SECOND}/http"], limiter, directory / "envoy" / "access.log"
            )
        finally:
            gateway.stop()
    finally:
        limiter.stop()


def attach_to_both(world: World, model: Model) -> None:
    """Let both gateways serve a model."""
    parents = [{**PARENT, "name": name} for name in (MAAS, SECOND)]
    world.patch(HTTPRoute, model.namespace, model.route, {"spec": {"parentRefs": parents}})
    world.route_in_force(model)
