"""Making a key: its subscription, its lifetime, its record."""

import time
import uuid
from dataclasses import dataclass
from decimal import Decimal

from .catalogue import Catalogue
from .credential import Credential, generate
from .duration import DAY, DurationError, parse
from .entities import Subscription
from .errors import RequestError
from .identity import Caller
from .labels import checked_labels, checked_name, storable_group
from .messages import CreateKey
from .quirks import Quirk
from .record import MICROSECONDS, KeyRecord, Status

EPHEMERAL_S = 3600

_UNRESOLVED = "Unable to resolve a subscription for this API key"


class MintRejectedError(RequestError):
    """The subscription or the lifetime is refused, as opposed to a body that cannot be read."""


@dataclass(frozen=True, slots=True)
class Minted:
    """A key's text, shown once, and what is stored of it."""

    credential: Credential
    record: KeyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The limits of a mint. `longest_days` bounds keys that are not ephemeral; no key outlives `ends_at` (microseconds)."""

    tenant: str
    longest_days: int
    ends_at: int | None = None
    quirks: frozenset[Quirk] = frozenset()


def mint(catalogue: Catalogue, caller: Caller, wanted: CreateKey, rules: Rules) -> Minted:
    """A new key of the caller. Raises RequestError; MintRejectedError for subscription and lifetime."""
    nanoseconds = time.time_ns()
    ephemeral = bool(wanted.ephemeral)
    name = checked_name(wanted.name, ephemeral=ephemeral, nanoseconds=nanoseconds)
    labels = checked_labels(wanted.labels)
    now = nanoseconds // 1000
    seconds = _lifetime(wanted.expires_in, _longest(rules, now, ephemeral=ephemeral))
    subscription = _subscription(catalogue, caller, wanted.subscription, rules.quirks)
    if not all(storable_group(group) for group in caller.groups):
        if Quirk.UNSTORABLE_GROUP_IS_500 in rules.quirks:
            raise RequestError(500, "Failed to create API key")
        raise RequestError(
            400,
            "a group of the caller has a name that cannot be stored with a key: only letters, digits and : . _ - are",
        )
    credential = generate()
    record = KeyRecord(
        id=str(uuid.uuid4()),
        key_hash=credential.digest(),
        tenant=rules.tenant,
        username=caller.username,
        groups=caller.groups,
        subscription=subscription.name,
        name=name,
        description=wanted.description or "",
        ephemeral=ephemeral,
        status=Status.ACTIVE,
        created_at=now,
        expires_at=now + int(seconds * MICROSECONDS),
        labels=labels,
    )
    return Minted(credential, record)


def _longest(rules: Rules, now: int, *, ephemeral: bool) -> Decimal:
    """Seconds that a key may live from now."""
    longest = Decimal(EPHEMERAL_S if ephemeral else rules.longest_days * DAY)
    if rules.ends_at is not None:
        longest = min(longest, Decimal(rules.ends_at - now) / MICROSECONDS)
    if longest <= 0:
        raise MintRejectedError(403, "the API key of the request has expired")
    return longest


def _lifetime(wanted: str | float | None, longest: Decimal) -> Decimal:
    """Seconds; the longest when none is wanted."""
    if wanted is None:
        return Decimal(longest)
    try:
        seconds = parse(wanted)
    except DurationError as error:
        raise RequestError(400, str(error)) from error
    if seconds <= 0:
        raise MintRejectedError(400, "expiration must be positive")
    if seconds > longest:
        raise MintRejectedError(400, f"expiration exceeds the maximum of {longest:f} seconds")
    return seconds


def _subscription(catalogue: Catalogue, caller: Caller, wanted: str | None, quirks: frozenset[Quirk]) -> Subscription:
    """The subscription to bind. Whether an unknown one exists is told to nobody: every failure of ownership looks the same."""
    name = (wanted or "").strip()
    if not name:
        return _default(catalogue.owned(caller.username, caller.groups), quirks)
    found = catalogue.subscription(name)
    if found is None or not found.owner.match(caller.username, caller.groups):
        raise MintRejectedError(400, _UNRESOLVED, "invalid_subscription")
    _require_ready(found)
    return found


def _default(owned: list[Subscription], quirks: frozenset[Quirk]) -> Subscription:
    """Highest priority, then largest token limit, then name; one that cannot serve only where upstream would take it."""
    if not owned:
        raise MintRejectedError(400, _UNRESOLVED, "invalid_subscription")
    ordered = sorted(owned, key=lambda item: (-item.priority, -item.largest_limit, item.name))
    if Quirk.UNUSABLE_DEFAULT_SUBSCRIPTION in quirks:
        return ordered[0]
    usable = next((item for item in ordered if item.phase in _MINTABLE and not item.deleted_at), None)
    if usable is None:
        _require_ready(ordered[0])
    return usable or ordered[0]


_MINTABLE = frozenset({"Active", "Degraded", "Pending"})


def _require_ready(subscription: Subscription) -> None:
    if not subscription.phase:
        raise MintRejectedError(400, "the subscription has not been reconciled yet", "subscription_not_ready")
    if subscription.phase not in _MINTABLE:
        raise MintRejectedError(403, f"the subscription is in phase {subscription.phase}", "subscription_not_ready")
    if subscription.deleted_at:
        raise MintRejectedError(403, "the subscription is being deleted", "subscription_not_ready")
