"""Who is calling, as the gateway's authorizer says in request headers."""

import re
from dataclasses import dataclass

import orjson
from starlette.requests import Request

from .credential import is_api_key
from .errors import IdentityError

USERNAME = "x-maas-username"
GROUPS = "x-maas-group"
SUBSCRIPTION = "x-maas-subscription"

_WORDS = re.compile(r"\[[^\[\]{}\",]*\]")


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    `subscription` is the one an API key is bound to, or the one a token chose by header; empty for none.
    """

    username: str
    groups: tuple[str, ...]
    subscription: str = ""
    by_api_key: bool = False


def caller_of(request: Request) -> Caller | None:
    """The caller, or None when neither identity header came. Raises IdentityError when only part of it came."""
    username = request.headers.get(USERNAME, "").strip()
    groups = request.headers.get(GROUPS, "").strip()
    if not username and not groups:
        return None
    return _caller(request, username, groups)


def strict_caller(request: Request) -> Caller:
    """The caller. Raises IdentityError when there is none."""
    return _caller(request, request.headers.get(USERNAME, "").strip(), request.headers.get(GROUPS, "").strip())


def _caller(request: Request, username: str, groups: str) -> Caller:
    if not username:
        raise IdentityError("001")
    if not groups:
        raise IdentityError("002")
    names = parse_groups(groups)
    if not names:
        raise IdentityError("003")
    return Caller(
        username=username,
        groups=names,
        subscription=_last_value(request, SUBSCRIPTION),
        by_api_key=is_api_key(bearer(request)),
    )


def bearer(request: Request) -> str:
    """The bearer credential of the request, or an empty string."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential if scheme == "Bearer" else ""


def parse_groups(text: str) -> tuple[str, ...]:
    """Group names from a JSON array of strings or from `[a b]`; blank names are dropped, order is kept."""
    if not (text.startswith("[") and text.endswith("]")):
        return ()
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError:
        # Words, unless it is broken JSON: reading that in pieces would make groups of what a quote let loose.
        values = text[1:-1].split() if _WORDS.fullmatch(text) else []
    return tuple(name for value in values if isinstance(value, str) and (name := value.strip()))


def _last_value(request: Request, header: str) -> str:
    """The last non-empty value: a gateway that appends its own leaves a client's forgery in front."""
    values = [part.strip() for value in request.headers.getlist(header) for part in value.split(",")]
    return next((value for value in reversed(values) if value), "")
