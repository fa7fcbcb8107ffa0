"""Where the upstream controller does worse than this one, and can be repeated: so that checks can be tried on both."""

from enum import Enum
from typing import Final

from harness.simulator.quirks import reader


class Quirk(Enum):
    """A weakness of upstream; the value is the requirement that tells of it, the docstring says why it is avoided here."""

    LIMIT_NAMES_COLLIDE = "MAAS-RATE-016"
    """Two subscriptions whose names run together share one limit: one of them silently loses its own."""

    REFUSED_WINDOW_IS_NO_LIMIT = "MAAS-RATE-018"
    """A window that is too long is left out of the policy, and beside other limits its users are unlimited."""

    NEWEST_REGISTRATION_WINS = "MAAS-RATE-019"
    """Whoever registers a model a second time replaces the limits of everybody on the first."""

    QUERY_PASSES_FOR_LISTING = "MAAS-RATE-025"
    """A path with a query that ends like a listing's path costs nothing."""

    TARGET_NAME_ROUTES_ALONE = "MAAS-GW-017"
    """An external model is listed by its own name, but its route knows the provider's name alone."""


UPSTREAM = frozenset(Quirk)
Quirks = frozenset[Quirk]
parse: Final = reader(Quirk)
"""Reads the option `--quirks`."""
