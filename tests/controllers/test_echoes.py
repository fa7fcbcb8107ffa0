"""A controller's own writes: whom they wake, in whichever order the watch and the answer speak, and how often a policy is written."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
from prometheus_client import CollectorRegistry

from harness.simulator.controllers.maas.reconciler_limit import BETWEEN_WRITES_S, LimitReconciler
from harness.simulator.controllers.maas.tokenlimit import Ledger
from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.controller import Controller, Metrics
from harness.simulator.controllers.runtime.kind import MAAS_SUBSCRIPTION
from harness.simulator.controllers.runtime.manifest import Key, Manifest, is_deleting, status
from harness.simulator.controllers.runtime.scrape import scraped

FINALIZER: Final = "example.com/kept"
KEY: Final = Key("ns", "one")


def subscription(version: int, **fields: Any) -> Manifest:
    metadata = {"name": "one", "namespace": "ns", "resourceVersion": str(version), "generation": 1}
    return {"metadata": metadata | fields.pop("metadata", {}), "spec": {"priority": 1}, **fields}


class Server:
    """Answers patches of one object; `meanwhile` runs between a write and its answer."""

    def __init__(self) -> None:
        self.version = 10
        self.stored = subscription(10)
        self.meanwhile: list[Any] = []

    async def patch(self, resource: Any, name: str, body: Manifest, **how: Any) -> Manifest:
        for _ in range(5):
            await asyncio.sleep(0)  # others have their turn, as while a request is on its way
        self.version += 1
        merged = {**self.stored, **{part: body[part] for part in body if part != "metadata"}}
        merged["metadata"] = {
            **self.stored["metadata"],
            **body.get("metadata", {}),
            "resourceVersion": str(self.version),
        }
        self.stored = merged
        for step in self.meanwhile:
            await step(merged)
        return merged


class Settling:
    """Adds a finalizer, then a status: two writes and nothing left to do after them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.runs = 0

    async def reconcile(self, key: Key) -> float | None:
        self.runs += 1
        found = self.cluster.store(MAAS_SUBSCRIPTION).get(key)
        if found is None or is_deleting(found):
            return None
        kept = await self.cluster.add_finalizer(MAAS_SUBSCRIPTION, found, FINALIZER)
        await self.cluster.write_status(MAAS_SUBSCRIPTION, kept, {"phase": "Active"})
        return None


class Bystander:
    """Counts what another controller hears of."""

    def __init__(self) -> None:
        self.runs = 0

    async def reconcile(self, _key: Key) -> float | None:
        self.runs += 1
        return None


def runs(server: Server, *, echoes: bool, meanwhile: Any = None) -> tuple[int, int]:
    """How often the writer and a bystander ran until nothing was left to do."""
    return asyncio.run(_runs(server, echoes=echoes, meanwhile=meanwhile))


async def _runs(server: Server, *, echoes: bool, meanwhile: Any) -> tuple[int, int]:
    cluster = Cluster(server)  # type: ignore[arg-type]  # of a client these writes need `patch` alone
    informer = cluster.informer(MAAS_SUBSCRIPTION)
    metrics = Metrics(CollectorRegistry())
    settling, bystander = Settling(cluster), Bystander()
    writer = Controller("writer", settling, metrics, 1, echoes=echoes)
    other = Controller("other", bystander, metrics, 1)
    writer.owns(informer)
    other.owns(informer)
    if meanwhile is not None:
        server.meanwhile.append(lambda merged: meanwhile(informer, merged))
    tasks = [asyncio.create_task(controller.run()) for controller in (writer, other)]
    await asyncio.sleep(0)
    informer.observe(server.stored)
    for _ in range(50):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return settling.runs, bystander.runs


async def told_first(informer: Any, merged: Manifest) -> None:
    """The watch speaks of a write before its answer comes."""
    await watched(informer, merged)


async def watched(informer: Any, manifest: Manifest) -> None:
    async def events(*_: Any, **__: Any) -> AsyncIterator[tuple[str, Manifest]]:
        yield "MODIFIED", manifest

    informer._client.watch = events
    await informer._watch("0")


