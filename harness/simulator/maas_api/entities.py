"""Models, subscriptions and access policies as the requests need them, read from Kubernetes objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

DISPLAY_NAME = "openshift.io/display-name"
DESCRIPTION = "openshift.io/description"
USE_CASE = "opendatahub.io/genai-use-case"
CONTEXT_WINDOW = "opendatahub.io/context-window"
CAPABILITIES = "opendatahub.io/model-capabilities"

EXTERNAL = "ExternalModel"


@dataclass(frozen=True, slots=True)
class Subjects:
    """Users and groups that a policy or a subscription names; compared exactly, blanks around a name removed."""

    users: frozenset[str]
    groups: frozenset[str]

    def match(self, username: str, groups: Iterable[str]) -> bool:
        """Whether the user, or one of the groups, is named."""
        return username in self.users or not self.groups.isdisjoint(groups)


@dataclass(frozen=True, slots=True)
class Model:
    """A MaaSModelRef. `created` is in Unix seconds; `backend` is the name of the serving object."""

    namespace: str
    name: str
    kind: str
    backend: str
    alias: str
    phase: str
    endpoint: str
    hostname: str
    created: int
    annotations: Mapping[str, str]

    @property
    def reference(self) -> tuple[str, str]:
        """Namespace and name: what subscriptions and policies refer to."""
        return self.namespace, self.name

    @property
    def identifier(self) -> str:
        """What a client writes as `model`: the external model's own name, the published alias, or the object's name."""
        if self.kind == EXTERNAL:
            return self.backend
        return self.alias or self.name

    @property
    def url(self) -> str:
        """The gateway's address for this model; the route's host name wins over the endpoint."""
        return f"https://{self.hostname}" if self.hostname else self.endpoint

    def details(self) -> dict[str, Any]:
        """`modelDetails` of a listing; empty when no annotation is set. Unreadable capabilities are left out."""
        pairs: list[tuple[str, Any]] = [
            ("displayName", self.annotations.get(DISPLAY_NAME, "")),
            ("description", self.annotations.get(DESCRIPTION, "")),
            ("genaiUseCase", self.annotations.get(USE_CASE, "")),
            ("contextWindow", self.annotations.get(CONTEXT_WINDOW, "")),
            ("modelCapabilities", _strings(self.annotations.get(CAPABILITIES, ""))),
        ]
        return {name: value for name, value in pairs if value}


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """So many tokens in a window such as `1m`."""

    limit: int
    window: str


@dataclass(frozen=True, slots=True)
class SubscribedModel:
    """One model of a subscription; `rate_per_token` is empty when no billing rate is given."""

    namespace: str
    name: str
    limits: tuple[TokenLimit, ...]
    rate_per_token: str

    @property
    def reference(self) -> tuple[str, str]:
        """Namespace and name of the MaaSModelRef."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Subscription:
    """A MaaSSubscription. `limited` holds the models whose token limits are in force; negative priorities count as 0."""

    namespace: str
    name: str
    owner: Subjects
    models: tuple[SubscribedModel, ...]
    priority: int
    phase: str
    deleted_at: str
    limited: frozenset[str]
    organization: str
    cost_center: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def display_name(self) -> str:
        """The annotated name for people, or empty."""
        return self.annotations.get(DISPLAY_NAME, "")

    @property
    def description(self) -> str:
        """The annotated description, or empty."""
        return self.annotations.get(DESCRIPTION, "")

    @property
    def serves(self) -> bool:
        """Whether its models may be called now."""
        return self.phase in {"Active", "Degraded"} and not self.deleted_at

    @property
    def largest_limit(self) -> int:
        """The largest token limit of any of its models."""
        return max((limit.limit for model in self.models for limit in model.limits), default=0)

    def model(self, reference: tuple[str, str]) -> SubscribedModel | None:
        """Its first entry for a model; a repeated model keeps the limits of the first."""
        return next((model for model in self.models if model.reference == reference), None)


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """A MaaSAuthPolicy: who may call which models."""

    subjects: Subjects
    models: frozenset[tuple[str, str]]
    deleted: bool


def model_of(document: Mapping[str, Any]) -> Model:
    """Read a MaaSModelRef."""
    metadata, status = document["metadata"], document.get("status") or {}
    reference = (document.get("spec") or {}).get("modelRef") or {}
    hostnames = status.get("httpRouteHostnames") or [""]
    return Model(
        namespace=metadata["namespace"],
        name=metadata["name"],
        kind=reference.get("kind", ""),
        backend=reference.get("name", ""),
        alias=status.get("resolvedModelAlias", ""),
        phase=status.get("phase", ""),
        endpoint=status.get("endpoint", ""),
        hostname=hostnames[0],
        created=unix_seconds(metadata.get("creationTimestamp")),
        annotations=metadata.get("annotations") or {},
    )


def subscription_of(document: Mapping[str, Any]) -> Subscription:
    """Read a MaaSSubscription."""
    metadata, spec, status = document["metadata"], document.get("spec") or {}, document.get("status") or {}
    token_metadata = spec.get("tokenMetadata") or {}
    return Subscription(
        namespace=metadata["namespace"],
        name=metadata["name"],
        owner=subjects_of(spec.get("owner") or {}),
        models=tuple(_subscribed(entry) for entry in spec.get("modelRefs") or []),
        priority=max(0, spec.get("priority") or 0),
        phase=status.get("phase", ""),
        deleted_at=metadata.get("deletionTimestamp") or "",
        limited=frozenset(
            entry.get("model") or entry.get("name", "")
            for entry in status.get("tokenRateLimitStatuses") or []
            if entry.get("ready")
        ),
        organization=token_metadata.get("organizationId", ""),
        cost_center=token_metadata.get("costCenter", ""),
        labels=token_metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
    )


def policy_of(document: Mapping[str, Any]) -> AccessPolicy:
    """Read a MaaSAuthPolicy."""
    spec = document.get("spec") or {}
    return AccessPolicy(
        subjects=subjects_of(spec.get("subjects") or {}),
        models=frozenset((entry["namespace"], entry["name"]) for entry in spec.get("modelRefs") or []),
        deleted=bool(document["metadata"].get("deletionTimestamp")),
    )


def key_lifetime_of(document: Mapping[str, Any]) -> int | None:
    """The longest lifetime of a key in days, from a MaasTenantConfig; None when it does not say."""
    days = ((document.get("spec") or {}).get("apiKeys") or {}).get("maxExpirationDays")
    return days if isinstance(days, int) else None


def subjects_of(document: Mapping[str, Any]) -> Subjects:
    """Read `{users: [...], groups: [{name}]}`."""
    users = (user.strip() for user in document.get("users") or [])
    groups = (group.get("name", "").strip() for group in document.get("groups") or [])
    return Subjects(frozenset(filter(None, users)), frozenset(filter(None, groups)))


def unix_seconds(timestamp: str | None) -> int:
    """Seconds since 1970 of an RFC 3339 time; 0 for none."""
    return int(datetime.fromisoformat(timestamp).timestamp()) if timestamp else 0


def _subscribed(entry: Mapping[str, Any]) -> SubscribedModel:
    limits = tuple(TokenLimit(item["limit"], item["window"]) for item in entry.get("tokenRateLimits") or [])
    return SubscribedModel(
        entry["namespace"], entry["name"], limits, (entry.get("billingRate") or {}).get("perToken", "")
    )


def _strings(text: str) -> list[str]:
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    return values if isinstance(values, list) and all(isinstance(value, str) for value in values) else []
