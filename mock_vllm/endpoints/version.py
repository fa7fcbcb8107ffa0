"""GET /version, GET /load."""

import msgspec

from mock_vllm.app import App
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


def routes(app: App) -> list[Route]:
    """Which vLLM this is, and how many requests it is busy with."""

    def version(exchange: Exchange) -> None:
        exchange.reply(msgspec.json.encode({"version": app.version.text}))

    def load(exchange: Exchange) -> None:
        busy = sum(engine.running + engine.waiting for model in app.models for engine in model.engines)
        exchange.reply(msgspec.json.encode({"server_load": busy}))

    return [Route("GET", "/version", version, journalled=False), Route("GET", "/load", load, journalled=False)]
