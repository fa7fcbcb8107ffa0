"""What of the cluster's news makes another plan: changes of others, never the echo of a status that was written here."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from harness.simulator.gateway.watch import KINDS, Watch

ROUTES = next(kind for kind in KINDS if kind.slot == "routes")
KEY = ("llm", "r")


def route(version: int, **fields: Any) -> dict[str, Any]:
    metadata = {"namespace": "llm", "name": "r", "resourceVersion": str(version), "generation": 1}
    return {"metadata": metadata | fields.pop("metadata", {}), "spec": {"rules": []}, **fields}


class Listing:
    """A list of objects at version 1."""

    resourceVersion = "1"  # noqa: N815  lightkube's name

    def __init__(self, *items: dict[str, Any]) -> None:
        self._items = items

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for item in self._items:
            yield item


class Server:
    """A list, then events; `drained` is set when the watch has taken all of them."""

    def __init__(self, listed: dict[str, Any], *events: tuple[str, dict[str, Any]]) -> None:
        self._listed = listed
        self._events = events
        self.drained = asyncio.Event()

    def list(self, _resource: Any, **_scope: Any) -> Listing:
        return Listing(self._listed)

    async def watch(self, _resource: Any, **_scope: Any) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        for event in self._events:
            yield event
        self.drained.set()
        await asyncio.Event().wait()


def followed(listed: dict[str, Any], *events: tuple[str, dict[str, Any]]) -> tuple[dict[str, Any] | None, int]:
    """The object that is known in the end, and how often that was news after the list."""
    return asyncio.run(_followed(listed, *events))


async def _followed(listed: dict[str, Any], *events: tuple[str, dict[str, Any]]) -> tuple[dict[str, Any] | None, int]:
    news: list[None] = []
    watch, server = Watch(ROUTES, lambda: news.append(None)), Server(listed, *events)
    running = asyncio.create_task(watch.run(server))  # type: ignore[arg-type]  # of a client it needs these two methods
    async with asyncio.timeout(10):
        await server.drained.wait()
    running.cancel()
    return watch.objects.get(KEY), len(news) - 1


def written(known: dict[str, Any], answer: dict[str, Any]) -> tuple[dict[str, Any] | None, int]:
    """The object that is known after a write was answered, and how often that was news."""
    news: list[None] = []
    watch = Watch(ROUTES, lambda: news.append(None), {KEY: known})
    watch.wrote(answer)
    return watch.objects.get(KEY), len(news)


def test_the_watch_that_speaks_of_a_status_before_its_answer_makes_no_news() -> None:
    async def scenario() -> tuple[int, dict[str, Any]]:
        news: list[None] = []
        answer = route(3, status={"parents": []})
        watch, server = Watch(ROUTES, lambda: news.append(None)), Server(route(2), ("MODIFIED", answer))
        with watch.writes.awaiting(KEY):
            running = asyncio.create_task(watch.run(server))  # type: ignore[arg-type]  # of a client it needs these two methods
            async with asyncio.timeout(10):
                await server.drained.wait()
            before = dict(watch.objects[KEY])
            watch.wrote(answer)
        running.cancel()
        assert watch.objects[KEY] == answer
        return len(news) - 1, before

    assert asyncio.run(scenario()) == (0, route(2))


def test_what_others_did_while_a_status_was_written_is_news_once_it_is_answered() -> None:
    async def scenario() -> int:
        news: list[None] = []
        watch, server = Watch(ROUTES, lambda: news.append(None)), Server(route(2), ("DELETED", route(4)))
        with watch.writes.awaiting(KEY):
            running = asyncio.create_task(watch.run(server))  # type: ignore[arg-type]  # as above
            async with asyncio.timeout(10):
                await server.drained.wait()
            watch.wrote(route(3, status={"parents": []}))
        running.cancel()
        assert watch.objects == {}
        return len(news) - 1

    assert asyncio.run(scenario()) == 1


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED"])
def test_a_later_version_is_news_and_an_echo_is_not(event: str) -> None:
    later = route(3, status={"parents": []})
    assert followed(route(2), (event, later), (event, later)) == (later, 1)


def test_an_older_version_changes_nothing() -> None:
    assert followed(route(5), ("MODIFIED", route(4, status={}))) == (route(5), 0)


def test_what_was_deleted_may_come_again() -> None:
    assert followed(route(5), ("DELETED", route(6))) == (None, 1)
    assert followed(route(5), ("DELETED", route(6)), ("ADDED", route(7))) == (route(7), 2)


def test_the_answer_to_a_status_is_known_and_no_news() -> None:
    answer = route(3, status={"parents": []}, metadata={"managedFields": [{"manager": "gateway"}]})
    assert written(route(2), answer) == (answer, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"spec": {"rules": [{}]}},
        {"metadata": {"generation": 2}},
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {"metadata": {"annotations": {"a": "b"}}},
    ],
)
def test_an_answer_that_shows_anothers_change_is_news(fields: dict[str, Any]) -> None:
    assert written(route(2), route(4, **fields)) == (route(4, **fields), 1)


def test_an_answer_that_comes_late_is_left_aside() -> None:
    assert written(route(4), route(3, spec={"rules": [{}]})) == (route(4), 0)
    watch = Watch(ROUTES, lambda: pytest.fail("an object that has gone is no news"))
    watch.wrote(route(3))
    assert watch.objects == {}
