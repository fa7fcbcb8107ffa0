"""The official clients of OpenAI and Anthropic, as an application uses them, seen as exchanges.

What they do with an answer is part of the verdict: a platform whose errors make them raise the wrong error, or whose streams they
cannot read, is broken for every application. Retries are off, because a repeated attempt would hide what the first one met.
"""

import gc
import importlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from harness.client.completion import carries_text, last_usage, parse_json, usage_of
from harness.client.exchange import Exchange, Request
from harness.client.measuring import Headers, Observer
from harness.client.secret import MASK, Secret
from harness.client.trace import REQUEST_ID, TRACEPARENT, new_trace
from harness.client.trust import trust

Via = Literal["http", "openai", "anthropic"]
"""Who makes a call: our own measuring client, or an official one."""
OFFICIAL: Final = frozenset(get_args(Via)) - {"http"}

RAISES: Final[Mapping[int, str]] = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
}
"""The error that both clients document for a status; what is missing here they raise as an error of their base class."""

_METHODS: Final[Mapping[str, tuple[str, str]]] = {
    "/v1/chat/completions": ("openai", "chat.completions"),
    "/v1/completions": ("openai", "completions"),
    "/v1/responses": ("openai", "responses"),
    "/v1/embeddings": ("openai", "embeddings"),
    "/v1/messages": ("anthropic", "messages"),
}
_SHOWN: Final = frozenset({"authorization", "x-api-key", "cookie"})


@dataclass(frozen=True, slots=True)
class OfficialCall:
    """One request to make by an official client. `base` is the address that a person gives it, without `/v1`; `path` begins with `/v1`."""

    base: str
    path: str
    body: Mapping[str, Any]
    credential: Secret | None = None
    headers: Headers = ()
    timeout_s: float = 30.0
    abort_after: int | None = None

    @property
    def client(self) -> str:
        """Which of the official clients speaks this protocol. Raises KeyError for a path that neither knows."""
        return _METHODS[self.path][0]


class OfficialClients:
    """One instance for a whole process; the libraries are loaded when first used, since that takes most of a second each."""

    def __init__(self, *, ca_file: Path | None = None) -> None:
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._transports: dict[str, Any] = {}

    def send(self, call: OfficialCall, *, observer: Observer | None = None) -> Exchange:
        """Make one attempt and return what came, and which error the client made of it. Raises only for a call that it cannot form."""
        library = load_library(call.client)
        reading = _Reading(call)  # its time begins now: loading a library is no part of an answer
        try:
            answer = self._method(library, call)(**call.body, **_extras(library, call, reading))
            reading.take(answer)
        except library.APIStatusError as error:
            reading.refused(error)
        except Exception as error:  # noqa: BLE001 - whatever an application would meet is the finding
            reading.broken(error)
        exchange = reading.exchange()
        if observer is not None:
            observer(exchange)
        return exchange

    def close(self) -> None:
        """Close their connections."""
        with self._lock:
            transports, self._transports = self._transports, {}
        for transport in transports.values():
            transport.close()

    def _transport(self, library: Any) -> Any:
        with self._lock:
            name = library.__name__
            if name not in self._transports:
                self._transports[name] = library.DefaultHttpxClient(verify=trust(self._ca_file), trust_env=False)
            return self._transports[name]

    def _method(self, library: Any, call: OfficialCall) -> Any:
        # given in full, so that nothing of the machine's environment (other keys, other addresses) takes part
        options: dict[str, Any] = {
            "api_key": "none" if call.credential is None else call.credential.reveal(),
            "max_retries": 0,
            "timeout": call.timeout_s,
            "http_client": self._transport(library),
        }
        if library.__name__ == "openai":
            holder: Any = library.OpenAI(base_url=f"{call.base}/v1", organization=None, project=None, **options)
        else:
            token = options.pop("api_key")
            holder = library.Anthropic(base_url=call.base, auth_token=token, api_key=None, **options)
        for name in _METHODS[call.path][1].split("."):
            holder = getattr(holder, name)
        return holder.with_raw_response.create


