"""Subscriptions (who may spend how much) and policies (who may enter), as values and as manifests.

Both must pass for a call to be served; a check declares the one, the other, or both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.kube.manifest import Manifest, Ref
from harness.platforms.platform import ModelHandle
from harness.world.identity import Person

MAAS = "maas.opendatahub.io/v1alpha1"


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` tokens in a `window` such as `10s`, `1m`, `24h`."""

    limit: int
    window: str

    @property
    def seconds(self) -> int:
        """The window's length."""
        return int(self.window[:-1]) * {"s": 1, "m": 60, "h": 3600}[self.window[-1]]


@dataclass(frozen=True, slots=True)
class People:
    """Whom a subscription belongs to or a policy lets in: users and groups, any of which suffices."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, who: "Who") -> "People":
        """From an identity (its username), a group name, or several of them."""
        members: Iterable[Person | str] = (who,) if isinstance(who, Person | str) else who
        everyone = tuple(members)
        return cls(
            users=tuple(member.username for member in everyone if isinstance(member, Person)),
            groups=tuple(member for member in everyone if isinstance(member, str)),
        )

    def include(self, identity: Person) -> bool:
        """Whether the identity is one of them."""
        return identity.username in self.users or bool(set(identity.groups) & set(self.groups))

    def manifest(self) -> dict[str, Any]:
        """As `spec.owner` and `spec.subjects` want it; empty lists are left out."""
        groups = [{"name": group} for group in self.groups]
        return {key: value for key, value in (("users", list(self.users)), ("groups", groups)) if value}


Who = Person | str | Sequence[Person | str]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A MaaSSubscription of the check; `name` is also what the platform's counters call it."""

    ref: Ref
    owner: People
    models: tuple[ModelHandle, ...]
    rates: tuple[Rate, ...]
    priority: int = 0
    token_metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its bare name, as API keys, headers and metric labels carry it."""
        return self.ref.name

    def manifest(self) -> Manifest:
        """The object to apply."""
        rates = [{"limit": rate.limit, "window": rate.window} for rate in self.rates]
        metadata = {"tokenMetadata": dict(self.token_metadata)} if self.token_metadata else {}
        return {
            "apiVersion": MAAS,
            "kind": "MaaSSubscription",
            "metadata": {"name": self.ref.name, "namespace": self.ref.namespace},
            "spec": {
                **metadata,
                "owner": self.owner.manifest(),
                "priority": self.priority,
                "modelRefs": [
                    {"name": model.name, "namespace": model.namespace, "tokenRateLimits": rates}
                    for model in self.models
                ],
            },
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """A MaaSAuthPolicy of the check."""

    ref: Ref
    subjects: People
    models: tuple[ModelHandle, ...]

    def manifest(self) -> Manifest:
        """The object to apply."""
        return {
            "apiVersion": MAAS,
            "kind": "MaaSAuthPolicy",
            "metadata": {"name": self.ref.name, "namespace": self.ref.namespace},
            "spec": {
                "subjects": self.subjects.manifest(),
                "modelRefs": [{"name": model.name, "namespace": model.namespace} for model in self.models],
            },
        }
