"""Where the upstream service answers worse than this one, and can be repeated: so that checks can be tried on both answers."""

from enum import Enum
from typing import Final

from harness.simulator.quirks import reader


class Quirk(Enum):
    """A weakness of upstream; the value is the requirement that tells of it, the docstring says why it is avoided here."""

    LISTING_IGNORES_POLICIES = "MAAS-LIST-011"
    """A caller bound to one subscription sees models of it that no policy lets it call, which a token never sees."""

    FAILED_SUBSCRIPTION_IS_500 = "MAAS-LIST-021"
    """A failed subscription is the caller's condition, not a fault of the server: it is denied here."""

    INTERNAL_BEHIND_GATEWAY = "MAAS-SEC-001"
    """Whoever holds any valid token reaches internal operations through the gateway: reads others' data, revokes all keys."""

    PATH_NAMES_MODEL = "MAAS-AUTH-064"
    """A path names the serving object, and is compared with the model's name: who may use one B may call another B."""

    FIRST_ALIAS_WINS = "MAAS-SEC-006"
    """The oldest model of a name takes it from everybody else's."""

    KEYS_OUTLIVE_KEYS = "MAAS-SEC-010"
    """A key that lives an hour mints keys that live three months."""

    UNUSABLE_DEFAULT_SUBSCRIPTION = "MAAS-KEY-031"
    """A key without a wish is bound to the subscription of the highest priority, though it cannot serve."""

    UNSTORABLE_GROUP_IS_500 = "MAAS-KEY-038"
    """A group that the gateway accepts and the store refuses is a fault of the server; here the caller is told."""

    EXPIRED_KEYS_ARE_REVOCABLE = "MAAS-KEY-055"
    """Whether an expired key can be revoked depends on whether somebody tried it; here it never can."""

    OFFSET_NEEDS_LIMIT = "MAAS-KEY-070"
    """A page without a limit is refused instead of having the usual one."""


UPSTREAM = frozenset(Quirk)
parse: Final = reader(Quirk)
"""Reads the option `--quirks`."""
