"""A token is shown every model that a policy allows and any subscription holds, whoever's it is."""

from typing import Any

from harness.selftest.overlay import run_with
from harness.simulator.maas_api import catalogue_api, listing
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.catalogue import Catalogue
from harness.simulator.maas_api.identity import Caller
from harness.simulator.maas_api.quirks import Quirk

_listed_models = listing.listed_models


def listed_models(catalogue: Catalogue, caller: Caller, quirks: frozenset[Quirk] = frozenset()) -> list[dict[str, Any]]:
    """The usual list to who names a subscription, else all that the policies leave."""
    if caller.by_api_key or caller.subscription:
        return _listed_models(catalogue, caller, quirks)
    offers = [offer for offer in catalogue.subscriptions.items.values() if offer.serves]
    return listing._items(catalogue, offers, catalogue.allowed_for(caller))


if __name__ == "__main__":
    run_with(catalogue_api, "listed_models", listed_models, main)
