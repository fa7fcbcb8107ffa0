"""Which models and subscriptions a caller sees."""

from collections.abc import Iterable
from typing import Any

from .catalogue import Catalogue
from .entities import EXTERNAL, Model, SubscribedModel, Subscription
from .errors import ListingError
from .identity import Caller
from .quirks import Quirk

Reference = tuple[str, str]


def listed_models(catalogue: Catalogue, caller: Caller, quirks: frozenset[Quirk] = frozenset()) -> list[dict[str, Any]]:
    """The data of `GET /v1/models`, in a fixed order. Raises ListingError.

    Only models that the caller may call are listed, whichever way it authenticated.
    """
    if caller.by_api_key and not caller.subscription:
        raise ListingError(403, "API key has no subscription bound", "permission_error")
    allowed = catalogue.allowed_for(caller)
    if not caller.subscription:
        offers = [offer for offer in catalogue.owned(caller.username, caller.groups) if offer.serves]
        return _items(catalogue, offers, allowed)
    offer = _bound(catalogue, caller, quirks)
    return _items(catalogue, [offer], None if Quirk.LISTING_IGNORES_POLICIES in quirks else allowed)


def _bound(catalogue: Catalogue, caller: Caller, quirks: frozenset[Quirk]) -> Subscription:
    offer = catalogue.subscription(caller.subscription)
    if offer is None or not offer.owner.match(caller.username, caller.groups):
        raise ListingError(403, "access denied to requested subscription", "permission_error")
    if offer.phase in {"", "Failed", "Invalid"}:
        if Quirk.FAILED_SUBSCRIPTION_IS_500 in quirks:
            raise ListingError(500, "Failed to select subscription", "server_error")
        raise ListingError(
            403, f"the requested subscription is not ready ({offer.phase or 'not reconciled'})", "permission_error"
        )
    return offer


def _items(
    catalogue: Catalogue, offers: Iterable[Subscription], allowed: frozenset[Reference] | None
) -> list[dict[str, Any]]:
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for offer in offers:
        for entry in offer.models:
            model = catalogue.model(entry.reference)
            if model is None or model.phase != "Ready" or (allowed is not None and model.reference not in allowed):
                continue
            key = (model.identifier, model.url, "/".join(model.reference))
            summary = _summary(offer)
            listed = found.setdefault(key, _item(model))["subscriptions"]
            if summary not in listed:
                listed.append(summary)
    return [found[key] for key in sorted(found)]


def _item(model: Model) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": model.identifier,
        "object": "model",
        "created": model.created,
        "owned_by": "/".join(model.reference),
        "ready": True,
        "kind": model.kind,
        "subscriptions": [],
    }
    if model.url:
        item["url"] = model.url
    if details := model.details():
        item["modelDetails"] = details
    return item


def _summary(offer: Subscription) -> dict[str, str]:
    pairs = {"name": offer.name, "displayName": offer.display_name, "description": offer.description}
    return {name: value for name, value in pairs.items() if value}


def listed_subscriptions(catalogue: Catalogue, caller: Caller) -> list[dict[str, Any]]:
    """The body of `GET /v1/subscriptions`: serving subscriptions with the models the caller may call, by name."""
    allowed = catalogue.allowed_for(caller)
    entries = []
    for offer in catalogue.owned(caller.username, caller.groups):
        models = [entry for entry in offer.models if entry.reference in allowed]
        if offer.serves and models:
            entries.append(_subscription(catalogue, offer, models))
    return entries


def subscriptions_of_model(catalogue: Catalogue, caller: Caller, name: str) -> list[dict[str, Any]]:
    """The body of `GET /v1/model/{name}/subscriptions`: owned ones, in any phase, that hold a callable model of that name."""
    allowed = catalogue.allowed_for(caller)
    return [
        _subscription(catalogue, offer, offer.models)
        for offer in catalogue.owned(caller.username, caller.groups)
        if any(entry.name == name and entry.reference in allowed for entry in offer.models)
    ]


def _subscription(catalogue: Catalogue, offer: Subscription, models: Iterable[SubscribedModel]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "subscription_id_header": offer.name,
        "subscription_description": offer.description,
        "priority": offer.priority,
        "model_refs": [_model_ref(catalogue, model) for model in models],
    }
    optional = {
        "display_name": offer.display_name,
        "organization_id": offer.organization,
        "cost_center": offer.cost_center,
        "labels": dict(offer.labels),
    }
    return entry | {name: value for name, value in optional.items() if value}


def _model_ref(catalogue: Catalogue, entry: SubscribedModel) -> dict[str, Any]:
    model = catalogue.model(entry.reference)
    body: dict[str, Any] = {
        "name": entry.name,
        "source": "external" if model and model.kind == EXTERNAL else "internal",
        "token_rate_limits": [{"limit": limit.limit, "window": limit.window} for limit in entry.limits],
    }
    if model:
        details = model.details()
        optional = {
            "model_name": model.identifier,
            "display_name": details.get("displayName"),
            "description": details.get("description"),
        }
        body |= {name: value for name, value in optional.items() if value}
    if entry.rate_per_token:
        body["billing_rate"] = {"per_token": entry.rate_per_token}
    return body
