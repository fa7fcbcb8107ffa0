"""Texts for the string formats that JSON Schema names."""

from collections.abc import Callable
from typing import Final

from mock_vllm.structured.draw import Draw


def _date(draw: Draw) -> str:
    return f"20{10 + draw.below(20):02d}-{1 + draw.below(12):02d}-{1 + draw.below(28):02d}"


def _time(draw: Draw) -> str:
    return f"{draw.below(24):02d}:{draw.below(60):02d}:{draw.below(60):02d}Z"


def _hex(draw: Draw, digits: int) -> str:
    return "".join("0123456789abcdef"[draw.below(16)] for _ in range(digits))


def _uuid(draw: Draw) -> str:
    return f"{_hex(draw, 8)}-{_hex(draw, 4)}-4{_hex(draw, 3)}-a{_hex(draw, 3)}-{_hex(draw, 12)}"


FORMATS: Final[dict[str, Callable[[Draw], str]]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda draw: f"{_date(draw)}T{_time(draw)}",
    "duration": lambda draw: f"P{1 + draw.below(9)}D",
    "email": lambda draw: f"{draw.word()}@example.com",
    "hostname": lambda draw: f"{draw.word()}.example.com",
    "ipv4": lambda draw: f"192.0.2.{1 + draw.below(254)}",
    "ipv6": lambda draw: f"2001:db8::{_hex(draw, 4)}",
    "uri": lambda draw: f"https://example.com/{draw.word()}",
    "uuid": _uuid,
}
