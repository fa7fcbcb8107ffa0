"""Counters in Redis, shared by the limiters of several gateways, with the semantics of the counters in memory.

Redis expires a window on its own; the first charge of a window sets its end and later ones leave it alone, in one script, so charges
of several limiters never race. Commands of one limiter run one after the other in the order of its calls: that order is what makes
sequential accounting exact (see the package).
"""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
import redis.asyncio
from redis.exceptions import RedisError

from harness.simulator.gateway.limiter.counters import Counter, CounterKey
from harness.simulator.gateway.limiter.metrics import TokenMetrics

PREFIX = "maas-limit"
CHARGE = """
for index, key in ipairs(KEYS) do
  local used = redis.call('INCRBY', key, ARGV[1])
  if used == tonumber(ARGV[1]) then
    redis.call('PEXPIRE', key, ARGV[1 + index])
  end
end
"""
ADVANCE = """
local left = redis.call('PTTL', KEYS[1])
if left >= 0 then
  redis.call('PEXPIRE', KEYS[1], math.max(left - ARGV[1], 0))
end
"""


class SharedStoreError(Exception):
    """Redis did not answer; requests are refused until it does."""


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """One window as `/counters` shows it."""

    key: CounterKey
    used: int
    left: float
    subscription: str


def name_of(counter: Counter) -> str:
    """The Redis key. The subscription stands first, so that its counters can be found for an advanced clock."""
    domain, policy, limit, seconds, variables = counter.limit.identity
    rest = orjson.dumps([domain, policy, limit, seconds, variables, counter.values]).decode()
    return f"{PREFIX}:{counter.subscription}:{rest}"


def key_of(name: str) -> tuple[CounterKey, str]:
    """Counter key and subscription of a Redis key."""
    _, subscription, rest = name.split(":", 2)
    domain, policy, limit, seconds, variables, values = orjson.loads(rest)
    return ((domain, policy, limit, seconds, tuple(variables)), tuple(values)), subscription


class SharedCounters:
    """The counters behind one Redis URL. Every method raises SharedStoreError when Redis does not answer."""

    def __init__(self, url: str, metrics: TokenMetrics) -> None:
        self._metrics = metrics
        self._redis = redis.asyncio.Redis.from_url(
            url, single_connection_client=True, socket_timeout=1.0, socket_connect_timeout=1.0
        )
        self._turn = asyncio.Lock()

    async def ready(self) -> None:
        """Find out whether Redis answers."""
        await self._ask(cast("Awaitable[Any]", self._redis.ping()))

    async def used(self, counters: tuple[Counter, ...]) -> dict[CounterKey, int]:
        """Tokens used in the open window of each counter."""
        if not counters:
            return {}
        values = await self._ask(self._redis.mget([name_of(counter) for counter in counters]))
        return {counter.key: int(value or 0) for counter, value in zip(counters, values, strict=True)}

    async def charge(self, counters: tuple[Counter, ...], amount: int) -> None:
        """Add `amount` to every counter."""
        names = [name_of(counter) for counter in counters]
        ends = [str(counter.limit.seconds * 1000) for counter in counters]
        await self.script(CHARGE, names, (str(amount), *ends))

    async def advance(self, subscription: str, seconds: float) -> None:
        """Let time pass for one subscription's counters."""
        for name in await self._names(f"{PREFIX}:{literal(subscription)}:*"):
            await self.script(ADVANCE, (name,), (str(int(seconds * 1000)),))

    async def script(self, text: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        """Run a script, which Redis does as one step."""
        return await self._ask(self._redis.eval(text, len(keys), *keys, *arguments))

    async def forget(self, name: str, field: str) -> None:
        """Remove one field of a hash."""
        await self._ask(cast("Awaitable[Any]", self._redis.hdel(name, field)))

    async def windows(self) -> list[OpenWindow]:
        """Every open window."""
        found = []
        for name in await self._names(f"{PREFIX}:*"):
            used, left = await self._ask(self._redis.get(name)), await self._ask(self._redis.pttl(name))
            if used is not None and left > 0:
                key, subscription = key_of(name)
                found.append(OpenWindow(key, int(used), left / 1000, subscription))
        return found

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    async def _names(self, pattern: str) -> list[str]:
        return [name.decode() for name in await self._ask(self._redis.keys(pattern))]

    async def _ask(self, call: Awaitable[Any]) -> Any:
        async with self._turn:
            started = time.perf_counter()
            answered = False
            try:
                answer = await call
                answered = True
            except (RedisError, OSError) as error:
                raise SharedStoreError(f"Redis did not answer: {type(error).__name__}") from error
            finally:
                self._metrics.asked(time.perf_counter() - started, answered=answered)
            return answer


def literal(text: str) -> str:
    """Text in a Redis pattern."""
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)


def in_memory(windows: Iterator[tuple[CounterKey, int, float, str]]) -> list[OpenWindow]:
    """Windows of the counters in memory, in the same form."""
    return [OpenWindow(*window) for window in windows]
