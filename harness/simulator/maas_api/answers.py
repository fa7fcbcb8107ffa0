# ruff: noqa: N815 - the members are spelled as they appear on the wire
"""Bodies that the API answers with, as pydantic models: the OpenAPI document is made from them, and tests hold answers to them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, RootModel


class _Answer(BaseModel):
    # Built when the document is asked for: nothing else uses them, and a start is short.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Health(_Answer):
    """`GET /health`."""

    status: Literal["healthy"]


class ModelDetails(_Answer):
    """What annotations say about a model."""

    displayName: str = ""
    description: str = ""
    genaiUseCase: str = ""
    contextWindow: str = ""
    modelCapabilities: list[str] = []


class SubscriptionSummary(_Answer):
    """A subscription that offers a listed model."""

    name: str
    displayName: str = ""
    description: str = ""


class ListedModel(_Answer):
    """`id` is what a client writes as `model`; `created` is in Unix seconds; `owned_by` is namespace and name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    ready: bool
    kind: str
    subscriptions: list[SubscriptionSummary]
    url: str = ""
    modelDetails: ModelDetails | None = None


class ModelList(_Answer):
    """`GET /v1/models`."""

    object: Literal["list"]
    data: list[ListedModel]


class RateLimit(_Answer):
    """So many tokens in a window such as `1m`."""

    limit: int
    window: str


class BillingRate(_Answer):
    """Price of a token, as text."""

    per_token: str


class SubscribedModelEntry(_Answer):
    """A model of a subscription."""

    name: str
    source: Literal["internal", "external"]
    token_rate_limits: list[RateLimit]
    model_name: str = ""
    display_name: str = ""
    description: str = ""
    billing_rate: BillingRate | None = None


class SubscriptionEntry(_Answer):
    """A subscription; `subscription_id_header` is what `X-MaaS-Subscription` takes."""

    subscription_id_header: str
    subscription_description: str
    priority: int
    model_refs: list[SubscribedModelEntry]
    display_name: str = ""
    organization_id: str = ""
    cost_center: str = ""
    labels: dict[str, str] = {}


class SubscriptionList(RootModel[list[SubscriptionEntry]]):
    """`GET /v1/subscriptions` and `GET /v1/model/{model}/subscriptions`."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class CreatedKey(_Answer):
    """`POST /v1/api-keys`: the only answer with the text of a key. Times are RFC 3339 in UTC."""

    key: str
    keyPrefix: str
    id: str
    name: str
    subscription: str
    createdAt: str
    expiresAt: str
    ephemeral: bool
    labels: dict[str, str] = {}


class DescribedKey(_Answer):
    """A key without its text."""

    id: str
    name: str
    username: str
    subscription: str
    tenant: str
    creationDate: str
    status: Literal["active", "revoked", "expired"]
    ephemeral: bool
    description: str = ""
    expirationDate: str = ""
    lastUsedAt: str = ""
    labels: dict[str, str] = {}


class KeyPage(_Answer):
    """`POST /v1/api-keys/search`; `data` is null where nothing matches."""

    object: Literal["list"]
    data: list[DescribedKey] | None
    has_more: bool


class KeyLimits(_Answer):
    """`GET /v1/api-keys/config`; the second as a Go duration."""

    max_expiration_days: int
    ephemeral_max_expiration: str


class Revoked(_Answer):
    """How many keys were revoked, or would be."""

    revokedCount: int
    message: str
    dryRun: bool = False


class Deleted(_Answer):
    """How many keys were deleted."""

    deletedCount: int
    message: str


class GatewayAddress(_Answer):
    """A gateway and how clients reach it."""

    name: str
    namespace: str
    protocol: Literal["http", "https"]
    externalUrl: str
    port: int


class Tenant(_Answer):
    """A tenant and its gateway."""

    name: str
    gateway: GatewayAddress


class TenantList(_Answer):
    """`GET /v1/tenants`: one element."""

    tenants: list[Tenant]


class ValidKey(_Answer):
    """Whose key it is."""

    valid: Literal[True]
    userId: str
    username: str
    keyId: str
    keyName: str
    groups: list[str]
    subscription: str
    tenant: str


class InvalidKey(_Answer):
    """Why it is nobody's key."""

    valid: Literal[False]
    tenant: Literal[""]
    reason: str


class Validation(RootModel[ValidKey | InvalidKey]):
    """`POST /internal/v1/api-keys/validate`."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class SelectedModelLimit(_Answer):
    """A model of the selected subscription."""

    name: str
    namespace: str
    tokenRateLimits: list[RateLimit]


class Selection(_Answer):
    """The subscription that pays; `accessAllowed` says whether a policy admits the caller to `resolvedModel`."""

    name: str
    namespace: str
    priority: int
    modelRefs: list[SelectedModelLimit]
    organizationId: str
    costCenter: str
    labels: dict[str, str]
    resolvedModel: str
    accessAllowed: bool
    phase: str
    ready: bool
    deletionTimestamp: str = ""


class NoSelection(_Answer):
    """Why no subscription pays."""

    accessAllowed: Literal[False]
    phase: Literal[""]
    ready: Literal[False]
    error: Literal[
        "bad_request",
        "not_found",
        "access_denied",
        "model_not_in_subscription",
        "model_unhealthy",
        "multiple_subscriptions",
    ]
    message: str


class SelectionAnswer(RootModel[Selection | NoSelection]):
    """`POST /internal/v1/subscriptions/select`."""

    model_config = ConfigDict(frozen=True, defer_build=True)
