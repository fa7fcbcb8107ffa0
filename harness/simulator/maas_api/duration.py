"""Lifetimes as clients write them: Go durations, days, or a number of seconds."""

import re
from decimal import Decimal

_UNITS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_PART = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_GO = re.compile(rf"([+-]?)((?:{_NUMBER}(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_DAYS = re.compile(rf"([+-]?{_NUMBER})d", re.ASCII)

DAY = 86_400
_LONGEST_TEXT = 64
"""Characters; no lifetime needs more, and an expression that looks at a megabyte of digits takes its time."""


class DurationError(ValueError):
    """The text is no duration; the message is fit for a client."""


def parse(value: str | float) -> Decimal:
    """Seconds of a lifetime: `"1h30m"`, `"1.5d"`, or a JSON number of seconds. An empty text is zero.

    Raises DurationError for anything else; `30d12h` and `1w` are not durations here, as in the upstream service.
    """
    if isinstance(value, int | float):
        return Decimal(str(value))
    text = value.strip()
    if len(text) > _LONGEST_TEXT:
        raise DurationError(f"invalid expiresIn: expected at most {_LONGEST_TEXT} characters, came {len(text)}")
    if not text or text in {"0", "+0", "-0"}:
        return Decimal(0)
    if days := _DAYS.fullmatch(text):
        return Decimal(days[1]) * DAY
    if go := _GO.fullmatch(text):
        seconds = sum((Decimal(amount) * _UNITS[unit] for amount, unit in _PART.findall(go[2])), Decimal(0))
        return -seconds if go[1] == "-" else seconds
    raise DurationError(
        f"invalid expiresIn {text!r}: expected a duration such as 30d, 12h or 1h30m, or seconds as a number"
    )


def format_go(seconds: int) -> str:
    """A whole number of seconds as Go prints it: 3600 is `1h0m0s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
