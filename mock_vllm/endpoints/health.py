"""Probes: GET /health, GET and POST /ping, GET /metrics."""

from mock_vllm.app import App
from mock_vllm.metrics.scrape import exposition
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange

EXPOSITION = b"text/plain; version=0.0.4; charset=utf-8"


def routes(app: App) -> list[Route]:
    """Probes, which the journal leaves out."""

    def health(exchange: Exchange) -> None:
        exchange.reply(b"", content_type=b"")

    def metrics(exchange: Exchange) -> None:
        exchange.reply(exposition(app).encode(), content_type=EXPOSITION)

    return [
        Route("GET", "/health", health, journalled=False),
        Route("GET", "/ping", health, journalled=False),
        Route("POST", "/ping", health, journalled=False),
        Route("GET", "/metrics", metrics, journalled=False),
    ]
