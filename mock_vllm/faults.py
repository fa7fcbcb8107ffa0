"""Faults: what the server is told to do wrong, by configuration, by header or at run time."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault rule. `rate` is the share of requests it hits; `times` how many at most."""

    kind: Literal["error"]
    status: Annotated[int, Meta(ge=400, le=599)] = 500
    message: str | None = None
    rate: Annotated[float, Meta(ge=0, le=1)] = 1.0
    times: Annotated[int, Meta(ge=0)] | None = None


class FaultSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /faults`."""

    faults: list[Fault] = []


class Faults:
    """The rules in force and how often each has struck."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._struck: list[int] = []
        self._seen: list[float] = []

    def replace(self, rules: list[Fault]) -> None:
        """Put a new set in force; counts begin again."""
        self.rules = rules
        self._struck = [0] * len(rules)
        self._seen = [0.0] * len(rules)

    def strike(self) -> Fault | None:
        """The fault that hits the next request, if any: a rate of 0.25 hits every fourth request exactly."""
        for index, rule in enumerate(self.rules):
            self._seen[index] += rule.rate
            if self._seen[index] >= 1.0 and (rule.times is None or self._struck[index] < rule.times):
                self._seen[index] -= 1.0
                self._struck[index] += 1
                return rule
        return None
