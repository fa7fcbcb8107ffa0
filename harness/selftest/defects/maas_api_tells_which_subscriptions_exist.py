"""Who asks for a key of somebody else's subscription is told that it exists: names can be probed."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api import minting
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.catalogue import Catalogue
from harness.simulator.maas_api.entities import Subscription
from harness.simulator.maas_api.identity import Caller
from harness.simulator.maas_api.minting import MintRejectedError
from harness.simulator.maas_api.quirks import Quirk

_subscription = minting._subscription


def subscription(catalogue: Catalogue, caller: Caller, wanted: str | None, quirks: frozenset[Quirk]) -> Subscription:
    """The real choice, but for an answer of its own to what is there and not the caller's."""
    found = catalogue.subscription((wanted or "").strip())
    if found is not None and not found.owner.match(caller.username, caller.groups):
        raise MintRejectedError(403, "the subscription is not yours", "access_denied")
    return _subscription(catalogue, caller, wanted, quirks)


if __name__ == "__main__":
    run_with(minting, "_subscription", subscription, main)
