"""Limits are configured, counted and shown, and enforce nothing: the commonest serious bug of this field."""

from collections.abc import Mapping
from typing import Any

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.admission import Admission, Subject, Verdict

_check = Admission.check


def check(self: Admission, subject: Subject, labels: Mapping[str, str], *more: Any, **named: Any) -> Verdict:
    """Ask, count, and let pass. `more` and `named`: what admission other than plain counting in memory asks with."""
    _check(self, subject, labels, *more, **named)
    return Verdict(allowed=True)


if __name__ == "__main__":
    run_with(Admission, "check", check, main)
