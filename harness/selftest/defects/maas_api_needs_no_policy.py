"""A subscription is enough: no access policy has to let its owner in."""

from collections.abc import Iterable

from harness.selftest.overlay import run_with
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.catalogue import Catalogue, Reference


def allowed(self: Catalogue, username: str, groups: Iterable[str]) -> frozenset[Reference]:
    """Every model that there is."""
    return frozenset(self.model_refs.items)


if __name__ == "__main__":
    run_with(Catalogue, "allowed", allowed, main)
