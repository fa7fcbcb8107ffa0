"""Limits are configured, counted and shown, and enforce nothing: the commonest serious bug of this field."""

from collections.abc import Mapping

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.admission import Admission, Subject, Verdict

_check = Admission.check


def check(self: Admission, subject: Subject, labels: Mapping[str, str]) -> Verdict:
    """Ask, count, and let pass."""
    _check(self, subject, labels)
    return Verdict(allowed=True)


if __name__ == "__main__":
    run_with(Admission, "check", check, main)
