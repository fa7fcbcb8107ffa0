"""Handlers of `/v1/api-keys`."""

import hashlib
import logging
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .credential import parse
from .database import StoreError
from .duration import format_go
from .errors import RequestError, json_response
from .identity import Caller, bearer, caller_of, strict_caller
from .labels import checked_labels
from .messages import BulkRevoke, CreateKey, KeyFilters, SearchKeys, Sort
from .minting import EPHEMERAL_S, MintRejectedError, Rules, mint
from .quirks import Quirk
from .record import KeyRecord, Status, rfc3339
from .requests import read
from .search import SORT_FIELDS, KeySearch
from .service import Service, microseconds
from .store import Scope

audit = logging.getLogger("harness.simulator.maas_api.audit")

NO_STORE = {"Cache-Control": "no-store"}
_LARGEST_PAGE = 100
_USUAL_PAGE = 50
_ADMIN_ONLY = "Access denied: admin privileges required for this bulk revoke operation"


async def create(service: Service, request: Request) -> Response:
    """Mint a key: the only answer that ever holds its text."""
    caller = strict_caller(request)
    wanted = await read(request, CreateKey)
    try:
        minted = mint(service.catalogue, caller, wanted, await _rules(service, caller, request))
        await service.store.add(minted.record)
    except MintRejectedError:
        service.metrics.minted("rejected")
        raise
    except StoreError as error:
        service.metrics.minted("failure")
        raise RequestError(500, "Failed to create API key") from error
    service.metrics.minted("success")
    record = minted.record
    body: dict[str, Any] = {
        "key": minted.credential.reveal(),
        "keyPrefix": minted.credential.shown_prefix,
        "id": record.id,
        "name": record.name,
        "subscription": record.subscription,
        "createdAt": rfc3339(record.created_at),
        "expiresAt": rfc3339(record.expires_at or 0),
        "ephemeral": record.ephemeral,
    }
    if record.labels:
        body["labels"] = dict(record.labels)
    return json_response(body, 201)


async def _rules(service: Service, caller: Caller, request: Request) -> Rules:
    """The limits for a new key. One that an API key asks for ends with it at the latest: else a leaked key of an hour
    would be worth one of three months. Upstream knows no such bound.
    """
    rules = service.rules()
    if not caller.by_api_key or Quirk.KEYS_OUTLIVE_KEYS in rules.quirks:
        return rules
    credential = parse(bearer(request))
    asking = await service.store.by_hash(credential.digest()) if credential else None
    if asking is None:
        raise RequestError(403, "the API key of the request is not known")
    return replace(rules, ends_at=asking.expires_at)


async def configuration(service: Service, request: Request) -> Response:
    """The limits for lifetimes."""
    strict_caller(request)
    limits = {"max_expiration_days": service.rules().longest_days, "ephemeral_max_expiration": format_go(EPHEMERAL_S)}
    return json_response(limits)


async def get(service: Service, request: Request) -> Response:
    """A key's description, for its owner and for administrators."""
    record = await _visible(service, strict_caller(request), request.path_params["id"])
    return json_response(described(record, microseconds()))


async def revoke(service: Service, request: Request) -> Response:
    """Revoke a key; a second time it is not found, as is somebody else's."""
    record = await _visible(service, strict_caller(request), request.path_params["id"])
    now = microseconds()
    expired_too = Quirk.EXPIRED_KEYS_ARE_REVOCABLE in service.settings.quirks
    if not await service.store.revoke(record.tenant, record.id, now, expired_too=expired_too):
        raise _not_found()
    revoked = await service.store.by_id(record.tenant, record.id)
    if revoked is None:
        raise _not_found()
    return json_response(described(revoked, now))


async def search(service: Service, request: Request) -> Response:
    """Find keys: one's own, or as an administrator all of the tenant."""
    caller = caller_of(request)
    if caller is None:
        return json_response({"object": "list", "data": [], "has_more": False}, headers=NO_STORE)
    wanted = await _search(service, caller, await read(request, SearchKeys))
    found, more = await service.store.search(wanted)
    data = [described(record, wanted.now) for record in found]
    # Upstream answers null where nothing matches; its clients are written for that.
    return json_response({"object": "list", "data": data or None, "has_more": more}, headers=NO_STORE)


