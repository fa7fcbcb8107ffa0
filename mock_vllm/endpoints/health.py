"""Probes: GET /health, GET and POST /ping, GET /metrics."""

import asyncio
from collections.abc import Awaitable, Callable

from mock_vllm.app import App
from mock_vllm.metrics.scrape import exposition, snapshot
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange

EXPOSITION = b"text/plain; version=0.0.4; charset=utf-8"


def routes(app: App) -> list[Route]:
    """Probes, which the journal leaves out."""

    def health(exchange: Exchange) -> None:
        exchange.reply(b"", 503 if app.starting else 200, b"")

    tasks: set[asyncio.Task[None]] = set()

    async def scraped(exchange: Exchange, scrape: Callable[[], Awaitable[str]]) -> None:
        exchange.reply((await scrape()).encode(), content_type=EXPOSITION)

    def metrics(exchange: Exchange) -> None:
        if app.scrape is None:
            exchange.reply(exposition([snapshot(app)]).encode(), content_type=EXPOSITION)
            return
        task = asyncio.get_running_loop().create_task(scraped(exchange, app.scrape))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return [
        Route("GET", "/health", health, journalled=False),
        Route("GET", "/ping", health, journalled=False),
        Route("POST", "/ping", health, journalled=False),
        Route("GET", "/metrics", metrics, journalled=False),
    ]
