"""The administrative endpoint: journal, faults, times and fake metrics of all serving processes.

`GET /journal[?request_id=ID][&since=SEQ][&wait=SECONDS]` (`wait`: until an entry is there), `GET /journal.ndjson`, `DELETE /journal`;
`GET|PUT /faults`, `GET|PUT /timing`, `GET|PUT /fake-metrics`; `GET /metrics`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from mock_vllm.errors import error_body
from mock_vllm.journal import Journal, page
from mock_vllm.metrics.scrape import exposition
from mock_vllm.server.fleet import Fleet
from mock_vllm.wire.exchange import Exchange

LOG = logging.getLogger("mock_vllm")
NDJSON: Final = b"application/x-ndjson"
EXPOSITION: Final = b"text/plain; version=0.0.4; charset=utf-8"
POLL_S: Final = 0.01
LONGEST_WAIT_S: Final = 60.0


class Admin:
    """Answers on the administrative port; its journal is the one that holds the entries of all processes, numbered."""

    def __init__(self, fleet: Fleet, journal_size: int) -> None:
        self._fleet = fleet
        self._journal = Journal(journal_size)
        self._tasks: set[asyncio.Task[None]] = set()
        self._routes: dict[tuple[str, str], Callable[[Exchange], Awaitable[None]]] = {
            ("GET", "/journal"): self._read,
            ("GET", "/journal.ndjson"): self._export,
            ("DELETE", "/journal"): self._clear,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/health"): self._health,
        }
        for name in ("faults", "timing", "fake-metrics"):
            self._routes["GET", f"/{name}"] = self._ask
            self._routes["PUT", f"/{name}"] = self._ask

    def handle(self, exchange: Exchange) -> None:
        """Route one request."""
        handler = self._routes.get((exchange.method, exchange.path))
        if handler is None:
            known = any(path == exchange.path for _, path in self._routes)
            status, text = (405, "Method Not Allowed") if known else (404, "Not Found")
            exchange.reply(error_body(text, text, None, status), status)
            return
        task = asyncio.get_running_loop().create_task(self._run(handler, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ended(self, exchange: Exchange) -> None:
        """Nothing is kept of administrative requests."""

    async def _run(self, handler: Callable[[Exchange], Awaitable[None]], exchange: Exchange) -> None:
        try:
            await handler(exchange)
        except ValueError as error:
            exchange.reply(error_body(str(error), "BadRequestError", None, 400), 400)
        except ConnectionError as error:
            LOG.warning("%s %s: %s", exchange.method, exchange.path, error)
            exchange.reply(error_body(str(error), "Service Unavailable", None, 503), 503)

    async def _collect(self) -> int:
        found = await self._fleet.call("journal")
        self._journal.absorb(one["batch"] for one in found)
        return sum(int(one["in_flight"]) for one in found)

    async def _read(self, exchange: Exchange) -> None:
        query = exchange.query
        left = _seconds(query.get("wait", "0"))
        shown = page(self._journal, query, await self._collect())
        while not shown["entries"] and left > 0 and not exchange.closed:
            await asyncio.sleep(POLL_S)
            left -= POLL_S
            shown = page(self._journal, query, await self._collect())
        exchange.reply(msgspec.json.encode(shown))

    async def _export(self, exchange: Exchange) -> None:
        shown = page(self._journal, exchange.query, await self._collect())
        lines = [msgspec.json.encode(entry) for entry in shown["entries"]]
        exchange.reply(b"".join([line + b"\n" for line in lines]), content_type=NDJSON)

    async def _clear(self, exchange: Exchange) -> None:
        await self._collect()
        self._journal.clear()
        exchange.reply(b"", 204, b"")

    async def _ask(self, exchange: Exchange) -> None:
        try:
            text = exchange.body.decode() if exchange.method == "PUT" else ""
        except UnicodeDecodeError:
            raise ValueError("the body must be UTF-8") from None
        if exchange.method == "PUT" and not text.strip():
            raise ValueError(f"PUT {exchange.path} needs a JSON body")
        found: list[dict[str, Any]] = await self._fleet.call(exchange.path[1:], text)
        if "struck" in found[0]:
            found[0]["struck"] = [sum(counts) for counts in zip(*(one["struck"] for one in found), strict=True)]
        exchange.reply(msgspec.json.encode(found[0]))

    async def _metrics(self, exchange: Exchange) -> None:
        exchange.reply(exposition(await self._fleet.call("metrics")).encode(), content_type=EXPOSITION)

    async def _health(self, exchange: Exchange) -> None:
        exchange.reply(b"", content_type=b"")


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 0.0), LONGEST_WAIT_S)
    except ValueError:
        raise ValueError(f"wait must be a number of seconds, got {text!r}") from None