async def bulk_revoke(service: Service, request: Request) -> Response:
    """Revoke many keys at once; administrators only, unless a caller names itself."""
    caller = strict_caller(request)
    wanted = await read(request, BulkRevoke)
    scope = Scope(service.settings.tenant, (wanted.username or "").strip(), (wanted.subscription or "").strip())
    if not scope.username and not scope.subscription:
        raise RequestError(400, "at least one of username or subscription is required")
    foreign = bool(scope.subscription) or scope.username != caller.username
    if foreign and not await service.administrators.include(caller):
        raise RequestError(403, _ADMIN_ONLY)
    if wanted.dry_run:
        count = await service.store.count(scope, microseconds())
        return json_response({"revokedCount": count, "message": f"{count} API key(s) would be revoked", "dryRun": True})
    count = await service.store.revoke_all(scope, microseconds())
    _audit(caller, scope, count)
    return json_response({"revokedCount": count, "message": f"revoked {count} API key(s)"})


def described(record: KeyRecord, now: int) -> dict[str, Any]:
    """What may be told of a key: never its text, its hash or the groups it froze."""
    body: dict[str, Any] = {
        "id": record.id,
        "name": record.name,
        "username": record.username,
        "subscription": record.subscription,
        "tenant": record.tenant,
        "creationDate": rfc3339(record.created_at),
        "status": record.effective_status(now).value,
        "ephemeral": record.ephemeral,
    }
    if record.description:
        body["description"] = record.description
    if record.expires_at is not None:
        body["expirationDate"] = rfc3339(record.expires_at)
    if record.last_used_at is not None:
        body["lastUsedAt"] = rfc3339(record.last_used_at)
    if record.labels:
        body["labels"] = dict(record.labels)
    return body


async def _visible(service: Service, caller: Caller, key_id: str) -> KeyRecord:
    """The key if the caller may see it. Whatever stands in the way, the answer is the same 404: ids cannot be probed."""
    record = await service.store.by_id(service.settings.tenant, key_id)
    if record is None or (record.username != caller.username and not await service.administrators.include(caller)):
        raise _not_found()
    return record


def _not_found() -> RequestError:
    return RequestError(404, "API key not found")


async def _search(service: Service, caller: Caller, wanted: SearchKeys) -> KeySearch:
    filters = wanted.filters or KeyFilters.model_validate({})
    username = (filters.username or "").strip()
    limit, offset = _page(wanted, service.settings.quirks)
    sort_by, descending = _order(wanted.sort or Sort())
    statuses = frozenset(_status(value) for value in filters.status or [])
    labels = checked_labels(filters.labels_contain)
    if not await service.administrators.include(caller):
        if username not in {"", caller.username}:
            raise RequestError(403, "non-admin users can only search their own API keys")
        username = caller.username
    return KeySearch(
        tenant=service.settings.tenant,
        now=microseconds(),
        username=username,
        subscription=filters.subscription or "",
        statuses=statuses,
        labels=labels,
        include_ephemeral=bool(filters.include_ephemeral),
        sort_by=sort_by,
        descending=descending,
        limit=limit,
        offset=offset,
    )


def _page(wanted: SearchKeys, quirks: frozenset[Quirk]) -> tuple[int, int]:
    """Limit and offset. Upstream reads a page without a limit as one of no entries, which it refuses."""
    page = wanted.pagination
    if page is None:
        return _USUAL_PAGE, 0
    usual = 0 if Quirk.OFFSET_NEEDS_LIMIT in quirks else _USUAL_PAGE
    limit = usual if page.limit is None else page.limit
    offset = page.offset or 0
    if limit < 1:
        raise RequestError(400, "pagination.limit must be at least 1")
    if offset < 0:
        raise RequestError(400, "pagination.offset must not be negative")
    return min(limit, _LARGEST_PAGE), offset


def _order(sort: Sort) -> tuple[str, bool]:
    by = sort.by or "created_at"
    order = (sort.order or "desc").lower()
    if by not in SORT_FIELDS:
        raise RequestError(400, f"invalid sort.by: expected one of {', '.join(SORT_FIELDS)}")
    if order not in {"asc", "desc"}:
        raise RequestError(400, "invalid sort.order: expected asc or desc")
    return by, order == "desc"


def _status(value: str) -> Status:
    text = value.strip()
    try:
        return Status(text)
    except ValueError as error:
        raise RequestError(400, f"invalid status '{text}': expected active, revoked or expired") from error


def _audit(caller: Caller, scope: Scope, count: int) -> None:
    """One record of a bulk revocation. Names appear as short hashes: enough to find, not enough to read."""
    audit.info(
        "AUDIT bulk-revoke audit.action=bulk-revoke actor=%s tenant=%s targetUser=%s targetSubscription=%s revokedCount=%d",
        _redacted(caller.username),
        scope.tenant,
        _redacted(scope.username),
        scope.subscription or "-",
        count,
    )


def _redacted(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()[:12]}" if name else "-"
