"""The decision: who calls, may they, with which subscription, and what the upstream may see of it.

The order is Authorino's: identity, then identity-header spoofing, then the subscription. Every failure to decide is a refusal.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.simulator.gateway.authorizer.cache import Fresh
from harness.simulator.gateway.authorizer.quirks import Quirk
from harness.simulator.gateway.authorizer.request import AccessRequest, Purpose

USERNAME, GROUP, SUBSCRIPTION = "x-maas-username", "x-maas-group", "x-maas-subscription"
IDENTITY_PREFIX = "x-maas-"
CREDENTIAL_HEADERS = ("authorization", "x-api-key")


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller. `subscription` is the one bound to an API key; `key_id` is empty for tokens.

    `expires`: Unix seconds from which the credential counts no longer, however fresh the answer about it is; None: it does not say.
    """

    username: str
    groups: tuple[str, ...]
    key_id: str = ""
    subscription: str = ""
    expires: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Selection:
    """The subscription that pays, and what its reports are labelled with."""

    namespace: str
    name: str
    resolved_model: str
    cost_center: str = ""
    organization_id: str = ""

    @property
    def key(self) -> str:
        """What a token limit names: SUBSCRIPTION-NAMESPACE/NAME@MODEL-NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}@{self.resolved_model}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A denial: status, text for X-Ext-Auth-Reason, and the text/plain body."""

    status: int
    reason: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """A pass: metadata for the quota check and the access log, headers to set (replacing) and to remove towards the upstream."""

    metadata: Mapping[str, str | tuple[str, ...]]
    set_headers: Mapping[str, str] = field(default_factory=dict)
    remove_headers: tuple[str, ...] = ()


Decision = Admission | Refusal
UNAUTHENTICATED = Refusal(401, "Authentication required")
DENIED = Refusal(403, "unauthorized", "Access denied")


class UnavailableError(Exception):
    """Something the decision needs did not answer; the request is refused and nothing is remembered."""


class IdentitySource(Protocol):
    """Turns credentials into a caller."""

    async def identify(self, headers: Mapping[str, str]) -> Fresh[Identity | Refusal]:
        """The caller, or why there is none. Raises UnavailableError."""


class Selector(Protocol):
    """Chooses the subscription that pays for a model."""

    async def select(self, identity: Identity, model: str, subscription: str, route: str) -> Fresh[Selection | Refusal]:
        """The subscription, or why there is none; `route` is the HTTPRoute that matched, empty for none. Raises UnavailableError."""


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Decides. `quirks` are weaknesses of upstream to repeat; `denied` hears of each rule that denies."""

    identities: IdentitySource
    selector: Selector
    quirks: frozenset[Quirk] = frozenset()
    denied: Callable[[str], None] = field(default=lambda _rule: None, compare=False)

    async def decide(self, request: AccessRequest) -> Fresh[Decision]:
        """The decision and how long it may be repeated. Raises UnavailableError."""
        caller = await self.identities.identify(request.headers)
        if isinstance(caller.value, Refusal):
            return Fresh(caller.value, caller.until)
        if USERNAME in request.headers or GROUP in request.headers:
            self.denied("deny-client-identity-headers")
            return Fresh(DENIED, caller.until)
        purpose = request.purpose()
        if purpose is Purpose.INFERENCE:
            return await self._inference(request, caller.value, caller.until)
        if purpose is Purpose.INTERNAL and Quirk.INTERNAL_BEHIND_GATEWAY not in self.quirks:
            return Fresh(DENIED, caller.until)
        return Fresh(self._management(request, caller.value), caller.until)

    def _management(self, request: AccessRequest, identity: Identity) -> Admission:
        wanted = identity.subscription if identity.key_id else request.headers.get(SUBSCRIPTION, "").strip()
        headers = {
            "X-MaaS-Username": identity.username,
            "X-MaaS-Group": json.dumps(list(identity.groups), separators=(",", ":")),
        }
        if wanted:
            headers["X-MaaS-Subscription"] = wanted
        spoofed = tuple(
            name
            for name in request.headers
            if name.startswith(IDENTITY_PREFIX) and not (wanted and name == SUBSCRIPTION)
        )
        return Admission(self._metadata(request, identity), headers, spoofed)

    async def _inference(self, request: AccessRequest, identity: Identity, until: float) -> Fresh[Decision]:
        wanted = identity.subscription if identity.key_id else request.headers.get(SUBSCRIPTION, "").strip()
        if identity.key_id and not wanted:
            return Fresh(DENIED, until)
        chosen = await self.selector.select(identity, request.requested_model(), wanted, request.route)
        until = min(until, chosen.until)
        if isinstance(chosen.value, Refusal):
            return Fresh(chosen.value, until)
        selection = chosen.value
        metadata = self._metadata(request, identity) | {
            "subscription": selection.name,
            "selected_subscription_key": selection.key,
            "cost_center": selection.cost_center,
            "organization_id": selection.organization_id,
        }
        hidden = tuple(name for name in request.headers if name.startswith(IDENTITY_PREFIX))
        if Quirk.CREDENTIAL_REACHES_MODEL not in self.quirks:
            hidden += CREDENTIAL_HEADERS
        return Fresh(Admission({key: value for key, value in metadata.items() if value}, {}, hidden), until)

    def _metadata(self, request: AccessRequest, identity: Identity) -> dict[str, str | tuple[str, ...]]:
        path = request.path if Quirk.QUERY_IS_PART_OF_PATH in self.quirks else request.bare_path
        metadata: dict[str, str | tuple[str, ...]] = {
            "userid": identity.username,
            "username": identity.username,
            "groups": identity.groups,
            "group": ",".join(identity.groups),
            "request_path": path,
        }
        if identity.key_id:
            metadata["key_id"] = identity.key_id
        return metadata
