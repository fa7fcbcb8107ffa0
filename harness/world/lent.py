"""Callers beside `World.anybody` that every platform can have: made where there is a kubeconfig, else given by a person."""

from dataclasses import dataclass
from typing import Final

from harness.client.exchange import Exchange
from harness.client.secret import Secret
from harness.engine.failure import NotReady
from harness.world.answer import tokens_of
from harness.world.caller import Caller
from harness.world.expectations import expect, expect_served
from harness.world.inference import Ask
from harness.world.world import World

MODEST: Final = 60
"""Tokens of a budget that a check makes in order to spend it."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A caller whose budget of `limit` tokens a check may spend to its end; `untouched` where nobody else can have spent of it."""

    caller: Caller
    limit: int
    untouched: bool = True

    def exhaust(self) -> Exchange:
        """Call until refused with 429, however the platform admits; the refusal.

        It must come at the latest when answers that state as many tokens have been given. Raises NotConformant when it does not, and
        NotReady when a lent budget was spent before.
        """
        used, ask = 0, Ask(max_tokens=max(1, min(512, self.limit // 8)))
        while True:
            exchange = self.caller.infer(ask)
            if exchange.status == 429:
                if used == 0 and not self.untouched:
                    raise NotReady(
                        "the budget that may be spent is spent already: run again when its window has passed"
                    )
                return exchange
            expect_served(exchange, when="the budget is not known to be spent")
            expect(
                used < self.limit,
                expected=f"429 once {self.limit} tokens are used",
                observed=f"{used} tokens used, and the next call answered with {exchange.status}",
                exchange=exchange,
                requirement="MAAS-RATE-001",
            )
            tokens = tokens_of(exchange)
            expect(bool(tokens), expected="an answer that states its usage", observed="none", exchange=exchange)
            used += tokens or 0


def somebody_else(world: World) -> Caller:
    """Somebody entitled who is another user than `World.anybody` is. Raises NotReady where there is none."""
    if world.wire.platform.provides.get("kube"):
        return world.anybody()
    return world.caller(_given(world.wire.platform.credentials.second_api_key, "second API key"))


def token_holder(world: World) -> Caller:
    """Somebody with a token of the cluster or of an issuer, entitled or not. Raises NotReady where there is none."""
    platform = world.wire.platform
    if platform.provides.get("kube"):
        return world.person(world.identity())
    return world.caller(_given(platform.credentials.user_token, "user token"))


def spendable(world: World) -> Budget:
    """A budget for the check to spend. Raises NotReady where none was allowed."""
    platform = world.wire.platform
    if platform.provides.get("kube"):
        return Budget(world.subscriber(world.member(MODEST), world.common(MODEST)), MODEST)
    caller = world.caller(_given(platform.credentials.exhaustible_api_key, "key whose budget may be spent"))
    return Budget(caller, platform.exhaustible_tokens or MODEST, untouched=False)


def _given(key: Secret | None, what: str) -> Secret:
    if key is None:
        raise NotReady(f"this platform gives neither a kubeconfig nor a {what}")
    return key
