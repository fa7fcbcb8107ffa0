"""Holds in Redis: what requests at any of several gateways keep of a budget that they share.

Whether a request fits and what it then holds are one script, so that two gateways cannot both take the last tokens. A hold is a field
of its counter's hash, with the time at which it ends by itself: a limiter that died releases nothing.
"""

import secrets
from collections import deque
from dataclasses import dataclass

from harness.simulator.gateway.limiter.admission import Wish
from harness.simulator.gateway.limiter.counters import Counter
from harness.simulator.gateway.limiter.holds import HOLD_SECONDS
from harness.simulator.gateway.limiter.shared import SharedCounters, name_of

PREFIX = "maas-hold"
PLACE = """
local count = #KEYS / 2
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
for index = 1, count do
  local taken = tonumber(redis.call('GET', KEYS[index]) or '0')
  local fields = redis.call('HGETALL', KEYS[count + index])
  for place = 1, #fields, 2 do
    local amount, ends = string.match(fields[place + 1], '^(%d+) (.+)$')
    if tonumber(ends) > now then
      taken = taken + tonumber(amount)
    else
      redis.call('HDEL', KEYS[count + index], fields[place])
    end
  end
  if taken + tonumber(ARGV[2 + 2 * index]) > tonumber(ARGV[1 + 2 * index]) then
    return index
  end
end
if ARGV[1] ~= '' then
  for index = 1, count do
    redis.call('HSET', KEYS[count + index], ARGV[1], ARGV[2 + 2 * index] .. ' ' .. string.format('%.3f', now + ARGV[2]))
    redis.call('EXPIRE', KEYS[count + index], math.ceil(ARGV[2]))
  end
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """A hold of this limiter: its field, and the hashes that it is in."""

    field: str
    hashes: tuple[str, ...]


class SharedHolds:
    """Holds over one store of counters. Which request placed which hold is known to the limiter that its release will come to.

    `keep` False admits by the same sum and holds nothing (estimate). Every method raises SharedStoreError when Redis does not answer.
    """

    def __init__(self, shared: SharedCounters, *, keep: bool) -> None:
        self._shared = shared
        self._keep = keep
        self._by_request: dict[str, deque[Placed]] = {}

    async def place(self, wish: Wish, counters: tuple[Counter, ...]) -> Counter | None:
        """Hold the request's share of each counter; the first counter that has no room for it, and then nothing is held."""
        if not counters:
            return None
        hashes = tuple(f"{PREFIX}:{name_of(counter)}" for counter in counters)
        field = secrets.token_hex(8) if self._keep else ""
        bounds = [
            str(number) for counter in counters for number in (counter.limit.max_value, wish.share_of(counter.limit))
        ]
        keys = (*(name_of(counter) for counter in counters), *hashes)
        full = int(await self._shared.script(PLACE, keys, (field, str(HOLD_SECONDS), *bounds)))
        if full:
            return counters[full - 1]
        if self._keep:
            self._by_request.setdefault(wish.request, deque()).append(Placed(field, hashes))
        return None

    async def release(self, request: str) -> None:
        """End the oldest hold of a request id; none is no error, for a denied request has none."""
        waiting = self._by_request.get(request)
        if not waiting:
            return
        placed = waiting.popleft()
        if not waiting:
            del self._by_request[request]
        for name in placed.hashes:
            await self._shared.forget(name, placed.field)
