"""Fake metric values over time: what a router or autoscaler under test should believe.

A value is a number or `KIND:START:END:PERIOD` with the period in seconds: `ramp` goes from START to END once and stays, `rampreset` begins
again each period, `oscillate` is a sine between both, `squarewave` jumps between them every half period; `constant:V` is V.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

NAMES: Final = {
    "running-requests": "vllm:num_requests_running",
    "waiting-requests": "vllm:num_requests_waiting",
    "kv-cache-usage": "vllm:kv_cache_usage_perc",
    "prefix-cache-hits": "vllm:prefix_cache_hits_total",
    "prefix-cache-queries": "vllm:prefix_cache_queries_total",
}
SHAPES: Final[dict[str, Callable[[float], float]]] = {
    "ramp": lambda turns: min(turns, 1.0),
    "rampreset": lambda turns: turns % 1.0,
    "oscillate": lambda turns: (1.0 - math.cos(2 * math.pi * turns)) / 2,
    "squarewave": lambda turns: 0.0 if turns % 1.0 < 0.5 else 1.0,
}


class Fakes:
    """The fake metrics in force, and since when."""

    def __init__(self, wanted: dict[str, Any], now: float) -> None:
        self.wanted = wanted
        self._since = now
        self._values = {NAMES.get(name, name): generator(text) for name, text in wanted.items()}

    def values(self, now: float) -> dict[str, float]:
        """Metric name to value at this moment."""
        return {name: value(now - self._since) for name, value in self._values.items()}


def generator(text: Any) -> Callable[[float], float]:
    """A value over elapsed seconds. Raises ValueError with one sentence."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        fixed = float(text)
        return lambda elapsed: fixed
    kind, _, rest = str(text).partition(":")
    try:
        numbers = [float(part) for part in rest.split(":")]
    except ValueError:
        numbers = []
    if kind == "constant" and len(numbers) == 1:
        return lambda elapsed: numbers[0]
    if kind in SHAPES and len(numbers) == 3 and numbers[2] > 0:
        start, end, period = numbers
        shape = SHAPES[kind]
        return lambda elapsed: start + (end - start) * shape(elapsed / period)
    raise ValueError(
        f"a fake metric is a number, constant:V, or ramp, rampreset, oscillate or squarewave:START:END:PERIOD, got {text!r}"
    )


def parse_fakes(text: str | bytes, now: float) -> Fakes:
    """Fake metrics from JSON. Raises ValueError with one sentence."""
    try:
        wanted = msgspec.json.decode(text, type=dict[str, float | str])
    except msgspec.MsgspecError as error:
        raise ValueError(f"fake metrics must be a JSON object of metric names and values: {error}") from None
    return Fakes(wanted, now)
