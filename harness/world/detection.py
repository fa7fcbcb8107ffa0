"""Finding out how a platform admits requests, from what it answers to somebody who knows nothing else of it.

First a request that is larger than what is left of its budget, while some is left: served by a platform that looks back, refused by
one that looks ahead. Then streams that run at once on an untouched budget: one that holds tokens for them refuses sooner or later.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from harness.client.exchange import Exchange
from harness.engine.failure import NotReady
from harness.ledger.book import ClientBook
from harness.platforms.platform import Admission
from harness.world.caller import Wire
from harness.world.estate import Estate
from harness.world.expectations import describe, expect_served
from harness.world.flight import LONG, Flights
from harness.world.inference import Ask
from harness.world.world import World

SIZE: Final = LONG.max_tokens
FITTING: Final = 4
"""Requests of the asked size that the budget of the second measurement has room for."""


class Unrecorded:
    """A recorder for measurements that belong to no check."""

    def exchange(self, exchange: Exchange) -> None:
        """Keep nothing."""

    def characteristic(self, name: str, value: float, unit: str) -> None:
        """Keep nothing."""


@dataclass
class Admissions:
    """How the platform of an estate admits requests: as it was declared, else as it was measured once."""

    estate: Estate

    @cached_property
    def model(self) -> Admission:
        """The model. Raises NotReady when the platform does not answer the measurement."""
        declared = self.estate.platform.parameters.admission
        if declared is not None:
            return declared
        world = World(self.estate, Wire(self.estate.platform, self.estate.client, Unrecorded(), ClientBook()))
        try:
            return measured(world)
        finally:
            world.remove()


def measured(world: World) -> Admission:
    """Measure it with three customers of this world. Raises NotReady when an answer is neither 200 nor 429."""
    cost = _cost(world)
    if not looks_ahead(world, cost):
        return "check-then-report"
    limit = FITTING * max(cost, SIZE)
    with Flights(world.customer(limit=limit)) as flights:
        refused = flights.fill(FITTING + 1)
    if refused not in (None, 429):
        raise NotReady(f"a stream was answered with {refused} while it was measured how requests are admitted")
    return "estimate" if refused is None else "reservation"


def looks_ahead(world: World, cost: int) -> bool:
    """Whether a request is refused because of what it may cost, with tokens left."""
    customer = world.customer(limit=cost + cost // 2)
    for _ in range(2):
        answer = customer.infer(Ask(max_tokens=SIZE))
        if answer.status == 429:
            return True
        if answer.status != 200:
            raise NotReady(f"{describe(answer)} while it was measured how requests are admitted")
    return False


def _cost(world: World) -> int:
    """What a request of that size costs here: a model that stops early makes it cheaper than it was allowed to be."""
    answer = expect_served(world.customer().infer(Ask(max_tokens=SIZE)))
    if answer.usage is None:
        raise NotReady("an answer states no usage, so it cannot be measured how requests are admitted")
    return answer.usage.total_tokens
