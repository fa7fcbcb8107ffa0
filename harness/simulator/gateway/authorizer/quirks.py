"""What upstream's policies let through and this authorizer does not, and can be repeated: so that checks can be tried on both."""

from enum import Enum


class Quirk(Enum):
    """A weakness of upstream; the value is the requirement that tells of it, the docstring says why it is avoided here."""

    INTERNAL_BEHIND_GATEWAY = "MAAS-SEC-001"
    """Any valid credential opens the management API's internal operations."""

    CREDENTIAL_REACHES_MODEL = "MAAS-AUTH-037"
    """A model server sees the caller's key, and could spend it elsewhere."""

    CLIENT_MAY_BE_MISSING = "MAAS-AUTH-013"
    """A token that names no client is taken, for whomever it was meant: any program of the issuer's can spend here."""

    ISSUERS_NAME_CLUSTER_USERS = "MAAS-KEY-088"
    """An issuer's user called like one of the cluster's, or in a group called like one, is taken for it."""

    QUERY_IS_PART_OF_PATH = "MAAS-RATE-025"
    """What limits look at as the path ends with whatever the caller wrote behind the question mark."""
