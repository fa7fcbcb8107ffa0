"""The Locust user: keeps its share of the rate, asks a mix of things, and notes what it saw.

Locust's own timing of a streamed response ends at its headers, and its line iterator waits for 1,024 bytes; so streams
are read event by event from the response below, and their times are given to Locust when they are over.
"""

import random
import time
from typing import Any, Final

import gevent  # type: ignore[import-untyped]  # it ships no types
from locust import FastHttpUser, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS

from harness.client.completion import DONE, carries_text, parse_json, usage_of
from harness.client.trace import REQUEST_ID, TRACEPARENT, new_trace
from harness.load.plan import LoadPlan
from harness.load.profile import Share
from harness.load.sample import Sample
from harness.world.inference import Ask

_EVENT_END: Final = b"\n\n"
_TIMEOUT_S: Final = 60.0


class Shopper(FastHttpUser):
    """One of `profile.users`; the plan and the list of samples are put on the class before the first one starts."""

    abstract = True
    plan: LoadPlan
    samples: list[Sample]
    begun_s: float = 0.0
    born: int = 0
    network_timeout = connection_timeout = _TIMEOUT_S
    max_retries = 0

    def on_start(self) -> None:
        """Take a key, a place in the schedule, and a sequence of requests that the seed decides."""
        kind = type(self)
        number, kind.born = kind.born, kind.born + 1
        profile = self.plan.profile
        self.member_number = number % len(self.plan.members)
        self.member = self.plan.members[self.member_number]
        self.chance = random.Random(profile.seed * 1_000_003 + number)  # noqa: S311 - a schedule, not a secret
        self.intended = (
            self._elapsed() + profile.interval_s * ((number + self.chance.random()) % profile.users) / profile.users
        )
        gevent.sleep(max(0.0, self.intended - self._elapsed()))

    def wait_time(self) -> float:
        """Until the next intended time; nothing when it has passed, so that a late user catches up instead of skipping."""
        self.intended += self.plan.profile.interval_s
        return max(0.0, self.intended - self._elapsed())

    @task
    def ask(self) -> None:
        """One request."""
        share = self.chance.choices(self.plan.profile.mix, [share.weight for share in self.plan.profile.mix])[0]
        stream = share.kind == "stream"
        ask = Ask(
            endpoint="completions" if share.kind == "completions" else "chat",
            prompt=share.prompt,
            max_tokens=share.max_tokens,
            stream=stream,
            include_usage=True if stream else None,
        )
        trace = new_trace()
        headers = {
            REQUEST_ID: trace.request_id,
            TRACEPARENT: trace.traceparent,
            "Authorization": f"Bearer {self.member.key.reveal()}",
            "Accept-Encoding": "identity",
        }
        self._send(share, ask, headers, trace.request_id)

    def _send(self, share: Share, ask: Ask, headers: dict[str, str], request_id: str) -> None:
        started = self._elapsed()
        seen = _Seen()
        with self.client.request(
            "POST",
            ask.url(self.plan.gateway, self.member.model),
            name=share.kind,
            json=ask.body(self.member.model),
            headers=headers,
            stream=ask.stream,
            catch_response=True,
        ) as response:
            seen.read(response, stream=ask.stream, elapsed=lambda: self._elapsed() - started)
            latency = self._elapsed() - started
            response.request_meta["response_time"] = latency * 1000
            if seen.error is None:
                response.success()
            else:
                response.failure(seen.error)
        if seen.ttft_s is not None:
            self._tell_locust("TTFT", share.kind, seen.ttft_s, seen.tokens or 0)
        self.samples.append(
            Sample(
                request_id=request_id,
                member=self.member_number,
                kind=share.kind,
                intended_s=self.intended,
                started_s=started,
                latency_s=latency,
                status=seen.status,
                ttft_s=seen.ttft_s,
                tokens=seen.tokens,
                error=seen.error,
            )
        )

    def _tell_locust(self, request_type: str, name: str, seconds: float, length: int) -> None:
        self.environment.events.request.fire(
            request_type=request_type,
            name=name,
            response_time=seconds * 1000,
            response_length=length,
            exception=None,
            context={},
        )

    def _elapsed(self) -> float:
        return time.perf_counter() - type(self).begun_s


class _Seen:
    """What one response showed."""

    __slots__ = ("error", "status", "tokens", "ttft_s")

    def __init__(self) -> None:
        self.status: int | None = None
        self.ttft_s: float | None = None
        self.tokens: int | None = None
        self.error: str | None = None

    def read(self, response: Any, *, stream: bool, elapsed: Any) -> None:
        self.status = response.status_code or None
        if self.status != 200:
            self.error = f"status {self.status}" if self.status else f"no answer: {response.error}"
            return
        try:
            if stream:
                self._stream(response._response, elapsed)
            else:
                self._usage(parse_json(response.content or b""))
        except FAILURE_EXCEPTIONS as error:
            self.error = f"{type(error).__name__}: {error}"

    def _stream(self, reader: Any, elapsed: Any) -> None:
        last = ""
        while line := reader.readline(_EVENT_END):
            last = line.decode("utf-8", errors="replace").removeprefix("data:").strip()
            if self.ttft_s is None and carries_text(last):
                self.ttft_s = elapsed()
            elif '"usage"' in last:
                self._usage(parse_json(last))
        if last != DONE:
            self.error = "the stream ended without [DONE]"

    def _usage(self, document: Any) -> None:
        usage = usage_of(document)
        self.tokens = usage.total_tokens if usage else self.tokens
