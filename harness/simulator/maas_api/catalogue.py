"""What the cluster offers now: the mirrored models, subscriptions and access policies, and questions about them."""

import asyncio
from collections.abc import Iterable

from lightkube.core.async_client import AsyncClient

from .entities import AccessPolicy, Model, Subscription, key_lifetime_of, model_of, policy_of, subscription_of
from .identity import Caller
from .informer import Mirror

_GROUP = "maas.opendatahub.io"
_VERSION = "v1alpha1"
_TENANT_CONFIG = "default-tenant"


class Catalogue:
    """Models of all namespaces; subscriptions, policies and settings of one."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.model_refs = Mirror[Model]((_GROUP, _VERSION, "MaaSModelRef", "maasmodelrefs"), "*", model_of)
        self.subscriptions = Mirror[Subscription](
            (_GROUP, _VERSION, "MaaSSubscription", "maassubscriptions"), namespace, subscription_of
        )
        self.policies = Mirror[AccessPolicy](
            (_GROUP, _VERSION, "MaaSAuthPolicy", "maasauthpolicies"), namespace, policy_of
        )
        self.settings = Mirror[int | None](
            (_GROUP, _VERSION, "MaasTenantConfig", "maastenantconfigs"), namespace, key_lifetime_of
        )

    async def follow(self, client: AsyncClient) -> None:
        """Keep all mirrors true until cancelled."""
        async with asyncio.TaskGroup() as group:
            for mirror in (self.model_refs, self.subscriptions, self.policies, self.settings):
                group.create_task(mirror.run(client))

    async def ready(self) -> None:
        """Return when models, subscriptions and policies have been listed once."""
        await asyncio.gather(*(mirror.synced.wait() for mirror in (self.model_refs, self.subscriptions, self.policies)))

    def longest_key_days(self) -> int | None:
        """The tenant's own limit for the lifetime of keys, where it sets one."""
        return self.settings.items.get((self._namespace, _TENANT_CONFIG))

    def model(self, reference: tuple[str, str]) -> Model | None:
        """The model of that namespace and name."""
        return self.model_refs.items.get(reference)

    def models(self) -> Iterable[Model]:
        """Every model, oldest first, so that whoever takes the first match takes the one that was there before."""
        return sorted(self.model_refs.items.values(), key=lambda model: (model.created, model.namespace, model.name))

    def subscription(self, name: str) -> Subscription | None:
        """The subscription called `name` or `namespace/name`; other namespaces hold none for this instance."""
        namespace, _, bare = name.rpartition("/")
        if namespace not in {"", self._namespace}:
            return None
        return self.subscriptions.items.get((self._namespace, bare))

    def owned(self, username: str, groups: Iterable[str]) -> list[Subscription]:
        """Subscriptions of a caller, whatever their phase, by name."""
        names = tuple(groups)
        found = (item for item in self.subscriptions.items.values() if item.owner.match(username, names))
        return sorted(found, key=lambda item: item.name)

    def allowed(self, username: str, groups: Iterable[str]) -> frozenset[tuple[str, str]]:
        """Namespace and name of each model that an access policy lets the caller use."""
        names = tuple(groups)
        policies = (
            item for item in self.policies.items.values() if not item.deleted and item.subjects.match(username, names)
        )
        return frozenset(reference for policy in policies for reference in policy.models)

    def allowed_for(self, caller: Caller) -> frozenset[tuple[str, str]]:
        """As `allowed`, for an authenticated caller."""
        return self.allowed(caller.username, caller.groups)
