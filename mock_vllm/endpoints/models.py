"""GET /v1/models."""

from typing import Any

import msgspec

from mock_vllm.app import App
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


def _card(app: App, name: str) -> dict[str, Any]:
    """A model card with vLLM's permission object."""
    permission = {
        "id": f"modelperm-{name}",
        "object": "model_permission",
        "created": app.created,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
    return {
        "id": name,
        "object": "model",
        "created": app.created,
        "owned_by": "vllm",
        "root": app.settings.model,
        "parent": None,
        "max_model_len": app.settings.max_model_len,
        "permission": [permission],
    }


def routes(app: App) -> list[Route]:
    """The list of models."""

    def models(exchange: Exchange) -> None:
        cards = [_card(app, name) for name in app.settings.names]
        exchange.reply(msgspec.json.encode({"object": "list", "data": cards}))

    return [Route("GET", "/v1/models", models)]
