"""Bodies that clients send, as pydantic models.

Unknown members are ignored and not refused: that is the documented behaviour of this API, and clients of newer
versions rely on it.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

Text = Annotated[str, Field(strict=True)]
Flag = StrictBool


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True, frozen=True)


class CreateKey(_Body):
    """`POST /v1/api-keys`. `expiresIn` is a duration (`30d`, `1h30m`) or a number of seconds."""

    name: Text | None = None
    description: Text | None = None
    subscription: Text | None = None
    expires_in: StrictStr | StrictInt | StrictFloat | None = Field(None, alias="expiresIn")
    ephemeral: Flag | None = None
    labels: dict[Text, Text] | None = None


class KeyFilters(_Body):
    """Which keys a search means. Other members are read by no one."""

    username: Text | None = None
    subscription: Text | None = None
    status: list[Text] | None = None
    include_ephemeral: Flag | None = Field(None, alias="includeEphemeral")
    labels_contain: dict[Text, Text] | None = Field(None, alias="labelsContain")


class Sort(_Body):
    """Order of a search: `by` created_at, expires_at, last_used_at or name; `order` asc or desc."""

    by: Text | None = None
    order: Text | None = None


class Pagination(_Body):
    """A page of a search; at most 100 entries."""

    limit: StrictInt | None = None
    offset: StrictInt | None = None


class SearchKeys(_Body):
    """`POST /v1/api-keys/search`."""

    filters: KeyFilters | None = None
    sort: Sort | None = None
    pagination: Pagination | None = None


class BulkRevoke(_Body):
    """`POST /v1/api-keys/bulk-revoke`: a user's keys, a subscription's keys, or their intersection."""

    username: Text | None = None
    subscription: Text | None = None
    dry_run: Flag | None = Field(None, alias="dryRun")


class ValidateKey(_Body):
    """`POST /internal/v1/api-keys/validate`."""

    key: Text | None = None


class SelectSubscription(_Body):
    """`POST /internal/v1/subscriptions/select`: who calls which model, and the subscription that was asked for."""

    username: Text | None = None
    groups: list[Text] | None = None
    requested_model: Text | None = Field(None, alias="requestedModel")
    requested_subscription: Text | None = Field(None, alias="requestedSubscription")


JsonObject = dict[str, Any]
