"""What upstream's policies let through and this authorizer does not, and can be repeated: so that checks can be tried on both."""

from enum import Enum


class Quirk(Enum):
    """A weakness of upstream; the value is the requirement that tells of it, the docstring says why it is avoided here."""

    INTERNAL_BEHIND_GATEWAY = "MAAS-SEC-001"
    """Any valid credential opens the management API's internal operations."""

    CREDENTIAL_REACHES_MODEL = "MAAS-AUTH-037"
    """A model server sees the caller's key, and could spend it elsewhere."""

    QUERY_IS_PART_OF_PATH = "MAAS-RATE-025"
    """What limits look at as the path ends with whatever the caller wrote behind the question mark."""
