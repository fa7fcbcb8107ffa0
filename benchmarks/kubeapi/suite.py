"""`python -m benchmarks.kubeapi.suite [--lives 200]`: processor time of the server for what a run of the conformance suite asks of it.

Each life is that of one customer: a ServiceAccount and its token, an access policy and a subscription that are applied, given finalizers,
reported on, watched by whoever waits for them, and deleted again. Beside them a controller rewrites the limits that all of them share,
admission asks a webhook, and the platform's own components watch. The mix is that of a recorded run.

The numbers are processor time. A busy machine stretches that too, but the client's as much as the server's, and the client's work is
always the same: compare versions of the server by the ratio of the two.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.kubeapi.__main__ import Server
from benchmarks.kubeapi.customer import MAAS, SHARED, Customer, limits
from benchmarks.kubeapi.hook import allowing
from benchmarks.kubeapi.wire import APPLY, MERGE, Address, Connection

Json = dict[str, Any]
AT_ONCE = 8
COMPONENTS = (
    *(f"{MAAS}/maassubscriptions",) * 3,
    *(f"{MAAS}/maasauthpolicies",) * 3,
    *(f"{MAAS}/maasmodelrefs",) * 2,
    *("/apis/kuadrant.io/v1alpha1/tokenratelimitpolicies",) * 2,
    *("/api/v1/serviceaccounts",) * 2,
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of both sides, and how many requests they were for."""

    requests: int
    server_s: float
    client_s: float


@dataclass(slots=True)
class Work:
    """The lives that are still to be lived, on one server."""

    address: Address
    left: int
    asked: int = 0
    limiting: asyncio.Lock = field(default_factory=asyncio.Lock)
    limited: list[str] = field(default_factory=list)
    version: str = ""

    async def do(self, connection: Connection, method: str, path: str, body: Any = None, media: str = "") -> Json:
        """One request that must succeed."""
        self.asked += 1
        raw = b"" if body is None else json.dumps(body).encode()
        code, answer = await connection.request(method, path, raw, media or "application/json")
        if code >= 400:
            raise SystemExit(f"{method} {path}: {code} {answer.decode()}")
        value: Json = json.loads(answer)
        return value

    async def limit(self, connection: Connection, change: Callable[[list[str]], None]) -> None:
        """Rewrite the limits that all customers share, then report on them."""
        async with self.limiting:
            change(self.limited)
            stored = await self.do(connection, "PUT", SHARED, limits(self.limited, self.version))
            report = {"conditions": [_condition("Enforced", "in force in Envoy and in the limiter", stored)]}
            stored = await self.do(connection, "PATCH", f"{SHARED}/status", {"status": report}, MERGE)
            self.version = stored["metadata"]["resourceVersion"]

    async def live(self, connection: Connection, number: int) -> None:
        """One customer from the first to the last request."""
        one = Customer(f"mc-{number:08x}")
        await self.do(connection, "PATCH", f"{one.account}?{APPLY}", one.as_account(), "application/apply-patch+yaml")
        token = await self.do(connection, "POST", f"{one.account}/token", one.as_token_request())
        await self.do(connection, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", one.as_review(token))
        for path, body in ((one.policy, one.as_policy()), (one.subscription, one.as_subscription())):
            made = await self.do(connection, "PATCH", f"{path}?{APPLY}", body, "application/apply-patch+yaml")
            held = {"metadata": {"finalizers": [one.finalizer], "resourceVersion": made["metadata"]["resourceVersion"]}}
            await self.do(connection, "PATCH", path, held, MERGE)
        waiting = await self.waits(one)
        await self.limit(connection, lambda limited: limited.append(one.name))
        await self.do(connection, "PATCH", f"{one.policy}/status", one.status("Active"), MERGE)
        for phase in ("Degraded", "Pending", "Active"):
            await self.do(connection, "PATCH", f"{one.subscription}/status", one.status(phase), MERGE)
        waiting.close()
        for path in (one.subscription, one.policy):
            await self.do(connection, "DELETE", path, {"propagationPolicy": "Background"})
            await self.do(connection, "PATCH", path, {"metadata": {"finalizers": []}}, MERGE)
        await self.limit(connection, lambda limited: limited.remove(one.name))
        await self.do(connection, "DELETE", one.account, {"propagationPolicy": "Background"})

    async def waits(self, one: Customer) -> Connection:
        """Somebody who waits for the subscription, on a connection of their own."""
        collection = one.subscription.rpartition("/")[0]
        waiting = await Connection.open(self.address)
        selected = f"{collection}?fieldSelector=metadata.name%3D{one.name}"
        seen = await self.do(waiting, "GET", selected)
        version = seen["metadata"]["resourceVersion"]
        waiting.send("GET", f"{selected}&resourceVersion={version}&timeoutSeconds=60&watch=true")
        await waiting.headers()
        return waiting

    async def worker(self) -> None:
        """Live until no life is left."""
        connection = await Connection.open(self.address)
        while self.left:
            self.left -= 1
            await self.live(connection, self.left)
        connection.close()


def _condition(kind: str, message: str, stored: Json) -> Json:
    return {
        "type": kind,
        "status": "True",
        "reason": kind,
        "message": message,
        "observedGeneration": stored["metadata"]["generation"],
        "lastTransitionTime": stored["metadata"]["creationTimestamp"],
    }


async def _watch(address: Address, path: str) -> None:
    """A component that follows a kind for as long as the task lives."""
    connection = await Connection.open(address)
    connection.send("GET", f"{path}?watch=true&timeoutSeconds=300")
    while await connection.reader.read(1 << 16):
        pass


async def measure(server: Server, lives: int) -> Cost:
    """Let them live, on a server that runs."""
    async with allowing() as hook:
        return await replay(server.address, lives, hook, server.cpu_seconds)


async def replay(address: Address, lives: int, hook: Json, cpu: Callable[[], float]) -> Cost:
    """As `measure`, on a server whose processor time `cpu` tells and that gets this webhook."""
    work = Work(address, lives)
    connection = await Connection.open(address)
    for name in ("models-as-a-service", "llm"):
        body = {"metadata": {"name": name}}
        await work.do(connection, "POST", "/api/v1/namespaces", body)
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    await work.do(connection, "POST", hooks, hook)
    work.limited.extend(f"standing-{number}" for number in range(10))
    made = await work.do(connection, "POST", SHARED.rpartition("/")[0], limits(work.limited, ""))
    work.version = made["metadata"]["resourceVersion"]
    watching = [asyncio.create_task(_watch(address, path)) for path in COMPONENTS]
    await asyncio.gather(*(work.worker() for _ in range(AT_ONCE)))  # warm: every schema compiled, every connection made
    work.left, work.asked = lives, 0
    before, own = cpu(), time.process_time()
    await asyncio.gather(*(work.worker() for _ in range(AT_ONCE)))
    spent, own = cpu() - before, time.process_time() - own
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    return Cost(work.asked, spent, own)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.kubeapi.suite", description=__doc__)
    parser.add_argument("--lives", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder, None, "--state", str(folder / "state"), "--state-survives", "process")
        try:
            cost = asyncio.run(measure(server, given.lives))
        finally:
            server.stop()
    each = cost.server_s * 1000 / cost.requests
    print(f"{given.lives} lives, {cost.requests} requests: {cost.server_s:.2f} CPU s, {each:.3f} ms a request")
    print(f"the client took {cost.client_s:.2f} CPU s; ratio {cost.server_s / cost.client_s:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
