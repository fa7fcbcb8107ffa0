"""One of several replicas never forgets whom it let in: every third call of somebody who lost access is served."""

from itertools import count
from math import inf

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.cache import Fresh
from harness.simulator.gateway.authorizer.decision import Admission, Authorizer, Decision
from harness.simulator.gateway.authorizer.request import AccessRequest

_decide = Authorizer.decide
_turns = count()
_let_in: dict[tuple[str, str], Admission] = {}


async def decide(self: Authorizer, request: AccessRequest) -> Fresh[Decision]:
    """The real decision, or what that replica remembers; nothing is repeated, so that replicas take turns."""
    who = (request.headers.get("authorization", ""), request.bare_path)
    decision = await _decide(self, request)
    if isinstance(decision.value, Admission):
        _let_in[who] = decision.value
    remembered = _let_in.get(who) if next(_turns) % 3 == 0 else None
    return Fresh(remembered or decision.value, -inf)


if __name__ == "__main__":
    run_with(Authorizer, "decide", decide, main)
