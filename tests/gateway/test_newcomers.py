"""What of a refusal is remembered: none that speaks of a model which the gateway has only just learnt of."""

import asyncio

import httpx

from harness.simulator.gateway.authorizer.cache import AnswerCache
from harness.simulator.gateway.authorizer.decision import Identity, Refusal
from harness.simulator.gateway.authorizer.maas_api import MaasApi
from harness.simulator.gateway.authorizer.metrics import AuthMetrics, Rules
from harness.simulator.gateway.authorizer.newcomers import MOST, NEW_SECONDS, Newcomers

ALICE = Identity("alice", ("g",))
REFUSED = {"error": "not_found", "message": "no such model"}
CHOSEN = {"accessAllowed": True, "name": "s", "namespace": "maas", "resolvedModel": "llm/m"}


class Api:
    """maas-api, which refuses until it is told to grant."""

    def __init__(self) -> None:
        self.granting = False
        self.asked = 0

    def answer(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(200, json=CHOSEN if self.granting else REFUSED)


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Asking:
    """A client of maas-api whose answers last 60 s, and whether it lets alice in by a route."""

    def __init__(self) -> None:
        self.api, self.clock = Api(), Clock()
        http = httpx.AsyncClient(base_url="http://maas-api", transport=httpx.MockTransport(self.api.answer))
        self._client = MaasApi(http, 60.0, Rules(AuthMetrics(), "i/g"), Newcomers(self.clock))

    async def lets_in(self, route: str) -> bool:
        return not isinstance((await self._client.select(ALICE, "llm/m", "", route)).value, Refusal)


def test_a_refusal_on_a_new_route_is_asked_again_at_once() -> None:
    async def scenario() -> None:
        asking = Asking()
        assert not await asking.lets_in("llm/r")
        asking.api.granting = True
        assert await asking.lets_in("llm/r")

    asyncio.run(scenario())


def test_a_refusal_from_before_the_route_came_does_not_count_once_it_is_there() -> None:
    async def scenario() -> None:
        asking = Asking()
        assert not await asking.lets_in("")
        asking.api.granting = True
        assert not await asking.lets_in("")
        assert await asking.lets_in("llm/r")

    asyncio.run(scenario())


def test_on_a_route_that_is_known_for_long_a_refusal_is_remembered() -> None:
    async def scenario() -> None:
        asking = Asking()
        assert not await asking.lets_in("llm/r")
        asking.clock.now += NEW_SECONDS
        assert not await asking.lets_in("llm/r")
        asking.api.granting = True
        assert not await asking.lets_in("llm/r")
        assert asking.api.asked == 2

    asyncio.run(scenario())


def test_a_grant_on_a_new_route_is_remembered() -> None:
    async def scenario() -> None:
        asking = Asking()
        asking.api.granting = True
        assert await asking.lets_in("llm/r")
        asking.api.granting = False
        assert await asking.lets_in("llm/r")
        assert asking.api.asked == 1

    asyncio.run(scenario())


def test_an_answer_that_does_not_last_serves_those_who_wait_for_it() -> None:
    asked: list[int] = []
    now = 10.0

    async def ask() -> int:
        asked.append(1)
        await asyncio.sleep(0)
        return len(asked)

    async def scenario() -> None:
        cache: AnswerCache[int] = AnswerCache(60.0, now=lambda: now)
        found = await asyncio.gather(*(cache.get("k", ask, lasts=lambda _: False) for _ in range(3)))
        assert {(item.value, item.until) for item in found} == {(1, now)}
        assert (await cache.get("k", ask)).value == 2

    asyncio.run(scenario())


def test_of_many_routes_the_oldest_are_forgotten() -> None:
    clock = Clock()
    newcomers = Newcomers(clock)
    for number in range(MOST + 1):
        assert newcomers.has(f"llm/r{number}")
    clock.now += NEW_SECONDS
    assert not newcomers.has(f"llm/r{MOST}")
    assert newcomers.has("llm/r0")
