"""When the tokens of one answer come out, as offsets from its start."""

import math
import random
from bisect import bisect_right
from typing import Final, Protocol

import msgspec

MILLISECOND: Final = 0.001
GRAIN: Final = 1e-9  # differences of clock readings are not exact: a token that is a nanosecond early is due


class Pace(Protocol):
    """Offsets in seconds of tokens 1..n of one answer."""

    def offset(self, token: int) -> float:
        """Seconds from start to token `token` (from 1)."""

    def count(self, elapsed: float) -> int:
        """How many tokens are out after `elapsed` seconds."""


class SteadyPace:
    """The first token after `first` seconds, every other one `gap` seconds after the one before."""

    __slots__ = ("first", "gap", "length")

    def __init__(self, first: float, gap: float, length: int) -> None:
        self.first = first
        self.gap = gap
        self.length = length

    def offset(self, token: int) -> float:
        """See `Pace`."""
        return self.first + (token - 1) * self.gap

    def count(self, elapsed: float) -> int:
        """See `Pace`."""
        if elapsed < self.first - GRAIN:
            return 0
        if self.gap <= GRAIN:
            return self.length
        return min(self.length, 1 + int((elapsed - self.first + GRAIN) / self.gap))


class DrawnPace:
    """Offsets drawn beforehand, one a token."""

    __slots__ = ("_offsets",)

    def __init__(self, offsets: list[float]) -> None:
        self._offsets = offsets

    def offset(self, token: int) -> float:
        """See `Pace`."""
        return self._offsets[token - 1]

    def count(self, elapsed: float) -> int:
        """See `Pace`."""
        return bisect_right(self._offsets, elapsed + GRAIN)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Times in milliseconds. Deviations are standard deviations of `distribution`; draws below zero count as zero.

    time to first token = (time_to_first_token + prefill_time_per_token * uncached prompt tokens) * load
    inter-token latency = inter_token_latency * load
    load                = 1 + (time_factor_under_load - 1) * (running - 1) / (slots - 1), taken when the request starts
    """

    time_to_first_token: float = 0.0
    time_to_first_token_std_dev: float = 0.0
    inter_token_latency: float = 0.0
    inter_token_latency_std_dev: float = 0.0
    prefill_time_per_token: float = 0.0
    time_factor_under_load: float = 1.0
    distribution: str = "normal"

    @property
    def instant(self) -> bool:
        """Whether no time passes at all."""
        return not (
            self.time_to_first_token or self.inter_token_latency or self.prefill_time_per_token or self.jittered
        )

    @property
    def jittered(self) -> bool:
        """Whether times are drawn."""
        return bool(self.time_to_first_token_std_dev or self.inter_token_latency_std_dev)

    def load(self, running: int, slots: int) -> float:
        """The factor on all times with `running` of `slots` in use."""
        return 1.0 + (self.time_factor_under_load - 1.0) * (running - 1) / (slots - 1) if slots > 1 else 1.0

    def pace(self, uncached: int, length: int, factor: float, seed: int) -> Pace:
        """When the `length` tokens of an answer come out; the same seed draws the same times."""
        first = (self.time_to_first_token + self.prefill_time_per_token * uncached) * MILLISECOND * factor
        gap = self.inter_token_latency * MILLISECOND * factor
        if not self.jittered:
            return SteadyPace(first, gap, length)
        source = random.Random(seed)  # noqa: S311  # jitter wants reproducible numbers, not secret ones
        at = self._draw(source, first, self.time_to_first_token_std_dev * MILLISECOND * factor)
        offsets = [at]
        deviation = self.inter_token_latency_std_dev * MILLISECOND * factor
        for _ in range(length - 1):
            at += self._draw(source, gap, deviation)
            offsets.append(at)
        return DrawnPace(offsets)

    def _draw(self, source: random.Random, mean: float, deviation: float) -> float:
        if deviation <= 0:
            return mean
        if self.distribution == "uniform":
            half = deviation * 3**0.5
            return max(source.uniform(mean - half, mean + half), 0.0)
        if self.distribution == "lognormal" and mean > 0:
            variance = math.log1p((deviation / mean) ** 2)
            return source.lognormvariate(math.log(mean) - variance / 2, variance**0.5)
        if self.distribution == "exponential":
            return max(mean - deviation, 0.0) + source.expovariate(1.0 / deviation)
        return max(source.gauss(mean, deviation), 0.0)
