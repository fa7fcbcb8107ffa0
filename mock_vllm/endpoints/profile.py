"""POST /start_profile and /stop_profile, development routes: accepted, and there is nothing to profile."""

from mock_vllm.app import App
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


def routes(app: App) -> list[Route]:
    """The profiler's switch."""
    del app

    def switch(exchange: Exchange) -> None:
        exchange.reply(b"", content_type=b"")

    return [
        Route("POST", "/start_profile", switch, development=True),
        Route("POST", "/stop_profile", switch, development=True),
    ]
