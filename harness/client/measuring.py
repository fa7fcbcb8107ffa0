"""The HTTP client that measures and never helps: one call is one attempt, and whatever happens becomes an `Exchange`.

No retries, no redirects, no proxy and no CA from the environment, no compression: each of them would make the platform
look other than it is. A transport error is an exchange with `status=None` and the error's text, because "no answer" is a
finding to be judged where it is understood.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import orjson

from harness.client.completion import carries_text, last_usage, parse_json, usage_of
from harness.client.exchange import Exchange, Request
from harness.client.secret import MASK, Secret
from harness.client.sse import SseDecoder
from harness.client.trace import REQUEST_ID, TRACEPARENT, new_trace
from harness.client.trust import trust

USER_AGENT: Final = "maas-conformance"
Headers = Mapping[str, str] | Iterable[tuple[str, str]]
Observer = Callable[[Exchange], None]


@dataclass(frozen=True, slots=True)
class Call:
    """One request to make. `json` is encoded here; `content` goes out as it is. `abort_after` closes the connection after that many events.

    A request id or traceparent among `headers` takes the place of the one that is made for every call.
    `credential` becomes `Authorization: Bearer …` unless another header or scheme is named; it is masked in whatever is kept.
    """

    method: str
    url: str
    credential: Secret | None = None
    credential_header: str = "Authorization"
    credential_scheme: str = "Bearer "
    headers: Headers = ()
    json: Any = None
    content: bytes | None = None
    timeout_s: float | None = None
    abort_after: int | None = None

    def body(self) -> bytes | None:
        """The bytes that go out; None when there is no body."""
        return self.content if self.json is None else orjson.dumps(self.json)


class MeasuringClient:
    """Sends calls; one httpx client per thread, since a connection pool shared by many tasks costs time in the square of their number."""

    def __init__(
        self, *, ca_file: Path | None = None, timeout_s: float = 30.0, observer: Observer | None = None
    ) -> None:
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        self._observer = observer
        self._local = threading.local()
        self._clients: list[httpx.Client] = []
        self._lock = threading.Lock()

    def send(self, call: Call, *, observer: Observer | None = None) -> Exchange:
        """Make one attempt and return what came. Raises only for a request that cannot be formed (a malformed URL or header).

        `observer` replaces the client's own: concurrent calls belong to different books.
        """
        exchange = self._attempt(call)
        watch = observer or self._observer
        if watch is not None:
            watch(exchange)
        return exchange

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            clients, self._clients = self._clients, []
        for client in clients:
            client.close()

    def _attempt(self, call: Call) -> Exchange:
        trace = new_trace()
        body = call.body()
        given = _pairs(call.headers)
        chosen = {name.lower() for name, _ in given}
        own = [(REQUEST_ID, trace.request_id), (TRACEPARENT, trace.traceparent)]
        headers = [*(pair for pair in own if pair[0].lower() not in chosen), *given]
        if body is not None and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
        shown = Request(call.method, call.url, _masked(headers, call), body)
        reading = _Reading(call.abort_after)
        client = self._client()
        request = client.build_request(
            call.method,
            call.url,
            headers=_revealed(headers, call),
            content=body,
            timeout=call.timeout_s or self._timeout_s,
        )
        reading.start()
        try:
            response = client.send(request, stream=True)
            try:
                reading.take(response)
            finally:
                response.close()
        except httpx.HTTPError as error:
            reading.error = f"{type(error).__name__}: {error}"
        return reading.exchange(trace.request_id, shown)

    def _client(self) -> httpx.Client:
        existing: httpx.Client | None = getattr(self._local, "client", None)
        if existing is not None and not existing.is_closed:
            return existing
        client = httpx.Client(
            verify=trust(self._ca_file),
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        )
        self._local.client = client
        with self._lock:
            self._clients.append(client)
        return client


class _Reading:
    """What has come back so far; all times are relative to the moment of sending."""

    def __init__(self, abort_after: int | None) -> None:
        self._abort_after = abort_after
        self._started = 0.0
        self._response: httpx.Response | None = None
        self._body = bytearray()
        self._events: list[str] = []
        self._text_at: list[float] = []
        self.error: str | None = None

    def start(self) -> None:
        """The request goes out now."""
        self._started = time.perf_counter()

    def take(self, response: httpx.Response) -> None:
        """Read to the end, or to the event after which the caller wants to be gone."""
        self._response = response
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            for chunk in response.iter_raw():
                self._body += chunk
            return
        decoder = SseDecoder()
        for chunk in response.iter_raw():
            self._body += chunk
            arrived = time.perf_counter() - self._started
            for event in decoder.feed(chunk):
                self._events.append(event)
                if carries_text(event):
                    self._text_at.append(arrived)
                if self._abort_after is not None and len(self._events) >= self._abort_after:
                    self.error = f"client abort after {len(self._events)} events"
                    return
        if decoder.unfinished:
            self.error = "the stream ended inside an event"

    def exchange(self, request_id: str, request: Request) -> Exchange:
        """The finished value."""
        response = self._response
        body = bytes(self._body)
        return Exchange(
            request_id=request_id,
            request=request,
            status=None if response is None else response.status_code,
            headers=() if response is None else tuple(response.headers.multi_items()),
            body=body,
            events=tuple(self._events),
            usage=last_usage(self._events) if self._events else usage_of(parse_json(body)),
            ttft_s=self._text_at[0] if self._text_at else None,
            duration_s=time.perf_counter() - self._started,
            error=self.error,
            text_at=tuple(self._text_at),
        )


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    return list(headers.items()) if isinstance(headers, Mapping) else list(headers)


def _revealed(headers: list[tuple[str, str]], call: Call) -> list[tuple[str, str]]:
    if call.credential is None:
        return headers
    return [*headers, (call.credential_header, call.credential_scheme + call.credential.reveal())]


def _masked(headers: list[tuple[str, str]], call: Call) -> Mapping[str, str]:
    """For the record: the credential as its mask, a repeated header as its values in order."""
    pairs = list(headers)
    if call.credential is not None:
        pairs.append((call.credential_header, call.credential_scheme + MASK))
    shown: dict[str, str] = {}
    for name, value in pairs:
        shown[name] = f"{shown[name]}, {value}" if name in shown else value
    return shown
