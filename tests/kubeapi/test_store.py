"""The store: revisions, history, past versions, dependents."""

import asyncio
from typing import Any

import pytest

from harness.simulator.kubeapi import changes as module
from harness.simulator.kubeapi import store as pages
from harness.simulator.kubeapi.changes import Change
from harness.simulator.kubeapi.store import Store

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
    assert store.log(BUCKET).after(revisions[0]) is None
    assert store.past(BUCKET, revisions[0]) is None
    changes = store.log(BUCKET).after(revisions[3])
    assert changes is not None
    assert [change.entry.revision for change in changes] == revisions[4:]


def test_history_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HISTORY_BYTES", 5000)
    store = Store()
    first = store.put(BUCKET, thing("a", annotations={"x": "y" * 1000})).revision
    revisions = [store.put(BUCKET, thing("a", annotations={"x": str(i) * 1000})).revision for i in range(20)]
    assert store.log(BUCKET).after(first) is None
    kept = store.log(BUCKET).after(revisions[-3])
    assert kept is not None
    assert len(kept) == 2


@pytest.mark.parametrize(("bound", "most"), [("HISTORY", 2), ("HISTORY_BYTES", 300)])
def test_a_reader_that_fell_behind_is_told(monkeypatch: pytest.MonkeyPatch, bound: str, most: int) -> None:
    monkeypatch.setattr(module, bound, most)
    store = Store()
    feed = store.log(BUCKET).follow()
    for number in range(4):
        assert not feed.lost or number > 1
        store.put(BUCKET, thing(f"n{number}"))
    assert feed.lost


def test_a_reader_that_keeps_up_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HISTORY", 2)
    store = Store()
    feed = store.log(BUCKET).follow()
    seen = []
    for number in range(9):
        store.put(BUCKET, thing(f"n{number}"))
        seen += [change.entry.name for change in feed.take()]
    assert (seen, feed.lost) == ([f"n{number}" for number in range(9)], False)


def test_a_reader_of_one_object_hears_of_that_object_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HISTORY", 2)
    store = Store()
    feed = store.log(BUCKET).follow(("ns", "a"))
    for name in ("b", "a", "c", "d", "e"):
        store.put(BUCKET, thing(name))
    assert ([change.entry.name for change in feed.take()], feed.lost) == (["a"], False)


def test_waiting_readers_wake_with_a_change() -> None:
    async def run() -> list[str]:
        store = Store()
        feed = store.log(BUCKET).follow()
        waiting = asyncio.create_task(feed.more(asyncio.get_running_loop().time() + 600))
        await asyncio.sleep(0)
        store.put(BUCKET, thing("a"))
        async with asyncio.timeout(60):
            await waiting
        return [change.entry.name for change in feed.take()]

    assert asyncio.run(run()) == ["a"]


def test_waiting_ends_with_its_time() -> None:
    async def run() -> None:
        async with asyncio.timeout(60):
            await Store().log(BUCKET).follow().more(asyncio.get_running_loop().time())

    asyncio.run(run())


def test_a_reader_that_left_is_fed_no_more() -> None:
    store = Store()
    log = store.log(BUCKET)
    feed = log.follow()
    log.leave(feed)
    store.put(BUCKET, thing("a"))
    assert feed.take() == []


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
    monkeypatch.setattr(pages, "SNAPSHOTS", 2)
    store = Store()
    tickets = [store.keep_rest(1, []) for _ in range(3)]
    assert store.rest(tickets[0]) is None
    assert store.rest(tickets[2]) is not None
