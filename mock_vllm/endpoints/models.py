"""GET /v1/models."""

from typing import Any

import msgspec

from mock_vllm.app import App
from mock_vllm.model import Model
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


def _card(model: Model, name: str) -> dict[str, Any]:
    """A model card with vLLM's permission object."""
    permission = {
        "id": f"modelperm-{name}",
        "object": "model_permission",
        "created": model.created,
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
        "created": model.created,
        "owned_by": "vllm",
        "root": model.settings.model,
        "parent": None,
        "max_model_len": model.settings.max_model_len,
        "permission": [permission],
    }


def _adapter(app: App, name: str) -> dict[str, Any]:
    """The card of a LoRA adapter: its parent is the base model, and it has no length of its own."""
    parent, path = app.adapters[name]
    model, _, _ = app.find(parent)
    return {**_card(model, name), "root": path, "parent": parent, "max_model_len": None}


def routes(app: App) -> list[Route]:
    """The list of models."""

    def models(exchange: Exchange) -> None:
        cards = [_card(model, name) for model in app.models for name in model.names]
        cards += [_adapter(app, name) for name in app.adapters]
        exchange.reply(msgspec.json.encode({"object": "list", "data": cards}))

    return [Route("GET", "/v1/models", models)]
