"""Development routes: POST /sleep, POST /wake_up, GET /is_sleeping, GET /server_info."""

import json

import msgspec

from mock_vllm.app import App
from mock_vllm.errors import ApiError
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange

SECRET_SETTINGS = ("api_key", "ssl_keyfile")


def _forget(app: App) -> None:
    """Drop every cached prompt."""
    caches = [engine.cache for model in app.models for engine in model.engines]
    for cache in caches:
        if cache is not None:
            cache.clear()


def routes(app: App) -> list[Route]:
    """A sleeping model starts nothing: requests wait until it wakes up."""

    def pause(paused: bool) -> None:
        app.sleeping = paused
        for model in app.models:
            for engine in model.engines:
                engine.pause(paused)

    def sleep(exchange: Exchange) -> None:
        level = exchange.query.get("level", "1")
        if level not in ("1", "2"):
            raise ApiError(f"level must be 1 or 2, got {level!r}", param="level")
        pause(True)
        if level == "2":
            _forget(app)
        exchange.reply(b"", content_type=b"")

    def wake_up(exchange: Exchange) -> None:
        pause(False)
        exchange.reply(b"", content_type=b"")

    def is_sleeping(exchange: Exchange) -> None:
        exchange.reply(msgspec.json.encode({"is_sleeping": app.sleeping}))

    def server_info(exchange: Exchange) -> None:
        known = {
            name: value for name, value in msgspec.structs.asdict(app.settings).items() if name not in SECRET_SETTINGS
        }
        text = exchange.query.get("config_format", "text") == "text"
        shown = ", ".join(f"{name}={value!r}" for name, value in known.items()) if text else known
        exchange.reply(json.dumps({"vllm_config": shown, "vllm_version": app.version.text}, default=str).encode())

    return [
        Route("POST", "/sleep", sleep, development=True),
        Route("POST", "/wake_up", wake_up, development=True),
        Route("GET", "/is_sleeping", is_sleeping, development=True),
        Route("GET", "/server_info", server_info, development=True),
    ]
