"""The application: what all handlers share, and the way of a request from the wire to its handler and into the journal."""

import itertools
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from mock_vllm.engine.clock import Clock
from mock_vllm.errors import ApiError, error_body
from mock_vllm.faults.faults import Faults, parse_faults
from mock_vllm.journal import Entry, Journal
from mock_vllm.metrics.fakes import parse_fakes
from mock_vllm.model import Model
from mock_vllm.routes import Route, collect
from mock_vllm.settings import Settings
from mock_vllm.tokens.load import load_tokenizer
from mock_vllm.validation import read
from mock_vllm.version import parse
from mock_vllm.wire.exchange import Exchange

LOG = logging.getLogger("mock_vllm")
GUARDED: Final = ("/v1", "/v2", "/inference", "/cohere")
MODEL_FIELDS: Final = frozenset(Settings.__struct_fields__) - {
    "models",
    "host",
    "port",
    "admin_port",
    "workers",
    "ready_file",
    "api_key",
}
T = TypeVar("T")


class App:
    """What all endpoints share: models, journal, faults, routes.

    `adapters` maps a LoRA adapter's name to (base model's name, path); whoever manages adapters changes it.
    `gauges` are further metrics: callables that give (name, labels, value) at each scrape; `scrape` asks for the metrics of all worker
    processes, where there are several.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.version = parse(settings.vllm_version)
        self.reasoning_key = self.version.reasoning_key.encode()
        self.journal = Journal(settings.journal_size)
        self.faults = Faults(parse_faults(settings.faults) if settings.faults else None)
        self.started = time.monotonic()
        self._starting = settings.startup_duration > 0
        self.in_flight = 0
        self.loading = 0
        self.sleeping = False
        self.adapters: dict[str, tuple[str, str]] = {}
        self.gauges: list[Callable[[], list[tuple[str, str, float]]]] = []
        self.on_start: list[Callable[[], None]] = []
        self.on_stop: list[Callable[[], None]] = []
        self.requests: dict[tuple[str, str, int], int] = {}
        self.fakes = parse_fakes(settings.fake_metrics or "{}", clock.now())
        self.scrape: Callable[[], Awaitable[str]] | None = None
        self._keys = frozenset(key.encode() for key in settings.api_key)
        self._credentials = frozenset(b"Bearer " + key for key in self._keys)
        self._numbers = itertools.count(1)
        self._stem = os.urandom(8).hex()
        self._stem_bytes = self._stem.encode()
        self.models = self._load_models()
        self.base = self.models[0]
        self._names = {name: model for model in self.models for name in model.names}
        self.routes = collect(self, development=os.environ.get("VLLM_SERVER_DEV_MODE") == "1")

    def _load_models(self) -> list[Model]:
        found = []
        for overrides in ({}, *self.settings.models):
            unknown = set(overrides) - MODEL_FIELDS
            if unknown:
                raise ValueError(f"option models: {min(unknown)!r} is no option of a model")
            given: dict[str, Any] = {"served_model_name": (), **overrides} if overrides else {}
            fields = {**msgspec.structs.asdict(self.settings), **given}
            settings = msgspec.convert(fields, Settings, strict=False)
            found.append(Model(settings, self.clock, load_tokenizer(settings.tokenizer), self.version))
        names = [name for model in found for name in model.names]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"option models: the name {twice!r} is given to two models")
        return found

    # --- the way of a request

    def handle(self, exchange: Exchange) -> None:
        """Take one request: find its route, check its key, call its handler, turn refusals into replies."""
        found = self.routes.fixed.get(exchange.path)
        if found is None and self.routes.patterns:
            match = self.routes.match(exchange.path)
            if match is not None:
                found, exchange.params = match
        route = exchange.route = None if found is None else found.get(exchange.method)
        headers = exchange.headers
        if route is None or route.journalled:
            exchange.state = self._entry(exchange)
        self.in_flight += 1
        if self.settings.enable_request_id_headers:
            shown = headers.get(b"x-request-id") or os.urandom(16).hex().encode()
            exchange.extra_headers = b"x-request-id: %b\r\n" % shown
        try:
            if self._keys and exchange.path.startswith(GUARDED) and not self._authorized(exchange):
                exchange.reply(b'{"error":"Unauthorized"}', 401)
            elif route is None:
                self._unrouted(exchange, found)
            elif (
                not self.faults.rules
                and not self._starting
                and b"x-mock-fault" not in headers
                and b"x-return-error" not in headers
            ):
                route.handler(exchange)
            else:
                self._troubled(exchange, route)
        except ApiError as error:
            exchange.reply(error.body(), error.status)
        except Exception:
            LOG.exception("%s %s failed", exchange.method, exchange.path)
            self._failed(exchange)

    @staticmethod
    def _entry(exchange: Exchange) -> Entry:
        headers = exchange.headers
        given = headers.get(b"x-request-id")
        head = exchange.head
        if head is None:
            head = b"\r\n".join([b"", *[b"%b: %b" % pair for pair in headers.items()]])
        asked = None if given is None else given.decode("latin-1")
        return Entry(time.time(), exchange.method, exchange.path, head, asked)

    @staticmethod
    def _failed(exchange: Exchange) -> None:
        """A fault of this server: 500, or an abrupt end when the reply has begun."""
        if exchange.started:
            exchange.drop()
        else:
            exchange.reply(error_body("Internal server error", "InternalServerError", None, 500), 500)

    def _unrouted(self, exchange: Exchange, found: Mapping[str, Route] | None) -> None:
        status = 404 if found is None else 405
        text = "Not Found" if found is None else "Method Not Allowed"
        headers = b"" if found is None else b"allow: %b\r\n" % ", ".join(found).encode()
        unified = self.version.unified_errors
        body = error_body(text, text, None, status) if unified else json.dumps({"detail": text}).encode()
        exchange.reply(body, status, headers=headers)

    @property
    def starting(self) -> bool:
        """Whether the server still pretends to start."""
        if self._starting and time.monotonic() - self.started >= self.settings.startup_duration:
            self._starting = False
        return self._starting

    def _troubled(self, exchange: Exchange, route: Route) -> None:
        if self.starting:
            exchange.reply(error_body("The server is starting", "Service Unavailable", None, 503), 503)
        elif route.journalled:
            self._strike(exchange, route)
        else:
            route.handler(exchange)

    def _strike(self, exchange: Exchange, route: Route) -> None:
        fault = exchange.fault = self.faults.strike(exchange)
        if fault is None:
            route.handler(exchange)
            return
        exchange.state.fault = fault.kind
        if fault.kind == "error":
            raise ApiError(fault.message or f"Injected error {fault.status}", fault.status, kind=fault.type)
        if fault.kind == "slow_headers":
            self.clock.at(self.clock.now() + (fault.seconds or 1.0), lambda: self._later(exchange, route))
            return
        route.handler(exchange)

    def _later(self, exchange: Exchange, route: Route) -> None:
        if exchange.closed:
            return
        try:
            route.handler(exchange)
        except ApiError as error:
            exchange.reply(error.body(), error.status)
        except Exception:
            LOG.exception("%s %s failed", exchange.method, exchange.path)
            self._failed(exchange)

    def ended(self, exchange: Exchange) -> None:
        """The reply is complete, or its client gone: the journal gets the entry."""
        self.in_flight -= 1
        entry = exchange.state
        if entry is None:
            return
        entry.status = exchange.status
        entry.aborted = not exchange.finished
        self.journal.add(entry)
        key = (entry.method, "none" if exchange.route is None else exchange.route.path, exchange.status)
        self.requests[key] = self.requests.get(key, 0) + 1
        if self.settings.log_requests:
            self._log(exchange, entry)

    def _log(self, exchange: Exchange, entry: Entry) -> None:
        shown = entry.public()
        del shown["headers"]
        if self.settings.log_prompts:
            shown["body"] = exchange.body.decode("utf-8", "replace")
        LOG.info("%s", json.dumps(shown, ensure_ascii=False))

    # --- what handlers use

    def decode(self, exchange: Exchange, kind: type[T]) -> T:
        """The body as `kind`. Raises ApiError when it is not JSON or does not fit."""
        return read(exchange.body, exchange.headers.get(b"content-type", b""), kind)

    def find(self, asked: str | None) -> tuple[Model, str, str | None]:
        """The model for a name: (model, name to show, adapter). Raises ApiError when it is not served; no name is the base model."""
        if not asked:
            return self.base, self.base.names[0], None
        model = self._names.get(asked)
        if model is not None:
            return model, asked if asked in model.names else model.names[0], None
        adapter = self.adapters.get(asked)
        if adapter is not None:
            return self._names[adapter[0]], asked, asked
        raise ApiError(f"The model `{asked}` does not exist.", 404, param="model")

    def generative(self, model: Model) -> None:
        """Raises ApiError when the model only embeds."""
        if model.pooling:
            raise ApiError("The model does not support text generation")

    def new_id_json(self, prefix: bytes, exchange: Exchange) -> bytes:
        """`new_id` as JSON, without the detour over text where it can be had."""
        given = exchange.headers.get(b"x-request-id")
        if not given:
            return b'"%b%b%016x"' % (prefix, self._stem_bytes, next(self._numbers))
        if given.translate(None, b"-_.:").isalnum():
            return b'"%b%b"' % (prefix, given)
        return msgspec.json.encode(prefix.decode() + given.decode("latin-1"))

    def new_id(self, prefix: str, exchange: Exchange, asked: str | None = None) -> str:
        """Id of a reply: the X-Request-Id header or the request's own id behind the prefix, or a number of ours."""
        given = exchange.header("x-request-id") or asked
        return f"{prefix}{given}" if given else f"{prefix}{self._stem}{next(self._numbers):016x}"

    def _authorized(self, exchange: Exchange) -> bool:
        if self.settings.api_key_header == "x-api-key":
            return exchange.method == "OPTIONS" or exchange.headers.get(b"x-api-key") in self._keys
        given = exchange.headers.get(b"authorization", b"")
        if given in self._credentials:
            return True
        scheme, _, token = given.partition(b" ")
        return exchange.method == "OPTIONS" or (token in self._keys and scheme.lower() == b"bearer")
