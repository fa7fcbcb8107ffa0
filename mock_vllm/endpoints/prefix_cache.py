"""POST /reset_prefix_cache, a development route."""

from mock_vllm.app import App
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


def routes(app: App) -> list[Route]:
    """Forget cached prompts."""

    def reset(exchange: Exchange) -> None:
        for model in app.models:
            for engine in model.engines:
                if engine.cache is not None:
                    engine.cache.clear()
        exchange.reply(b"", content_type=b"")

    return [Route("POST", "/reset_prefix_cache", reset, development=True)]
