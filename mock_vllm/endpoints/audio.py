"""POST /v1/audio/*: a text model has these routes and refuses them."""

from mock_vllm.app import App
from mock_vllm.errors import ApiError
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


def routes(app: App) -> list[Route]:
    """Transcriptions and translations, which no model here supports."""
    del app

    def transcriptions(exchange: Exchange) -> None:
        del exchange
        raise ApiError("The model does not support Transcriptions API")

    def translations(exchange: Exchange) -> None:
        del exchange
        raise ApiError("The model does not support Translations API")

    return [
        Route("POST", "/v1/audio/transcriptions", transcriptions),
        Route("POST", "/v1/audio/translations", translations),
    ]
