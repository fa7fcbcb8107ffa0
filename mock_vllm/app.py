"""The application: what all handlers share, and the way of a request from the wire to its handler and into the journal."""

import itertools
import logging
import os
import time
from typing import TypeVar

import msgspec

from mock_vllm.engine.engine import Engine
from mock_vllm.errors import ApiError, error_body
from mock_vllm.faults import Faults
from mock_vllm.journal import Entry, Journal
from mock_vllm.metrics.counters import Counters
from mock_vllm.routes import collect
from mock_vllm.settings import Settings
from mock_vllm.tokens.book import open_book
from mock_vllm.tokens.builtin import BuiltinTokenizer
from mock_vllm.tokens.tokenizer import Tokenizer
from mock_vllm.wire.exchange import Exchange

LOG = logging.getLogger("mock_vllm")
T = TypeVar("T")


class App:
    """One served model with its tokenizer, engine, journal and metrics."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = time.monotonic
        self.tokenizer: Tokenizer = BuiltinTokenizer()
        self.book = open_book(self.tokenizer)
        self.journal = Journal(settings.journal_size)
        self.counters = Counters(settings.names[0])
        self.engine = Engine(self.clock, self.counters.observe)
        self.created = int(time.time())
        self.in_flight = 0
        self.faults = Faults()
        self._keys = frozenset(settings.api_key)
        self._numbers = itertools.count(1)
        self._stem = os.urandom(8).hex()
        self.routes = collect(self, development=os.environ.get("VLLM_SERVER_DEV_MODE") == "1")

    def handle(self, exchange: Exchange) -> None:
        """Take one request: find its route, check its key, call its handler, turn refusals into replies."""
        found = self.routes.methods(exchange.path)
        route = None if found is None else found[0].get(exchange.method)
        entry = None
        if route is None or route.journalled:
            entry = Entry(
                time.time(), exchange.method, exchange.path, exchange.headers, exchange.header("x-request-id")
            )
            exchange.state = entry
        self.in_flight += 1
        try:
            if self._keys and exchange.path.startswith(("/v1", "/v2", "/inference")) and not self._authorized(exchange):
                exchange.reply(b'{"error":"Unauthorized"}', 401)
            elif found is None:
                exchange.reply(error_body("Not Found", "NotFoundError", None, 404), 404)
            elif route is None:
                exchange.reply(error_body("Method Not Allowed", "Method Not Allowed", None, 405), 405)
            else:
                if self.faults.rules and route.journalled:
                    self._strike(exchange)
                exchange.params = found[1]
                route.handler(exchange)
        except ApiError as error:
            exchange.reply(error.body(), error.status)
        except Exception:
            LOG.exception("%s %s failed", exchange.method, exchange.path)
            if exchange.started:
                exchange.drop()
            else:
                exchange.reply(error_body("Internal server error", "InternalServerError", None, 500), 500)

    def ended(self, exchange: Exchange) -> None:
        """The reply is complete, or its client gone: the journal gets the entry."""
        self.in_flight -= 1
        entry = exchange.state
        if entry is not None:
            entry.status = exchange.status
            entry.aborted = not exchange.finished
            self.journal.add(entry)

    def decode(self, exchange: Exchange, kind: type[T]) -> T:
        """The body as `kind`. Raises ApiError when it is not JSON or does not fit."""
        try:
            return msgspec.json.decode(exchange.body, type=kind)
        except msgspec.ValidationError as error:
            raise ApiError(f"1 validation error:\n  {error}", kind="Bad Request") from None
        except msgspec.DecodeError as error:
            raise ApiError(f"1 validation error:\n  {error}", kind="Bad Request") from None

    def model_name(self, asked: str | None) -> str:
        """The name to show for the asked model. Raises ApiError when it is not served."""
        names = self.settings.names
        if not asked or asked == names[0]:
            return names[0]
        if asked in names:
            return asked
        raise ApiError(f"The model `{asked}` does not exist.", 404, param="model")

    def check_context(self, prompt_tokens: int, max_tokens: int | None) -> None:
        """Raises ApiError with vLLM's text when prompt and answer do not fit the context."""
        limit = self.settings.max_model_len
        asked = max_tokens or 0
        if prompt_tokens + max(asked, 1) <= limit:
            return
        raise ApiError(
            f"This model's maximum context length is {limit} tokens. However, you requested {asked} output tokens and your prompt "
            f"contains at least {prompt_tokens} input tokens, for a total of at least {prompt_tokens + asked} tokens. Please reduce the "
            f"length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value={prompt_tokens})",
            param="input_tokens",
        )

    def _strike(self, exchange: Exchange) -> None:
        fault = self.faults.strike()
        if fault is not None:
            exchange.state.fault = fault.kind
            raise ApiError(fault.message or f"Injected fault with status {fault.status}", fault.status)

    def new_id(self, prefix: str, exchange: Exchange) -> str:
        """Id of a reply: the request's X-Request-Id behind the prefix, or a number of our own."""
        given = exchange.header("x-request-id")
        return f"{prefix}{given}" if given else f"{prefix}{self._stem}{next(self._numbers):016x}"

    def _authorized(self, exchange: Exchange) -> bool:
        value = exchange.header("authorization") or ""
        scheme, _, token = value.partition(" ")
        return exchange.method == "OPTIONS" or (scheme.lower() == "bearer" and token in self._keys)
