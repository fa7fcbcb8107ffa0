"""Who calls while a component is down: somebody entitled, somebody whose budget is spent, and a stranger; and what each may be answered."""

from collections.abc import Iterable
from typing import Final

from harness.client.exchange import Exchange
from harness.kube.wait import Bound
from harness.world.calling import Calling
from harness.world.expectations import any_refusal, describe, expect, expect_served, expect_status
from harness.world.lent import MODEST, spendable
from harness.world.quota import spend
from harness.world.world import World

ENTITLED: Final = "somebody entitled"
SPENT: Final = "somebody over quota"
STRANGER: Final = "a stranger"
FEW: Final = 3
"""Answers of each caller that show a state: one could have been on its way before."""
ANSWERED: Final = Bound("answers come while a component is down", 60)


class Crowd:
    """Three callers, each of whom got the right answer before anything is broken."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.entitled = world.anybody()
        self.spent = spendable(world).caller
        self.stranger = world.caller(None)
        expect_served(self.entitled.infer())
        spend(self.spent.infer, limit=MODEST)
        expect_status(self.stranger.infer(), 401, when="there is no credential")

    def calling(self) -> Calling:
        """All three, calling for the length of a `with` block."""
        return Calling({ENTITLED: self.entitled.infer, SPENT: self.spent.infer, STRANGER: self.stranger.infer})

    def expect_recovery(self, traffic: Calling, component: str) -> None:
        """Calling is back within the platform's bound, and stays; the seconds are published."""
        bound = Bound("recovery_bound_s", self._world.wire.platform.parameters.recovery_bound_s)
        seconds = traffic.until_served(ENTITLED, bound)
        name = f"recovery_of_{component.replace('-', '_')}"  # counted from when it is ready again
        self._world.wire.recorder.characteristic(name, round(seconds, 3), "s")
        for exchange in traffic.gather(FEW, ANSWERED)[ENTITLED]:
            expect_served(exchange, when=f"the component {component} is back")


def expect_all_refused(exchanges: Iterable[Exchange], *, when: str, requirement: str | None = None) -> None:
    """Every one is a 4xx or a 5xx that carries no completion: the platform itself refuses."""
    for exchange in exchanges:
        status = exchange.status
        wrong = any_refusal(exchange) if status is not None and 400 <= status < 600 else "it is no 4xx or 5xx"
        expect(
            wrong is None,
            expected=f"a 4xx or 5xx when {when}",
            observed=f"{wrong}: {describe(exchange)}",
            exchange=exchange,
            requirement=requirement,
        )


def expect_never_served(traffic: Calling, *names: str, requirement: str | None = None) -> None:
    """These callers got no 200 at any time: not before, not meanwhile, not while the component came back."""
    for name in names:
        for exchange in traffic.of(name):
            expect(
                exchange.status != 200,
                expected=f"{name} is never served",
                observed=describe(exchange),
                exchange=exchange,
                requirement=requirement,
            )
