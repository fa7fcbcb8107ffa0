"""The text of an API key: `sk-oai-<key id>_<secret>`, both parts base62; only its hash is kept."""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass, field

PREFIX = "sk-oai-"
SHOWN = 12
"""How many characters of the key id a listing may show."""

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM = re.compile(r"sk-oai-([0-9A-Za-z]+)_([0-9A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Credential:
    """A key as its owner holds it. The text stays out of `repr`, so that no log line can carry it."""

    key_id: str
    secret: str = field(repr=False)

    def reveal(self) -> str:
        """The whole text, for the one response that may hold it."""
        return f"{PREFIX}{self.key_id}_{self.secret}"

    @property
    def shown_prefix(self) -> str:
        """Enough of the key for its owner to recognise it."""
        return f"{PREFIX}{self.key_id[:SHOWN]}..."

    def digest(self) -> str:
        """64 hex digits: SHA-256 of key id, NUL and secret. The NUL keeps `a`+`bc` and `ab`+`c` apart."""
        return hashlib.sha256(f"{self.key_id}\0{self.secret}".encode()).hexdigest()


def generate() -> Credential:
    """A new key: 96 random bits of identity, 256 of secret."""
    return Credential(_base62(secrets.randbits(96), 16), _base62(secrets.randbits(256), 43))


def parse(text: str) -> Credential | None:
    """The credential that a text spells, or None when it has another form."""
    match = _FORM.fullmatch(text)
    return Credential(match[1], match[2]) if match else None


def is_api_key(text: str) -> bool:
    """Whether a bearer credential claims to be an API key; nothing is said about its validity."""
    return text.startswith(PREFIX)


def _base62(number: int, width: int) -> str:
    digits: list[str] = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits)).rjust(width, "0")
