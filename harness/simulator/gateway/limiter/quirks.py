"""What upstream's limiter lets through and this one does not, and can be repeated: so that checks can be tried on both."""

from enum import Enum


class Quirk(Enum):
    """Whoever is named by none of a route's limits is unlimited; each value is a requirement that tells how somebody comes to be so."""

    REFUSED_WINDOW_IS_NO_LIMIT = "MAAS-RATE-018"
    """The controller left a subscription's limit out, because its window is too long."""

    NEWEST_REGISTRATION_WINS = "MAAS-RATE-019"
    """Another registration of the model replaced the policy that had the limit."""
