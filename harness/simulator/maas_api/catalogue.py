"""What the cluster offers now: the mirrored models, subscriptions and access policies, and questions about them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from lightkube.core.async_client import AsyncClient

from .entities import (
    AccessPolicy,
    Model,
    Subjects,
    Subscription,
    key_lifetime_of,
    model_of,
    policy_of,
    subscription_of,
)
from .identity import Caller
from .informer import Derived, Mirror

_GROUP = "maas.opendatahub.io"
_VERSION = "v1alpha1"
_TENANT_CONFIG = "default-tenant"

Reference = tuple[str, str]
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class _ByName:
    """Models by (namespace, backend), by (namespace, name), and by each name that a request may give; the oldest first."""

    by_backend: Mapping[Reference, tuple[Model, ...]]
    by_reference: Mapping[Reference, tuple[Model, ...]]
    by_word: Mapping[str, tuple[Model, ...]]


@dataclass(frozen=True, slots=True)
class _BySubject(Generic[S]):
    """Things by the users and groups that they name: a caller's are found without looking at everybody else's."""

    users: Mapping[str, tuple[S, ...]]
    groups: Mapping[str, tuple[S, ...]]

    def of(self, username: str, groups: Iterable[str]) -> Iterator[S]:
        """Things that name the user or one of the groups; one that names both comes twice."""
        yield from self.users.get(username, ())
        for group in groups:
            yield from self.groups.get(group, ())


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
        self._by_name = Derived(self.model_refs, _by_name)
        self._by_owner = Derived(self.subscriptions, lambda items: _by_subject(items, lambda item: item.owner))
        self._by_subject = Derived(
            self.policies, lambda items: _by_subject(_standing(items), lambda item: item.subjects)
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

    def model(self, reference: Reference) -> Model | None:
        """The model of that namespace and name."""
        return self.model_refs.items.get(reference)

    def models_behind(self, namespace: str, backend: str) -> tuple[Model, ...]:
        """Models whose serving object has that name, the oldest first."""
        return self._by_name().by_backend.get((namespace, backend), ())

    def models_at(self, namespace: str, name: str) -> tuple[Model, ...]:
        """The model of that name, as upstream reads a path."""
        return self._by_name().by_reference.get((namespace, name), ())

    def models_called(self, word: str) -> tuple[Model, ...]:
        """Models that a published alias, an identifier or a bare name may mean, the oldest first."""
        return self._by_name().by_word.get(word, ())

    def subscription(self, name: str) -> Subscription | None:
        """The subscription called `name` or `namespace/name`; other namespaces hold none for this instance."""
        namespace, _, bare = name.rpartition("/")
        if namespace not in {"", self._namespace}:
            return None
        return self.subscriptions.items.get((self._namespace, bare))

    def owned(self, username: str, groups: Iterable[str]) -> list[Subscription]:
        """Subscriptions of a caller, whatever their phase, by name."""
        found = {item.name: item for item in self._by_owner().of(username, groups)}
        return [found[name] for name in sorted(found)]

    def allowed(self, username: str, groups: Iterable[str]) -> frozenset[Reference]:
        """Namespace and name of each model that an access policy lets the caller use."""
        return frozenset().union(*(policy.models for policy in self._by_subject().of(username, groups)))

    def allowed_for(self, caller: Caller) -> frozenset[Reference]:
        """As `allowed`, for an authenticated caller."""
        return self.allowed(caller.username, caller.groups)


def _by_name(models: Iterable[Model]) -> _ByName:
    backends: dict[Reference, tuple[Model, ...]] = {}
    references: dict[Reference, tuple[Model, ...]] = {}
    words: dict[str, tuple[Model, ...]] = {}
    for model in sorted(models, key=lambda model: (model.created, model.namespace, model.name)):
        behind = (model.namespace, model.backend)
        backends[behind] = (*backends.get(behind, ()), model)
        references[model.reference] = (model,)
        for word in {model.alias, model.identifier, model.name} - {""}:
            words[word] = (*words.get(word, ()), model)
    return _ByName(backends, references, words)


def _by_subject(items: Iterable[S], subjects: Callable[[S], Subjects]) -> _BySubject[S]:
    users: dict[str, tuple[S, ...]] = {}
    groups: dict[str, tuple[S, ...]] = {}
    for item in items:
        named = subjects(item)
        for user in named.users:
            users[user] = (*users.get(user, ()), item)
        for group in named.groups:
            groups[group] = (*groups.get(group, ()), item)
    return _BySubject(users, groups)


def _standing(policies: Iterable[AccessPolicy]) -> Iterable[AccessPolicy]:
    return (policy for policy in policies if not policy.deleted)
