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


UPSTREAM = frozenset(Quirk)


def parse(text: str) -> frozenset[Quirk]:
    """`none`, `upstream` for all, or requirement ids with commas between. Raises ValueError that names what is known."""
    if text in {"none", ""}:
        return frozenset()
    if text == "upstream":
        return UPSTREAM
    try:
        return frozenset(Quirk(part.strip()) for part in text.split(","))
    except ValueError as error:
        known = ", ".join(quirk.value for quirk in Quirk)
        raise ValueError(f"expected none, upstream, or some of {known}, came {text!r}") from error