def load_library(name: str) -> Any:
    """Load it, without garbage collections meanwhile: its thousands of definitions stay, and looking at them took a sixth of that time."""
    if name in sys.modules:
        return importlib.import_module(name)
    collects = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        if collects:
            gc.enable()


def _extras(library: Any, call: OfficialCall, reading: "_Reading") -> dict[str, Any]:
    """Headers of ours beside those of the client; without a credential it must send none, which it does only when told."""
    given = list(call.headers.items()) if isinstance(call.headers, Mapping) else list(call.headers)
    headers: dict[str, Any] = {REQUEST_ID: reading.request_id, TRACEPARENT: reading.traceparent, **dict(given)}
    if call.credential is None:
        headers.setdefault("Authorization", library.Omit())
    return {"extra_headers": headers}


@dataclass(slots=True)
class _Reading:
    """What has come back so far; times are relative to the moment of sending."""

    call: OfficialCall
    request_id: str = ""
    traceparent: str = ""
    _started: float = 0.0
    _request: Any = None
    _status: int | None = None
    _headers: tuple[tuple[str, str], ...] = ()
    _body: bytes = b""
    _events: list[str] = field(default_factory=list)
    _text_at: list[float] = field(default_factory=list)
    _error: str | None = None
    _raised: str | None = None

    def __post_init__(self) -> None:
        trace = new_trace()
        self.request_id, self.traceparent = trace.request_id, trace.traceparent
        self._started = time.perf_counter()

    def take(self, answer: Any) -> None:
        """Read to the end, or to the event after which the caller wants to be gone."""
        self._head(answer.http_request, answer.status_code, answer.headers)
        parsed = answer.parse()
        if not self.call.body.get("stream"):
            self._body = answer.http_response.content
            return
        for event in cast("Iterator[Any]", parsed):
            self._event(event)
            if self.call.abort_after is not None and len(self._events) >= self.call.abort_after:
                self._error = f"client abort after {len(self._events)} events"
                parsed.close()
                return

    def refused(self, error: Any) -> None:
        """A status that the client turned into an error."""
        self._head(error.request, error.status_code, error.response.headers)
        self._body = error.response.content
        self._raised = type(error).__name__

    def broken(self, error: Exception) -> None:
        """No answer, or one that did not come to its end, or one that the client could not read."""
        self._raised = type(error).__name__
        self._error = f"{type(error).__name__}: {error}"
        if self._request is None:
            self._request = getattr(error, "request", None)

    def exchange(self) -> Exchange:
        """The finished value; the body of a stream is its events, as the client read them."""
        sent = self._request
        body = self._body or b"".join(b"data: %b\n\n" % event.encode() for event in self._events)
        return Exchange(
            request_id=self.request_id,
            request=Request(
                "POST",
                f"{self.call.base}{self.call.path}",
                {} if sent is None else _masked(sent.headers),
                None if sent is None else sent.content,
            ),
            status=self._status,
            headers=self._headers,
            body=body,
            events=tuple(self._events),
            usage=last_usage(self._events) if self._events else usage_of(parse_json(self._body)),
            ttft_s=self._text_at[0] if self._text_at else None,
            duration_s=time.perf_counter() - self._started,
            error=self._error,
            text_at=tuple(self._text_at),
            client=self.call.client,
            raised=self._raised,
        )

    def _head(self, request: Any, status: int, headers: Any) -> None:
        self._request, self._status = request, status
        self._headers = tuple(headers.multi_items())

    def _event(self, event: Any) -> None:
        arrived = time.perf_counter() - self._started
        text = event.to_json(indent=None, exclude_unset=True)
        self._events.append(text)
        if carries_text(text):
            self._text_at.append(arrived)


def _masked(headers: Any) -> Mapping[str, str]:
    """For the record: credentials as their mask."""
    shown: dict[str, str] = {}
    for name, value in headers.multi_items():
        if name.lower() in _SHOWN:
            scheme, space, _ = value.rpartition(" ")
            shown[name] = f"{scheme}{space}{MASK}"
        elif name.lower() != "host":
            shown[name] = value
    return shown
