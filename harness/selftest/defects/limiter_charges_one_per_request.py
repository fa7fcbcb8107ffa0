"""A request costs one token, however many it used."""

from collections.abc import Mapping

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.admission import Admission, Subject

_report = Admission.report


def report(self: Admission, subject: Subject, tokens: int, labels: Mapping[str, str]) -> None:
    """Charge 1."""
    _report(self, subject, 1, labels)


if __name__ == "__main__":
    run_with(Admission, "report", report, main)
