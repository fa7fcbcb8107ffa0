"""The store: revisions, history, past versions, dependents."""

import asyncio
from typing import Any

import pytest

from harness.simulator.kubeapi import store as module
from harness.simulator.kubeapi.store import Change, Store

BUCKET = ("example.com", "widgets")


def thing(name: str, uid: str = "", **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "Widget",
        "metadata": {"name": name, "namespace": "ns", "uid": uid or f"uid-{name}", **metadata},
        "spec": {},
    }


def test_every_change_has_a_revision_of_its_own() -> None:
    store = Store()
    first = store.put(BUCKET, thing("a"))
    second = store.put(BUCKET, thing("b"))
    gone = store.remove(BUCKET, first)
    assert first.revision < second.revision < gone.revision
    assert gone.decode()["metadata"]["resourceVersion"] == str(gone.revision)


def test_a_decoded_object_is_a_copy() -> None:
    store = Store()
    store.put(BUCKET, thing("a"))
    entry = store.get(BUCKET, "ns", "a")
    assert entry is not None
    entry.decode()["spec"]["x"] = 1
    assert entry.decode()["spec"] == {}


def test_objects_come_in_the_order_of_their_keys() -> None:
    store = Store()
    for name in ("c", "a", "b"):
        store.put(BUCKET, thing(name))
    assert [entry.name for entry in store.objects(BUCKET, "ns")] == ["a", "b", "c"]
    assert store.objects(BUCKET, "other") == []


def test_the_past_is_rebuilt_from_changes() -> None:
    store = Store()
    store.put(BUCKET, thing("a"))
    then = store.revision
    store.put(BUCKET, thing("a", labels={"x": "y"}))
    store.put(BUCKET, thing("b"))
    entry = store.get(BUCKET, "ns", "a")
    assert entry is not None
    store.remove(BUCKET, entry)
    past = store.past(BUCKET, then)
    assert past is not None
    assert [(e.name, e.labels) for e in past] == [("a", {})]


def test_history_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HISTORY", 3)
    store = Store()
    revisions = [store.put(BUCKET, thing(f"n{i}")).revision for i in range(6)]
    log = store.log(BUCKET)
    assert log.position_after(revisions[0]) is None
    assert store.past(BUCKET, revisions[0]) is None
    position = log.position_after(revisions[3])
    assert position is not None
    changes = log.since(position)
    assert changes is not None
    assert [change.entry.revision for change in changes] == revisions[4:]


def test_history_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HISTORY_BYTES", 5000)
    store = Store()
    first = store.put(BUCKET, thing("a", annotations={"x": "y" * 1000})).revision
    for number in range(20):
        store.put(BUCKET, thing("a", annotations={"x": str(number) * 1000}))
    log = store.log(BUCKET)
    assert log.position_after(first) is None
    kept = log.since(log.end - 2)
    assert kept is not None
    assert len(kept) == 2


def test_a_reader_that_fell_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HISTORY", 2)
    store = Store()
    position = store.log(BUCKET).end
    for number in range(4):
        store.put(BUCKET, thing(f"n{number}"))
    assert store.log(BUCKET).since(position) is None


def test_waiting_readers_wake_with_a_change() -> None:
    async def run() -> bool:
        store = Store()
        waiter = store.log(BUCKET).more()
        store.put(BUCKET, thing("a"))
        return waiter.done()

    assert asyncio.run(run())


def test_a_forgotten_reader_is_not_kept() -> None:
    async def run() -> bool:
        store = Store()
        log = store.log(BUCKET)
        waiter = log.more()
        log.forget(waiter)
        store.put(BUCKET, thing("a"))
        return waiter.done()

    assert not asyncio.run(run())


def test_dependents_follow_owner_references() -> None:
    store = Store()
    store.put(BUCKET, thing("child", ownerReferences=[{"uid": "owner"}]))
    assert [entry.name for _, entry in store.dependents("owner")] == ["child"]
    store.put(BUCKET, thing("child"))
    assert store.dependents("owner") == []


def test_listeners_hear_what_was_before() -> None:
    store = Store()
    heard: list[Change] = []
    store.listen(lambda _bucket, change: heard.append(change))
    store.put(BUCKET, thing("a"))
    store.put(BUCKET, thing("a", labels={"x": "y"}))
    assert [(change.type, change.before is None) for change in heard] == [("ADDED", True), ("MODIFIED", False)]


def test_kept_pages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SNAPSHOTS", 2)
    store = Store()
    tickets = [store.keep_rest(1, []) for _ in range(3)]
    assert store.rest(tickets[0]) is None
    assert store.rest(tickets[2]) is not None
