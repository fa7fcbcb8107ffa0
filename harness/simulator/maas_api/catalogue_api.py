"""Handlers of `/v1/models`, `/v1/subscriptions` and `/v1/model/{model-id}/subscriptions`."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from .errors import json_response
from .identity import caller_of
from .listing import listed_models, listed_subscriptions, subscriptions_of_model
from .service import Service

NO_STORE = {"Cache-Control": "no-store"}


async def models(service: Service, request: Request) -> Response:
    """Models that the caller may call."""
    caller = caller_of(request)
    data = listed_models(service.catalogue, caller, service.settings.quirks) if caller else []
    checked = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json_response({"object": "list", "data": data}, headers=NO_STORE | {"X-Access-Checked-At": checked})


async def subscriptions(service: Service, request: Request) -> Response:
    """Subscriptions of the caller that serve at least one model it may call."""
    caller = caller_of(request)
    return json_response(listed_subscriptions(service.catalogue, caller) if caller else [], headers=NO_STORE)


async def model_subscriptions(service: Service, request: Request) -> Response:
    """Subscriptions of the caller that hold a model of that name."""
    caller = caller_of(request)
    found = subscriptions_of_model(service.catalogue, caller, request.path_params["model"]) if caller else []
    return json_response(found, headers=NO_STORE)
