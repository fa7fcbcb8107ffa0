"""The identities of a load: users with subscriptions and keys of their own, made on the platform and removed after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from harness.client.exchange import Exchange
from harness.client.secret import Secret
from harness.engine.failure import NotConformant, NotReady
from harness.ledger.book import ClientBook
from harness.load.plan import Member
from harness.outcome import EnvironmentFault
from harness.world.caller import Wire
from harness.world.estate import Estate
from harness.world.world import World

AMPLE: Final = 1_000_000_000
"""The most that a subscription may hold: a load measures speed, and its own quota must not end it."""


class _NoEvidence:
    """A load keeps statistics, not exchanges."""

    def exchange(self, exchange: Exchange) -> None:
        """Not kept."""

    def characteristic(self, name: str, value: float, unit: str) -> None:
        """Not kept."""


@dataclass(frozen=True, slots=True)
class Population:
    """Who takes part."""

    members: tuple[Member, ...]


@contextmanager
def populated(estate: Estate, identities: int) -> Iterator[Population]:
    """Make that many users for the length of a `with` block; on a platform without a kubeconfig, the configured key is the only one.

    Raises EnvironmentFault when the platform does not let them in.
    """
    world = World(estate, Wire(estate.platform, estate.client, _NoEvidence(), ClientBook()))
    try:
        yield Population(_members(world, identities))
    except (NotReady, NotConformant) as refused:
        raise EnvironmentFault(f"the platform does not take the users of the load: {refused}") from refused
    finally:
        if estate.platform.kubeconfig is not None:
            world.remove()


def _members(world: World, identities: int) -> tuple[Member, ...]:
    if world.estate.platform.kubeconfig is None:
        key = world.estate.platform.credentials.api_key
        if key is None:
            raise NotReady("it gives neither a kubeconfig nor an API key")
        return (Member(key=key, user="", subscription="", model=world.model()),)
    customers = [world.customer(limit=AMPLE, window="24h") for _ in range(identities)]
    return tuple(
        Member(
            key=customer.credential.secret() or Secret(""),
            user=customer.username or "",
            subscription=customer.subscription or "",
            model=customer.model,
        )
        for customer in customers
    )
