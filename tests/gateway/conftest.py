"""One stack for each test process: real Kubernetes API, limiter, authorizer, gateway controller and Envoy."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.doubles import ManagementApi, ModelServer, served
from tests.gateway.stack import INGRESS, MAAS, STANDARD, Stack, running
from tests.gateway.world import INFRA, PARENT, HTTPRoute, Model, World, fresh

CACHE_TTL = 0.3


@dataclass
class Rig:
    """Everything a test needs."""

    stack: Stack
    world: World
    models: ModelServer
    model_port: int
    maas: ManagementApi
    http: httpx.Client

    @property
    def listeners(self) -> tuple[str, ...]:
        """Names of the listeners that the gateway serves."""
        return tuple(f"{INGRESS}/{name}/{item}" for name in (MAAS, STANDARD) for item in ("http", "https"))

    @property
    def url(self) -> str:
        """The governed gateway."""
        return self.stack.url()

    def caller(self, model: Model, *, subscription: str = "maas/s1", user: str | None = None) -> "Caller":
        """A user with a key and access to a model."""
        user = user or fresh("user")
        self.maas.grant(user, model.reference, model.alias, resolved=model.reference, subscription=subscription)
        return Caller(self, user, self.maas.key(user, subscription.split("/")[1]), model)

    def limited(self, *rates: tuple[int, str]) -> "Caller":
        """A caller of a fresh model with a limit."""
        model = self.world.model(self.model_port)
        self.world.limit(model, *rates)
        return self.caller(model)

    def counters(self, user: str) -> list[dict[str, Any]]:
        """Open windows of a user."""
        found = self.stack.limiter_admin("/counters").json()["counters"]
        return [item for item in found if user in item["variables"].values()]

    def metric(self, name: str, user: str) -> int:
        """Sum of a metric's series of one user."""
        lines = self.stack.limiter_admin("/metrics").text.splitlines()
        return sum(
            int(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{") and f'user="{user}"' in line
        )


@dataclass
class Caller:
    """A user who calls one model with a key."""

    rig: Rig
    user: str
    key: str
    model: Model

    @property
    def headers(self) -> dict[str, str]:
        """The credential."""
        return {"Authorization": f"Bearer {self.key}"}

    def body(self, double: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """A request's body."""
        return {"model": self.model.alias, "messages": [], **fields, "double": double or {}}

    def post(self, double: dict[str, Any] | None = None, *, by_body: bool = False, **fields: Any) -> httpx.Response:
        """One completion, read to its end."""
        path = "/v1/chat/completions" if by_body else self.model.path
        return self.rig.http.post(self.rig.url + path, json=self.body(double, **fields), headers=self.headers)

    def spend(self, tokens: int) -> httpx.Response:
        """A completion that costs exactly `tokens`."""
        return self.post({"prompt": 0, "tokens": tokens})

    def fence(self) -> None:
        """Return when every response so far is in the limiter's book: reports and checks travel one connection, in order."""
        models = self.model.path.removesuffix("chat/completions") + "models"
        assert self.rig.http.get(self.rig.url + models, headers=self.headers).status_code == 200

    def used(self) -> int:
        """Tokens in the open window of the only counter."""
        self.fence()
        found = self.rig.counters(self.user)
        assert len(found) <= 1, found
        return found[0]["used"] if found else 0


@contextlib.contextmanager
def built(directory: Path, *admission: str, limiter: tuple[str, ...] = ()) -> Iterator[Rig]:
    """The stack, with maas-api's routes and both gateways; `admission`: options that limiter and gateway share."""
    models, maas = ModelServer(), ManagementApi()
    with (
        served(models.app()) as model_port,
        served(maas.app()) as maas_port,
        httpx.Client(trust_env=False, timeout=10) as http,
    ):
        stack = Stack(directory, f"http://127.0.0.1:{maas_port}", authorizer_options=("--cache-ttl", str(CACHE_TTL)))
        stack.limiter_options, stack.gateway_options = (*admission, *limiter), (*admission, "--listen-any", "127.0.0.1")
        with running(stack):
            world = World(stack.kube())
            world.gateways()
            world.auth_policy()
            world.telemetry()
            management_route(world, maas_port)
            found = Rig(stack, world, models, model_port, maas, http)
            stack.start_gateway(*found.listeners)
            yield found


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One stack for all tests of a process that leave it whole."""
    with built(tmp_path_factory.mktemp("gateway")) as found:
        yield found


def management_route(world: World, port: int) -> None:
    """maas-api's route as the platform ships it."""
    world.namespace(INFRA)
    world.service(INFRA, "maas-api", port, 8443)
    backend = [{"name": "maas-api", "port": 8443}]
    rules: list[dict[str, Any]] = [
        {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": backend}
        for path in ("/v1/models", "/v1/subscriptions", "/v1/api-keys")
    ]
    rewrite = [
        {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
    ]
    rules.append(
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/maas-api"}}],
            "filters": rewrite,
            "backendRefs": backend,
        }
    )
    world.create(HTTPRoute, INFRA, "maas-api-route", {"parentRefs": [{**PARENT, "name": MAAS}], "rules": rules})


def sse(text: str) -> list[Any]:
    """The data of each event, JSON decoded where it is JSON."""
    found = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    return [json.loads(item) if item.startswith("{") else item for item in found]
