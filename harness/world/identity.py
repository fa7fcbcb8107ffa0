"""Identities that any Kubernetes can give: ServiceAccounts in namespaces of the run, known to the platform by username and groups."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from harness.kube.manifest import Manifest, Ref

ALL_ACCOUNTS = "system:serviceaccounts"
AUTHENTICATED = "system:authenticated"
EVERYBODY = frozenset({ALL_ACCOUNTS, AUTHENTICATED})


@runtime_checkable
class Person(Protocol):
    """A user of the platform, whoever vouches for them."""

    @property
    def username(self) -> str:
        """The name that `owner.users` and `subjects.users` match exactly."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group that the platform knows them by."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One user of the platform, before any credential; every token of it carries these groups."""

    account: Ref

    @property
    def username(self) -> str:
        """The name that TokenReview reports, and that `owner.users` and `subjects.users` match exactly."""
        return f"system:serviceaccount:{self.account.namespace}:{self.account.name}"

    @property
    def group(self) -> str:
        """The group of its namespace: all identities made with the same group name share it, and nobody else has it."""
        return f"system:serviceaccounts:{self.account.namespace}"

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group of its tokens."""
        return (ALL_ACCOUNTS, self.group, AUTHENTICATED)

    def manifests(self) -> tuple[Manifest, ...]:
        """Its namespace and its ServiceAccount."""
        namespace = self.account.namespace
        return (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": self.account.name, "namespace": namespace},
            },
        )


def service_account(namespace: str, name: str) -> Identity:
    """The identity of that ServiceAccount."""
    return Identity(Ref("v1", "ServiceAccount", name, namespace))
