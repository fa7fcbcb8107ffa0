"""Handlers of `/internal/v1`: what the gateway's authorizer and the tenant's controller ask."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .credential import parse
from .database import StoreError
from .entities import Subscription
from .errors import RequestError, json_response
from .messages import SelectSubscription, ValidateKey
from .quirks import Quirk
from .record import MICROSECONDS, KeyRecord, Status
from .requests import read
from .selection import Question, Selected, SelectionError, select
from .service import Service, microseconds
from .store import Scope

_CLEANUP_AGE_S = 30 * 60


async def validate(service: Service, request: Request) -> Response:
    """Whose key this is. An invalid key is a normal answer, 200 with the reason."""
    wanted = await read(request, ValidateKey)
    if not wanted.key:
        raise RequestError(400, "key is required")
    try:
        record, reason = await _valid(service, wanted.key)
    except StoreError as error:
        service.metrics.validated("error")
        raise RequestError(500, "validation failed") from error
    if record is None:
        service.metrics.validated("invalid")
        return json_response({"valid": False, "tenant": "", "reason": reason})
    service.metrics.validated("valid")
    service.usage.used(record.id)
    return json_response(
        {
            "valid": True,
            "userId": record.id,
            "username": record.username,
            "keyId": record.id,
            "keyName": record.name,
            "groups": list(record.groups),
            "subscription": record.subscription,
            "tenant": record.tenant,
        }
    )


async def _valid(service: Service, text: str) -> tuple[KeyRecord | None, str]:
    """The key, or None and why. Keys of other tenants do not exist here."""
    credential = parse(text)
    if credential is None:
        return None, "invalid key format"
    record = await service.store.by_hash(credential.digest())
    if record is None or record.tenant != service.settings.tenant:
        return None, "key not found"
    status = record.effective_status(microseconds())
    if status is not Status.ACTIVE:
        if (
            status is Status.EXPIRED
            and record.status is Status.ACTIVE
            and Quirk.EXPIRED_KEYS_ARE_REVOCABLE in service.settings.quirks
        ):
            await service.store.mark_expired(record.id)
        return None, "key revoked or expired"
    if not record.subscription:
        return None, "key has no subscription bound"
    return record, ""


async def cleanup(service: Service, _request: Request) -> Response:
    """Delete ephemeral keys that expired long enough ago for nobody to ask about them."""
    count = await service.store.remove_ephemeral(microseconds() - _CLEANUP_AGE_S * MICROSECONDS)
    return json_response({"deletedCount": count, "message": f"deleted {count} expired ephemeral API key(s)"})


async def revoke_tenant(service: Service, request: Request) -> Response:
    """Revoke every key of this instance's tenant, before the tenant goes."""
    tenant = request.path_params["tenant"].strip()
    if tenant != service.settings.tenant:
        raise RequestError(400, "the tenant is not the one that this instance serves")
    count = await service.store.revoke_all(Scope(tenant), microseconds())
    return json_response({"revokedCount": count, "message": f"revoked {count} API key(s)"})


async def select_subscription(service: Service, request: Request) -> Response:
    """Which subscription pays. A refusal is a normal answer, 200 with a code."""
    wanted = await read(request, SelectSubscription)
    question = Question(
        username=(wanted.username or "").strip(),
        groups=tuple(name for group in wanted.groups or [] if (name := group.strip())),
        model=(wanted.requested_model or "").strip(),
        subscription=(wanted.requested_subscription or "").strip(),
    )
    try:
        selected = select(service.catalogue, question, service.settings.quirks)
    except SelectionError as error:
        return json_response(
            {"accessAllowed": False, "phase": "", "ready": False, "error": error.code, "message": str(error)}
        )
    return json_response(_selected(selected))


def _selected(selected: Selected) -> dict[str, Any]:
    subscription = selected.subscription
    body: dict[str, Any] = {
        "name": subscription.name,
        "namespace": subscription.namespace,
        "priority": subscription.priority,
        "modelRefs": _model_refs(subscription),
        "organizationId": subscription.organization,
        "costCenter": subscription.cost_center,
        "labels": dict(subscription.labels),
        "resolvedModel": "/".join(selected.model.reference) if selected.model else "",
        "accessAllowed": selected.allowed,
        "phase": subscription.phase,
        "ready": subscription.serves,
    }
    if subscription.deleted_at:
        body["deletionTimestamp"] = subscription.deleted_at
    return body


def _model_refs(subscription: Subscription) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "namespace": entry.namespace,
            "tokenRateLimits": [{"limit": limit.limit, "window": limit.window} for limit in entry.limits],
        }
        for entry in subscription.models
    ]
