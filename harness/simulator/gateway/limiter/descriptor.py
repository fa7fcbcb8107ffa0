"""Envoy's rate limit service protocol (v3) on the limiter's decisions.

A descriptor's first entry is `check` or `report`, and its value says who calls (`harness.simulator.gateway.caller`). A report's tokens are
the descriptor's `hits_addend`. In the models that look ahead (reservation, estimate) a check also carries `request.id` and
`request.max_tokens`, and a third phase, `release`, is sent when any stream is done.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

from envoy.service.ratelimit.v3 import rls_pb2

from harness.simulator.gateway import caller
from harness.simulator.gateway.limiter.admission import (
    SUBSCRIPTION_KEY,
    Admission,
    Subject,
    UnknownDomainError,
    Wish,
)
from harness.simulator.gateway.limiter.shared import SharedCounters, SharedStoreError
from harness.simulator.gateway.limiter.shared_holds import SharedHolds
from harness.simulator.gateway.unary import INVALID_ARGUMENT, UNAVAILABLE, GrpcError

LOG = logging.getLogger("limiter")
CHECK: Final = "check"
REPORT: Final = "report"
RELEASE: Final = "release"
REQUEST: Final = "request."
MODEL: Final = "model"
OK: bytes = rls_pb2.RateLimitResponse(overall_code=rls_pb2.RateLimitResponse.OK).SerializeToString()
OVER_LIMIT: bytes = rls_pb2.RateLimitResponse(
    overall_code=rls_pb2.RateLimitResponse.OVER_LIMIT, raw_body=b"Too Many Requests\n"
).SerializeToString()


@dataclass(frozen=True, slots=True)
class Call:
    """One descriptor. `extra` holds the `request.*` entries but the path."""

    phase: str
    subject: Subject
    labels: dict[str, str]
    extra: dict[str, str]

    def wish(self, otherwise: int | None) -> Wish | None:
        """What the request would hold, `otherwise` where it names no maximum; None in the model that never looks ahead."""
        if otherwise is None:
            return None
        named = self.extra.get("max_tokens", "")
        return Wish(self.extra.get("id", ""), int(named) if named.isdecimal() else otherwise)


def read(domain: str, descriptor: Any) -> Call:
    """The call that a descriptor stands for. Raises GrpcError for one that no gateway of ours sends."""
    first, *rest = descriptor.entries
    phase: str = first.key
    try:
        known = caller.read(caller.NOBODY if phase == RELEASE else first.value)
    except ValueError as error:
        raise GrpcError(INVALID_ARGUMENT, f"the entry {phase!r} names no caller: {error}") from error
    labels = {name: value for name, value in known.labels.items() if phase == REPORT or name != MODEL}
    subject = Subject(domain, tuple(known.identity.items()), known.path)
    extra = {entry.key.removeprefix(REQUEST): entry.value for entry in rest}
    return Call(phase, subject, who(known.identity) | labels, extra)


def who(identity: Mapping[str, str]) -> dict[str, str]:
    """The labels `user` and `subscription` (its name alone), as far as the identity is known."""
    labels = {"user": identity["userid"]} if "userid" in identity else {}
    subscription = identity.get(SUBSCRIPTION_KEY, "").partition("@")[0].rpartition("/")[2]
    return labels | ({"subscription": subscription} if subscription else {})


def tell_refused(call: Call) -> None:
    """One line for a request whose budget is spent, or that no limit names; the gateway's answer is a 429."""
    LOG.info(
        "refused %s %s: over the limit of user %s, subscription %s",
        call.extra.get("id", "-"),
        call.subject.domain,
        call.labels.get("user", "-"),
        call.labels.get("subscription", "-"),
    )


def should_rate_limit(admission: Admission, ahead: int | None = None) -> Callable[[bytes], bytes]:
    """The method `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`, bytes to bytes.

    `ahead`: tokens that a request without a maximum is taken to need; None admits by what is spent alone (check-then-report).
    """

    def answer(call: Call, hits: int) -> bytes:
        if call.phase == REPORT:
            admission.report(call.subject, hits, call.labels)
        elif call.phase == RELEASE:
            admission.release(call.extra.get("id", ""))
        elif not admission.check(call.subject, call.labels, call.wish(ahead)).allowed:
            tell_refused(call)
            return OVER_LIMIT
        return OK

    def handle(message: bytes) -> bytes:
        request = rls_pb2.RateLimitRequest.FromString(message)
        if not request.domain:
            raise GrpcError(INVALID_ARGUMENT, "expected a domain, NAMESPACE/NAME of the route; the request has none")
        try:
            answers = [answer(read(request.domain, item), item.hits_addend.value) for item in request.descriptors]
        except UnknownDomainError as error:
            raise GrpcError(UNAVAILABLE, str(error)) from error
        return OVER_LIMIT if OVER_LIMIT in answers else OK

    return handle


class Turns:
    """One user's calls in the order of their arrival: a report comes before the next request's check on the gateway's connection,
    and Redis, where each has a connection of its own, must not see them the other way round.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, user: str) -> AsyncIterator[None]:
        """Wait for this user's turn; asyncio's lock is fair. It is forgotten when nobody holds it or waits for it."""
        lock = self._locks.setdefault(user, asyncio.Lock())
        async with lock:
            yield


def should_rate_limit_shared(
    admission: Admission, shared: SharedCounters, holds: SharedHolds, ahead: int | None = None
) -> Callable[[bytes], Awaitable[bytes]]:
    """The same method over counters in Redis. Fails closed: without Redis every call fails."""

    async def allowed(call: Call) -> bool:
        resolution = admission.resolve(call.subject)
        wish = call.wish(ahead)
        if wish is None:
            used = await shared.used(resolution.counters)
            return admission.check(call.subject, call.labels, used=lambda counter: used[counter.key]).allowed
        exhausted = await holds.place(wish, resolution.counters)
        return admission.decide(call.subject, resolution, exhausted, call.labels).allowed

    async def answer(call: Call, hits: int) -> bytes:
        if call.phase == REPORT:
            counters, amount = admission.book(call.subject, hits, call.labels)
            if counters:
                await shared.charge(counters, amount)
            return OK
        if call.phase == RELEASE:
            await holds.release(call.extra.get("id", ""))
            return OK
        if await allowed(call):
            return OK
        tell_refused(call)
        return OVER_LIMIT

    turns = Turns()

    async def handle(message: bytes) -> bytes:
        request = rls_pb2.RateLimitRequest.FromString(message)
        calls = [(read(request.domain, item), item.hits_addend.value) for item in request.descriptors]
        try:
            async with turns.of(next((call.labels["user"] for call, _ in calls if "user" in call.labels), "")):
                answers = [await answer(call, hits) for call, hits in calls]
        except (UnknownDomainError, SharedStoreError) as error:
            raise GrpcError(UNAVAILABLE, str(error)) from error
        return OVER_LIMIT if OVER_LIMIT in answers else OK

    return handle
