"""Every operation of the API in one table: the router and the OpenAPI document are made from it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from . import answers, catalogue_api, internal_api, keys_api, tenants_api
from .errors import json_response
from .messages import BulkRevoke, CreateKey, SearchKeys, SelectSubscription, ValidateKey
from .service import Service

Handler = Callable[[Service, Request], Awaitable[Response]]
Reach = Literal["open", "gateway", "cluster"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    `reach` says who may come: `open` everybody, `gateway` callers with identity headers, `cluster` callers inside the
    cluster alone (the gateway's own requests are refused there).
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    handler: Handler
    summary: str
    reach: Reach
    answer: type[BaseModel]
    body: type[BaseModel] | None = None
    success: int = 200
    error_shape: Literal["", "listing", "request", "tenant"] = ""

    @property
    def template(self) -> str:
        """The path with `:name` for its variables, as the metrics label it."""
        return self.path.replace("{model}", ":model-id").replace("{", ":").replace("}", "")


async def health(_service: Service, _request: Request) -> Response:
    """Healthy as long as the process answers; the database is not asked."""
    return json_response({"status": "healthy"})


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/health", health, "Whether the process answers", "open", answers.Health),
    Operation(
        "GET",
        "/v1/models",
        catalogue_api.models,
        "Models that the caller may call",
        "gateway",
        answers.ModelList,
        error_shape="listing",
    ),
    Operation(
        "GET",
        "/v1/subscriptions",
        catalogue_api.subscriptions,
        "Subscriptions of the caller",
        "gateway",
        answers.SubscriptionList,
        error_shape="listing",
    ),
    Operation(
        "GET",
        "/v1/model/{model}/subscriptions",
        catalogue_api.model_subscriptions,
        "Subscriptions of the caller that hold a model",
        "gateway",
        answers.SubscriptionList,
        error_shape="listing",
    ),
    Operation(
        "GET",
        "/v1/api-keys/config",
        keys_api.configuration,
        "Limits of key lifetimes",
        "gateway",
        answers.KeyLimits,
        error_shape="request",
    ),
    Operation(
        "POST",
        "/v1/api-keys",
        keys_api.create,
        "Create a key",
        "gateway",
        answers.CreatedKey,
        CreateKey,
        201,
        "request",
    ),
    Operation(
        "POST",
        "/v1/api-keys/search",
        keys_api.search,
        "Find keys",
        "gateway",
        answers.KeyPage,
        SearchKeys,
        error_shape="request",
    ),
    Operation(
        "POST",
        "/v1/api-keys/bulk-revoke",
        keys_api.bulk_revoke,
        "Revoke many keys",
        "gateway",
        answers.Revoked,
        BulkRevoke,
        error_shape="request",
    ),
    Operation(
        "GET",
        "/v1/api-keys/{id}",
        keys_api.get,
        "Describe a key",
        "gateway",
        answers.DescribedKey,
        error_shape="request",
    ),
    Operation(
        "DELETE",
        "/v1/api-keys/{id}",
        keys_api.revoke,
        "Revoke a key",
        "gateway",
        answers.DescribedKey,
        error_shape="request",
    ),
    Operation(
        "GET",
        "/v1/tenants",
        tenants_api.tenants,
        "This tenant and its gateway",
        "cluster",
        answers.TenantList,
        error_shape="tenant",
    ),
    Operation(
        "POST",
        "/internal/v1/api-keys/validate",
        internal_api.validate,
        "Whose key it is",
        "cluster",
        answers.Validation,
        ValidateKey,
        error_shape="request",
    ),
    Operation(
        "POST",
        "/internal/v1/api-keys/cleanup",
        internal_api.cleanup,
        "Delete old ephemeral keys",
        "cluster",
        answers.Deleted,
    ),
    Operation(
        "DELETE",
        "/internal/v1/tenants/{tenant}/api-keys",
        internal_api.revoke_tenant,
        "Revoke all keys of the tenant",
        "cluster",
        answers.Revoked,
        error_shape="request",
    ),
    Operation(
        "POST",
        "/internal/v1/subscriptions/select",
        internal_api.select_subscription,
        "Which subscription pays for a call",
        "cluster",
        answers.SelectionAnswer,
        SelectSubscription,
        error_shape="request",
    ),
)
