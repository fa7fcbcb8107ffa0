"""The quota oracle: which answers an admission model allows, given the usages that were seen.

A verdict never counts requests, because their number follows from their costs. It replays the attempts: each has to be
admitted or refused as the model would have done with what had been charged by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """One finished request: whether it was admitted, and what it cost; `cost` is None when an admitted answer did not say."""

    admitted: bool
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The first attempt that the model forbids; `number` counts from 1."""

    number: int
    expected: str
    observed: str


def check_then_report(limit: int, attempts: Sequence[Attempt]) -> Contradiction | None:
    """Judge sequential attempts of one window: admitted exactly while the tokens charged before are fewer than the limit.

    The size of the coming request plays no part, so the last admitted one may overshoot; what it overshoots by stays charged.
    Raises ValueError when an admitted attempt has no cost: then nothing after it can be judged.
    """
    used = 0
    for number, attempt in enumerate(attempts, start=1):
        admissible = used < limit
        if attempt.admitted != admissible:
            words = {True: "200", False: "429"}
            return Contradiction(
                number,
                f"{words[admissible]} for request {number}, with {used} of {limit} tokens charged before it",
                f"{words[attempt.admitted]}",
            )
        if attempt.admitted:
            if attempt.cost is None:
                raise ValueError(
                    f"request {number} was admitted and states no usage, so nothing after it can be judged"
                )
            used += attempt.cost
    return None


def concurrent_bounds(limit: int, cost: int, parallel: int) -> tuple[int, int]:
    """The least and the most of `parallel` equal requests that may pass when all start with an untouched budget.

    At least those that one after the other would pass; at most all of them, since every check may come before every report.
    """
    if cost <= 0:
        raise ValueError(f"a request's cost must be positive to bound how many pass; it is {cost}")
    return min(parallel, -(-limit // cost)), parallel
