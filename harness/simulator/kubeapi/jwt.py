"""The compact form of JSON Web Tokens."""

import base64
from typing import Any

import orjson


def encode_part(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_part(text: str) -> bytes:
    """Inverse of `encode_part`. Raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pack(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """The text that gets signed."""
    return f"{encode_part(orjson.dumps(header))}.{encode_part(orjson.dumps(claims))}"


def unpack(token: str) -> tuple[dict[str, Any], dict[str, Any], str, str]:
    """Header, claims, the signed text and the signature of a token. Raises ValueError."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("a token has three parts")
    header, claims = orjson.loads(decode_part(parts[0])), orjson.loads(decode_part(parts[1]))
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("header and claims of a token are objects")  # noqa: TRY004 - callers catch one kind of error
    return header, claims, f"{parts[0]}.{parts[1]}", parts[2]