def test_a_controller_without_echoes_runs_once_and_others_hear_of_its_writes() -> None:
    once, heard = runs(Server(), echoes=False)
    assert once == 1
    assert heard >= 2


def test_a_controller_with_echoes_hears_of_its_own_writes() -> None:
    assert runs(Server(), echoes=True)[0] > 1


def test_the_watch_that_speaks_before_the_answer_makes_no_echo_either() -> None:
    assert runs(Server(), echoes=False, meanwhile=told_first)[0] == 1


def test_a_change_of_somebody_elses_in_the_answer_is_no_echo() -> None:
    """The status is written whatever the object's version is, so its answer may hold an edit that came between."""

    class Edited(Server):
        async def patch(self, resource: Any, name: str, body: Manifest, **how: Any) -> Manifest:
            if "status" in body and not status(self.stored):
                self.stored = {**self.stored, "spec": {"priority": 2}}
            return await super().patch(resource, name, body, **how)

    assert runs(Edited(), echoes=False)[0] == 2


def test_an_object_whose_last_finalizer_was_removed_has_gone_before_the_watch_says_so() -> None:
    async def scenario() -> list[bool]:
        server = Server()
        server.stored["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["other", FINALIZER]}
        cluster = Cluster(server)  # type: ignore[arg-type]  # of a client this write needs `patch` alone
        store = cluster.informer(MAAS_SUBSCRIPTION).store
        store.observe(server.stored)
        present = []
        for finalizer in ("other", FINALIZER):
            found = store.get(KEY)
            assert found is not None
            await cluster.remove_finalizer(MAAS_SUBSCRIPTION, found, finalizer)
            present.append(store.get(KEY) is not None)
        return present

    assert asyncio.run(scenario()) == [True, False]


def test_what_the_watch_says_while_a_write_is_not_answered_is_heard_afterwards() -> None:
    async def scenario() -> list[Any]:
        cluster = Cluster(Server())  # type: ignore[arg-type]  # nothing is written
        informer = cluster.informer(MAAS_SUBSCRIPTION)
        heard: list[Any] = []
        informer.subscribe(lambda change: heard.append(change.latest["metadata"]["resourceVersion"]))
        with informer.writes.awaiting(KEY):
            await watched(informer, subscription(5))
            before = list(heard)
        return [before, heard]

    assert asyncio.run(scenario()) == [[], ["5"]]


class Ready:
    """A view of one model, each look at which makes another wish; `written` keeps the moments of the writes."""

    def __init__(self) -> None:
        self.cluster = self
        self.written: list[float] = []

    def store(self, _kind: Any) -> "Ready":
        return self

    def by(self, *_: Any) -> list[Manifest]:
        return []

    async def apply(self, _kind: Any, _wanted: Manifest, **_: Any) -> Manifest:
        self.written.append(asyncio.get_running_loop().time())
        metadata = {"name": "p", "namespace": "llm", "uid": "u", "resourceVersion": str(len(self.written))}
        return {"metadata": metadata, "spec": {"limits": {}}}


def test_a_policy_is_written_at_once_and_then_carries_what_came_meanwhile() -> None:
    async def scenario() -> list[float]:
        view = Ready()

        def wish(key: Key) -> Manifest | None:
            return {"metadata": {"name": "p", "namespace": key.namespace}}

        limits = LimitReconciler(view, Ledger())  # type: ignore[arg-type]  # a view of one model
        limits._wanted = wish  # type: ignore[method-assign]
        waits = []
        for _ in range(5):
            again = await limits.reconcile(KEY)
            if again is not None:
                waits.append(again)
        assert len(view.written) == 1
        assert all(0 < wait <= BETWEEN_WRITES_S for wait in waits)
        assert len(waits) == 4
        limits._rests_until[KEY] = asyncio.get_running_loop().time()
        await limits.reconcile(KEY)
        return view.written

    assert len(asyncio.run(scenario())) == 2


def test_series_are_served_for_the_length_of_a_block() -> None:
    with scraped(CollectorRegistry(), ("127.0.0.1", 0)) as url:
        assert httpx.get(url, trust_env=False).status_code == 200
    try:
        httpx.get(url, trust_env=False, timeout=2)
    except httpx.ConnectError:
        return
    raise AssertionError(f"{url} answers after its block")
