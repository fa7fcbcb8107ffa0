"""A world on a platform that a test has opened, without a run around it."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.client.exchange import Exchange
from harness.ledger.book import ClientBook
from harness.platforms.platform import Platform
from harness.world.caller import Wire
from harness.world.estate import Estate
from harness.world.world import World


class Unwatched:
    """Takes what a check would have written into the journal."""

    def exchange(self, exchange: Exchange) -> None:
        """Nobody reads it."""

    def characteristic(self, name: str, value: float, unit: str) -> None:
        """Nobody reads it."""


@contextmanager
def world_on(platform: Platform) -> Iterator[World]:
    estate = Estate(platform, run_id="whole")
    world = World(estate, Wire(platform, estate.client, Unwatched(), ClientBook()))  # type: ignore[arg-type] # a recorder by shape
    try:
        yield world
    finally:
        world.remove()
        estate.close()
