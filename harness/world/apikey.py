"""API keys, minted through the management API when a check first needs one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from harness.client.exchange import Exchange
from harness.client.secret import Secret
from harness.engine.failure import NotConformant
from harness.kube.wait import Bound
from harness.world.expectations import describe
from harness.world.patience import until

_NOT_YET: Final = frozenset({"invalid_subscription", "subscription_not_ready"})
PROPAGATION: Final = Bound("a subscription in force is known to key management", 10)

Post = Callable[[Mapping[str, Any]], Exchange]


@dataclass(slots=True)
class ApiKey:
    """A key of one user for one subscription; `post` creates it, and is called once it is needed.

    A subscription that has just become active may not have reached the management API's cache, and the answer says so;
    asking again costs no quota.
    """

    post: Post
    name: str
    subscription: str | None = None
    expires_in: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    _document: Mapping[str, Any] | None = None

    def secret(self) -> Secret:
        """The plaintext."""
        return Secret(str(self.document["key"]))

    @property
    def id(self) -> str:
        """The id by which it is read and revoked."""
        return str(self.document["id"])

    @property
    def document(self) -> Mapping[str, Any]:
        """The whole answer of its creation. Raises NotConformant when it is refused."""
        if self._document is None:
            self._document = self._mint()
        return self._document

    def request(self) -> dict[str, Any]:
        """The body that creates it."""
        given = {"name": self.name, "subscription": self.subscription, "expiresIn": self.expires_in}
        return {**{key: value for key, value in given.items() if value is not None}, **self.extra}

    def _mint(self) -> Mapping[str, Any]:
        exchange, _ = until(lambda: self.post(self.request()), lambda answer: not _is_early(answer), PROPAGATION)
        if exchange.status == 201:
            document = exchange.json()
            if isinstance(document, dict) and isinstance(document.get("key"), str) and "id" in document:
                return document
        raise NotConformant(
            expected=f"201 with key and id when a subscriber creates an API key for subscription {self.subscription}",
            observed=describe(exchange),
            exchange=exchange,
            requirement="MAAS-KEY-001",
        )


def _is_early(exchange: Exchange) -> bool:
    if exchange.status not in (400, 403):
        return False
    try:
        document = exchange.json()
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("code") in _NOT_YET
